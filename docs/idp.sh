# Plays an identity provider at the service of `make run`, for the examples of these pages. In a second terminal:
#
#     . .venv/bin/activate && export SCIMLITE_STATE_DIR=./var
#     . docs/idp.sh
#
# Needs curl. Another app: IDP_APP=okta . docs/idp.sh

IDP_APP=${IDP_APP:-entra-id}
IDP_URL=${IDP_URL:-http://127.0.0.1:8000/scim/v2/$IDP_APP}
IDP_TOKEN=$(scimlite token show "$IDP_APP" 2>/dev/null)

# idp POST /Users '{"userName": "alice@example.com"}' sends one request; prints the status and the answer.
idp() {
    curl -s -w '\n%{http_code}' -X "$1" "$IDP_URL$2" ${3:+-d "$3"} \
        -H "Authorization: Bearer $IDP_TOKEN" -H "Content-Type: application/scim+json" |
        python3 -c 'import json, sys
body, _, status = sys.stdin.read().rpartition("\n")
print(status, json.dumps(json.loads(body), indent=2, ensure_ascii=False) if body else "")'
}

# id_of alice@example.com prints the id of a user; id_of Staff that of a group.
id_of() {
    curl -s -G "$IDP_URL" --data-urlencode "filter=userName eq \"$1\" or displayName eq \"$1\"" \
        -H "Authorization: Bearer $IDP_TOKEN" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["Resources"][0]["id"])'
}
