"""URLs as clients write them, entity tags, discovery, and which attributes an answer holds."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from installation import Connected, Installation
from scim_client import (
    ENTERPRISE_URN,
    GROUP_URN,
    MEDIA_TYPE,
    PATCH_URN,
    USER_URN,
    Answer,
    ScimClient,
    add_members,
    assert_scim_error,
    remove_member,
    send_raw,
)

TITLE = {"op": "replace", "path": "title", "value": "x"}


# --- URLs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/Users",
        "/Users/",
        "/Users?",
        "/Users/?",
        "/Users?&",
        '/Users?filter=userName%20eq%20"u"&',
        "/Users?filter=userName+eq+%22u%22",
        "/Users?FILTER=userName%20eq%20%22u%22&StartIndex=1",
        "/Users/?filter=userName%20eq%20%22u%22",
        "//Users",
        "//Users/",
        "///Users//?filter=userName%20eq%20%22u%22",
        "/Users?unknown=1&filter=",
        "/%55sers",
    ],
)
def test_one_collection_by_many_names(app: Connected, path: str) -> None:
    app.client.user("u").ok(201)
    found = app.client.get(path.replace('"', "%22")).ok(200)
    assert found.headers["content-type"] == MEDIA_TYPE
    assert "location" not in found.headers
    assert found.json["totalResults"] == 1
    assert found.json["Resources"][0]["meta"]["location"].startswith(f"{app.client.base}/Users/")


def test_one_resource_by_many_names(app: Connected) -> None:
    made = app.client.user("u").ok(201)
    for path in (f"/Users/{made.id}/", f"//Users//{made.id}", f"/Users//{made.id}//", f"/Users/{made.id}?"):
        assert app.client.get(path).ok(200).content == app.client.get(f"/Users/{made.id}").content
    made = app.client.post("//Users/", {"userName": "v"}).ok(201)
    assert made.headers["location"] == f"{app.client.base}/Users/{made.id}"
    app.client.patch(f"//Users/{made.id}/", TITLE).ok(200)
    app.client.put(f"/Users//{made.id}", {"userName": "w"}).ok(200)
    app.client.delete(f"//Users//{made.id}").ok(204)
    assert app.client.find("Users")["totalResults"] == 1


def test_doubled_slashes_do_not_lead_past_the_login(installation: Installation, app: Connected) -> None:
    anonymous = installation.client(app.slug, None)
    other = installation.app("other")
    for path in ("//Users", "///Users/x", "//Schemas"):
        assert_scim_error(anonymous.get(path), 401)
        assert_scim_error(installation.client(other.slug, app.text).get(path), 401)
    assert_scim_error(ScimClient(f"{installation.url}/scim/v2//{app.slug}", app.text).get("/Users"), 404)


def test_post_and_delete_with_a_query(app: Connected) -> None:
    made = app.client.post("/Users?x=1", {"userName": "u"}).ok(201)
    app.client.delete(f"/Users/{made.id}?").ok(204)


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "text/html", "application/xml;q=1", "application/json", "nonsense", "*/*;q=0"]
)
def test_get_never_answers_406_or_415(app: Connected, accept: str | None) -> None:
    made = app.client.user("u").ok(201)
    for path in ("/Users", f"/Users/{made.id}", "/Schemas", "/ResourceTypes", "/ServiceProviderConfig"):
        for content_type in (None, "text/plain", "nonsense", "application/x-www-form-urlencoded"):
            headers = {"Accept": accept, "Content-Type": content_type}
            assert app.client.get(path, headers=headers).ok(200).headers["content-type"] == MEDIA_TYPE


def test_get_with_a_body(app: Connected) -> None:
    for raw in (b"", b"{}", b"nonsense", b"x" * 100_000):
        app.client.get("/Users", raw=raw).ok(200)


def test_request_lines_up_to_8190_bytes(installation: Installation, app: Connected) -> None:
    def line(length: int) -> str:
        start = f"/scim/v2/{app.slug}/Users?filter=userName%20eq%20%22"
        return start + "a" * (length - len(start) - len("%22GET  HTTP/1.1")) + "%22"

    bare = ScimClient(installation.url, app.text)
    assert len(f"GET {line(8190)} HTTP/1.1") == 8190
    assert bare.get(line(8190)).ok(200).json["totalResults"] == 0
    answer = send_raw(installation.url, f"GET {line(8300)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 4")


def test_one_connection_serves_many_requests(app: Connected) -> None:
    app.client.get("/Users").ok(200)
    connection = app.client._connection
    for ask in (
        lambda: app.client.user("u").ok(201),
        lambda: assert_scim_error(app.client.post("/Users", raw=b"{"), 400, "invalidSyntax"),
        lambda: assert_scim_error(app.client.get("/Nothing"), 404),
        lambda: assert_scim_error(app.client.post("/Users", {}, headers={"Content-Type": "text/plain"}), 415),
        lambda: app.client.request("HEAD", "/Users").ok(200),
        lambda: app.client.get("/Users").ok(200),
    ):
        ask()
        assert app.client._connection is connection


# --- Location, ETag, If-Match, If-None-Match ----------------------------------------------------------------------


def test_location_and_etag_on_every_answer_with_a_resource(app: Connected) -> None:
    client = app.client
    for endpoint, body in (("Users", {"userName": "u"}), ("Groups", {"displayName": "g"})):
        made = client.post(f"/{endpoint}", body).ok(201)
        place = f"{client.base}/{endpoint}/{made.id}"
        for number, answer in enumerate(
            [
                made,
                client.get(f"/{endpoint}/{made.id}").ok(200),
                client.put(f"/{endpoint}/{made.id}", {**body, "externalId": "1"}).ok(200),
                client.patch(f"/{endpoint}/{made.id}", {"op": "add", "path": "externalId", "value": "2"}).ok(200),
                client.get(f"/{endpoint}/{made.id}").ok(200),
            ]
        ):
            version = (1, 1, 2, 3, 3)[number]
            assert answer.headers["location"] == place
            assert answer.json["meta"]["location"] == place
            assert answer.etag == f'W/"{version}"' == answer.json["meta"]["version"]
            assert answer.json["meta"]["resourceType"] == endpoint[:-1]
            assert answer.headers["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize(
    ("given", "matches"),
    [
        ('W/"1"', True),
        ('"1"', True),
        ("*", True),
        ('W/"7", W/"1"', True),
        ('"7","1"', True),
        ('W/"7", *', True),
        ('W/"2"', False),
        ('"7", W/"8"', False),
        ("1", False),
        ("nonsense", False),
        ('W/""', False),
        ('W/"11"', False),
        ('"1', False),
    ],
)
def test_if_match(app: Connected, given: str, matches: bool) -> None:
    client = app.client
    headers = {"If-Match": given}
    for endpoint, body in (("Users", {"userName": "u"}), ("Groups", {"displayName": "g"})):
        made = [client.post(f"/{endpoint}", {**body, next(iter(body)): f"n{i}"}).ok(201) for i in range(3)]
        change = {"op": "add", "path": "externalId", "value": "x"}
        answers = [
            client.patch(f"/{endpoint}/{made[0].id}", change, headers=headers),
            client.put(f"/{endpoint}/{made[1].id}", {**body, "externalId": "y"}, headers=headers),
            client.delete(f"/{endpoint}/{made[2].id}", headers=headers),
        ]
        if matches:
            assert [answer.status for answer in answers] == [200, 200, 204]
        else:
            for answer in answers:
                assert_scim_error(answer, 412)
            assert client.find(endpoint)["totalResults"] == 3
            assert {each["meta"]["version"] for each in client.find(endpoint)["Resources"]} == {'W/"1"'}


def test_if_match_on_what_is_not_there(app: Connected) -> None:
    for given in ("*", 'W/"1"'):
        assert_scim_error(app.client.delete("/Users/nobody", headers={"If-Match": given}), 404)


def test_if_match_is_checked_even_when_nothing_would_change(app: Connected) -> None:
    made = app.client.user("u", title="x").ok(201)
    assert_scim_error(app.client.patch(f"/Users/{made.id}", TITLE, headers={"If-Match": 'W/"9"'}), 412)
    assert app.client.patch(f"/Users/{made.id}", TITLE, headers={"If-Match": made.etag}).ok(200).etag == made.etag


def _get_if_changed(client: ScimClient, path: str, etag: str) -> Answer:
    return client.get(path, headers={"If-None-Match": etag})


def _assert_not_modified(answer: Answer, etag: str) -> None:
    assert answer.status == 304
    assert answer.content == b""
    assert answer.etag == etag
    assert "content-type" not in answer.headers


def test_if_none_match_for_a_user_without_groups(app: Connected) -> None:
    made = app.client.user("u").ok(201)
    path = f"/Users/{made.id}"
    for given in (made.etag, '"1"', "*", f'W/"9", {made.etag}'):
        _assert_not_modified(_get_if_changed(app.client, path, given), made.etag)
    for given in ('W/"2"', "1", "nonsense"):
        assert _get_if_changed(app.client, path, given).status == 200
    app.client.patch(path, TITLE).ok(200)
    assert _get_if_changed(app.client, path, made.etag).ok(200).etag == 'W/"2"'


def test_if_none_match_for_a_group(app: Connected) -> None:
    user = app.client.user("u").ok(201)
    group = app.client.group("g").ok(201)
    path = f"/Groups/{group.id}"
    _assert_not_modified(_get_if_changed(app.client, path, group.etag), group.etag)
    app.client.patch(path, add_members(user.id)).ok(200)
    changed = _get_if_changed(app.client, path, group.etag).ok(200)
    assert changed.json["members"][0]["value"] == user.id
    _assert_not_modified(_get_if_changed(app.client, path, changed.etag), changed.etag)


def test_a_group_whose_member_changed_is_not_304(app: Connected) -> None:
    """`members` shows names of others, and leaves out who was deleted: both are part of the answer."""
    user, other = app.client.user("u", displayName="Before").ok(201), app.client.user("o").ok(201)
    group = app.client.group("g", user.id, other.id).ok(201)
    path = f"/Groups/{group.id}"
    before = app.client.get(path).ok(200)
    app.client.patch(f"/Users/{user.id}", {"op": "replace", "path": "displayName", "value": "After"}).ok(200)
    names = _get_if_changed(app.client, f"{path}?attributes=members.display", before.etag).ok(200)
    assert "After" in names.content.decode()
    answer = _get_if_changed(app.client, path, before.etag).ok(200)
    app.client.delete(f"/Users/{other.id}").ok(204)
    answer = _get_if_changed(app.client, path, answer.etag)
    assert answer.status == 200
    assert [each["value"] for each in answer.json["members"]] == [user.id]


def test_never_304_for_a_user_who_is_or_was_in_a_group(app: Connected) -> None:
    user = app.client.user("u").ok(201)
    path = f"/Users/{user.id}"
    group = app.client.group("g", user.id).ok(201)
    held = _get_if_changed(app.client, path, user.etag).ok(200)
    assert [each["value"] for each in held.json["groups"]] == [group.id]
    for projection in ("?excludedAttributes=groups", "?attributes=userName"):
        _assert_not_modified(_get_if_changed(app.client, path + projection, user.etag), user.etag)
    assert _get_if_changed(app.client, path + "?attributes=groups.display", user.etag).status == 200
    app.client.patch(f"/Groups/{group.id}", remove_member(user.id)).ok(200)
    assert "groups" not in _get_if_changed(app.client, path, user.etag).ok(200).json


def test_never_304_after_the_group_was_deleted_or_lost_its_group(app: Connected) -> None:
    first, second = app.client.user("a").ok(201), app.client.user("b").ok(201)
    inner = app.client.group("inner", first.id, second.id).ok(201)
    outer = app.client.group("outer", inner.id).ok(201)
    path = f"/Users/{first.id}"
    assert len(app.client.get(path).json["groups"]) == 2
    app.client.delete(f"/Groups/{outer.id}").ok(204)
    assert len(_get_if_changed(app.client, path, first.etag).ok(200).json["groups"]) == 1
    app.client.delete(f"/Groups/{inner.id}").ok(204)
    assert "groups" not in _get_if_changed(app.client, path, first.etag).ok(200).json


# --- who the client thinks we are ---------------------------------------------------------------------------------

FORWARDED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "scim.example.com",
    "X-Forwarded-Prefix": "/prefix",
    "Forwarded": "proto=https;host=evil.example.com",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Scheme": "https",
    "X-Script-Name": "/evil",
}


def test_forwarded_headers_are_not_believed(app: Connected) -> None:
    made = app.client.post("/Users", {"userName": "u"}, headers=FORWARDED).ok(201)
    assert made.headers["location"] == f"{app.client.base}/Users/{made.id}"
    group = app.client.group("g", made.id).ok(201)
    found = app.client.get(f"/Groups/{group.id}", headers=FORWARDED).ok(200).json
    assert found["members"][0]["$ref"] == f"{app.client.base}/Users/{made.id}"
    config = app.client.get("/ServiceProviderConfig", headers=FORWARDED).ok(200).json
    assert config["meta"]["location"] == f"{app.client.base}/ServiceProviderConfig"


def test_the_host_that_the_client_names(app: Connected) -> None:
    made = app.client.post("/Users", {"userName": "u"}, headers={"Host": "scim.internal:8080"}).ok(201)
    assert made.headers["location"] == f"http://scim.internal:8080/scim/v2/{app.slug}/Users/{made.id}"
    for host in ("", "a b", "x/../y", 'a"b', "[", "x@y", "a\\b"):
        assert app.client.get("/Users", headers={"Host": host}).status == 400, host


def test_forwarded_headers_of_a_trusted_proxy(tmp_path: Path) -> None:
    installation = Installation.new(f"sqlite:///{tmp_path / 'scimlite.db'}", tmp_path)
    try:
        installation.start(workers=1, TRUSTED_PROXIES="10.0.0.0/8,127.0.0.1")
        app = installation.app()
        base = f"https://scim.example.com/prefix/scim/v2/{app.slug}"
        made = app.client.post("/Users", {"userName": "u"}, headers=FORWARDED).ok(201)
        assert made.headers["location"] == f"{base}/Users/{made.id}" == made.json["meta"]["location"]
        found = app.client.get("//Users", headers=FORWARDED).ok(200).json
        assert found["Resources"][0]["meta"]["location"] == made.headers["location"]
        # Only the last hop is ours to believe.
        hops = {"X-Forwarded-Host": "evil.example.com, scim.example.com", "X-Forwarded-Proto": "http, https"}
        twice = {**FORWARDED, **hops}
        assert app.client.get(f"/Users/{made.id}", headers=twice).headers["location"] == made.headers["location"]
        plain = app.client.get(f"/Users/{made.id}").ok(200)
        assert plain.headers["location"] == f"{app.client.base}/Users/{made.id}"
    finally:
        installation.stop()


def test_base_url_is_used_everywhere(tmp_path: Path) -> None:
    installation = Installation.new(f"sqlite:///{tmp_path / 'scimlite.db'}", tmp_path)
    try:
        installation.start(workers=1, BASE_URL="https://id.example.com/base")
        app = installation.app()
        base = f"https://id.example.com/base/scim/v2/{app.slug}"
        user = app.client.post("/Users", {"userName": "u"}, headers={**FORWARDED, "Host": "evil"}).ok(201)
        assert user.headers["location"] == f"{base}/Users/{user.id}" == user.json["meta"]["location"]
        group = app.client.group("g", user.id).ok(201)
        assert group.json["members"][0]["$ref"] == f"{base}/Users/{user.id}"
        assert app.client.get(f"/Users/{user.id}").json["groups"][0]["$ref"] == f"{base}/Groups/{group.id}"
        for path in ("/Schemas", "/ResourceTypes"):
            for each in app.client.get(path).json["Resources"]:
                assert each["meta"]["location"] == f"{base}{path}/{each['id']}"
        for place, number in ((base, 1), (app.client.base, 0)):
            found = app.client.find("Users", filter=f'meta.location eq "{place}/Users/{user.id}"')
            assert found["totalResults"] == number
    finally:
        installation.stop()


# --- discovery ----------------------------------------------------------------------------------------------------


def test_service_provider_config_needs_no_token(installation: Installation, app: Connected) -> None:
    with_token = app.client.get("/ServiceProviderConfig").ok(200)
    for token in (None, "garbage"):
        without = installation.client(app.slug, token).get("/ServiceProviderConfig").ok(200)
        assert without.content == with_token.content
        assert without.headers["content-type"] == MEDIA_TYPE
    unknown = installation.client("no-such-app", None).get("/ServiceProviderConfig")
    assert unknown.content.replace(b"no-such-app", app.slug.encode()) == with_token.content


@pytest.mark.parametrize("path", ["/Schemas", f"/Schemas/{USER_URN}", "/ResourceTypes", "/ResourceTypes/User"])
def test_the_other_declarations_need_one(installation: Installation, app: Connected, path: str) -> None:
    app.client.get(path).ok(200)
    assert_scim_error(installation.client(app.slug, None).get(path), 401)


def test_schemas(app: Connected) -> None:
    listed = app.client.get("/Schemas").ok(200).json
    assert listed["totalResults"] == listed["itemsPerPage"] == len(listed["Resources"]) == 3
    assert {each["id"] for each in listed["Resources"]} == {USER_URN, GROUP_URN, ENTERPRISE_URN}
    for each in listed["Resources"]:
        alone = app.client.get(f"/Schemas/{each['id']}").ok(200).json
        assert alone == each
        assert each["meta"]["location"] == f"{app.client.base}/Schemas/{each['id']}"
        assert each["meta"]["resourceType"] == "Schema"
        assert app.client.get(f"/Schemas/{quote(each['id'], safe='')}").ok(200).json == each
        assert app.client.get(f"/Schemas/{each['id'].upper()}/").ok(200).json == each
    assert_scim_error(app.client.get("/Schemas/urn:none"), 404, detail="urn:none")
    assert_scim_error(app.client.get("/Schemas?filter=id%20eq%20%22x%22"), 403)


def test_schemas_have_what_validations_look_for(app: Connected) -> None:
    """externalId and suggested types (Entra's gallery validation, IPSIE AL1), and the descriptions of RFC 7643."""
    schemas = {each["id"]: each for each in app.client.get("/Schemas").ok(200).json["Resources"]}
    described = {USER_URN: "User Account", GROUP_URN: "Group", ENTERPRISE_URN: "Enterprise User"}
    assert {id: each["description"] for id, each in schemas.items()} == described
    for urn in (USER_URN, GROUP_URN):
        (external_id,) = [each for each in schemas[urn]["attributes"] if each["name"] == "externalId"]
        assert external_id["type"] == "string"
        assert external_id["caseExact"]
        assert external_id["mutability"] == "readWrite"
    assert "externalId" not in [each["name"] for each in schemas[ENTERPRISE_URN]["attributes"]]
    for name in ("emails", "roles", "entitlements", "x509Certificates"):
        (attribute,) = [each for each in schemas[USER_URN]["attributes"] if each["name"] == name]
        (kind,) = [each for each in attribute["subAttributes"] if each["name"] == "type"]
        assert kind["canonicalValues"] == ["work", "home", "other"]
        # They are suggestions: any other type is taken.
    made = app.client.user("u", roles=[{"value": "r", "type": "seasonal"}]).ok(201)
    assert made.json["roles"] == [{"value": "r", "type": "seasonal"}]


def test_resource_types(app: Connected) -> None:
    listed = app.client.get("/ResourceTypes").ok(200).json
    assert {each["id"] for each in listed["Resources"]} == {"User", "Group"}
    for each in listed["Resources"]:
        assert app.client.get(f"/ResourceTypes/{each['id']}").ok(200).json == each
        app.client.get(each["endpoint"]).ok(200)
        app.client.get(f"/Schemas/{each['schema']}").ok(200)
        for extension in each["schemaExtensions"]:
            app.client.get(f"/Schemas/{extension['schema']}").ok(200)
    assert_scim_error(app.client.get("/ResourceTypes/Device"), 404, detail="Device")


def test_the_schema_says_what_the_app_enforces(installation: Installation) -> None:
    for feature, uniqueness, status in (("on", "server", 409), ("off", "none", 201)):
        app = installation.app(unique_group_names=feature)
        schema = app.client.get(f"/Schemas/{GROUP_URN}").ok(200).json
        (name,) = [each for each in schema["attributes"] if each["name"] == "displayName"]
        assert name["uniqueness"] == uniqueness
        app.client.group("same").ok(201)
        assert app.client.group("Same").status == status


def test_service_provider_config_tells_the_truth(installation: Installation, app: Connected) -> None:
    client = app.client
    config = client.get("/ServiceProviderConfig").ok(200).json
    users = [client.user(f"u{number}", password="Secret-word-1").ok(201) for number in range(3)]
    assert config["patch"]["supported"] is True
    client.patch(f"/Users/{users[0].id}", TITLE).ok(200)
    assert config["bulk"] == {"supported": True, "maxOperations": 1000, "maxPayloadSize": 16 * 1024 * 1024}
    deletion = {"method": "DELETE", "path": f"/Users/{users.pop().id}"}
    (deleted,) = client.post("/Bulk", {"Operations": [deletion]}).ok(200).json["Operations"]
    assert deleted["status"] == "204"
    users.append(client.user("u2").ok(201))
    assert config["filter"] == {"supported": True, "maxResults": 1000}
    assert client.find("Users", filter='userName eq "U1"')["totalResults"] == 1
    assert client.find("Users", count=1_000_000)["itemsPerPage"] == 3
    assert config["changePassword"] == {"supported": False}
    changed = client.patch(f"/Users/{users[1].id}", {"op": "replace", "path": "password", "value": "Secret-word-2"})
    assert changed.ok(200).etag == users[1].etag
    assert config["sort"] == {"supported": True}
    names = [each["userName"] for each in client.find("Users", sortBy="userName", sortOrder="descending")["Resources"]]
    assert names == ["u2", "u1", "u0"]
    assert config["etag"] == {"supported": True}
    assert_scim_error(client.delete(f"/Users/{users[0].id}", headers={"If-Match": users[0].etag}), 412)
    (scheme,) = config["authenticationSchemes"]
    assert scheme["type"] == "oauthbearertoken"
    assert client.get("/Users").status == 200
    assert config["meta"]["resourceType"] == "ServiceProviderConfig"


def test_max_results_is_kept(tmp_path: Path) -> None:
    installation = Installation.new(f"sqlite:///{tmp_path / 'scimlite.db'}", tmp_path)
    try:
        installation.start(workers=1, MAX_RESULTS="3", DEFAULT_COUNT="2")
        app = installation.app()
        for number in range(5):
            app.client.user(f"u{number}").ok(201)
        assert app.client.get("/ServiceProviderConfig").json["filter"]["maxResults"] == 3
        for query, number in (({}, 2), ({"count": 9}, 3), ({"count": 0}, 0)):
            assert app.client.find("Users", **query)["itemsPerPage"] == number
        assert app.client.find("Users", count=9)["totalResults"] == 5
    finally:
        installation.stop()


# --- attributes and excludedAttributes ----------------------------------------------------------------------------

ALWAYS = {"schemas", "id"}


def _keys(answer: Answer) -> set[str]:
    return set(answer.json)


def test_projection_on_every_verb(app: Connected) -> None:
    client = app.client
    body = {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "userName": "u",
        "title": "t",
        "name": {"givenName": "G", "familyName": "F"},
        "emails": [{"value": "a@example.com", "type": "work"}],
        ENTERPRISE_URN: {"department": "D", "division": "V"},
    }
    made = client.post("/Users?attributes=userName,name.givenName", body).ok(201)
    assert _keys(made) == ALWAYS | {"userName", "name"}
    assert made.json["name"] == {"givenName": "G"}
    assert made.headers["location"] == f"{client.base}/Users/{made.id}"
    path = f"/Users/{made.id}"
    assert _keys(client.get(f"{path}?attributes=TITLE")) == ALWAYS | {"title"}
    assert client.get(f"{path}?attributes={ENTERPRISE_URN}:department").json[ENTERPRISE_URN] == {"department": "D"}
    assert client.get(f"{path}?attributes={ENTERPRISE_URN}").json[ENTERPRISE_URN] == body[ENTERPRISE_URN]
    assert client.get(f"{path}?excludedAttributes=emails,name.familyName").json["name"] == {"givenName": "G"}
    assert "emails" not in client.get(f"{path}?excludedAttributes=emails").json
    assert client.get(f"{path}?excludedAttributes=id,schemas,userName").json["id"] == made.id
    assert _keys(client.put(f"{path}?attributes=title", {**body, "title": "p"}).ok(200)) == ALWAYS | {"title"}
    put = client.put(f"{path}?excludedAttributes=emails,meta", {**body, "title": "q"}).ok(200)
    assert not {"emails", "meta"} & _keys(put)
    patched = client.request(
        "PATCH", f"{path}?attributes=userName", {"schemas": [PATCH_URN], "Operations": [{**TITLE, "value": "r"}]}
    )
    assert _keys(patched.ok(200)) == ALWAYS | {"userName"}
    (found,) = client.find("Users", attributes="title")["Resources"]
    assert set(found) == ALWAYS | {"title"}
    assert found["title"] == "r"
    (found,) = client.find("Users", excludedAttributes=f"emails,{ENTERPRISE_URN}", filter="title pr")["Resources"]
    assert not {"emails", ENTERPRISE_URN} & set(found)
    assert client.get(f"{path}?attributes=nothingKnown").ok(200).json.keys() == ALWAYS
    assert_scim_error(client.get(f"{path}?attributes=title&excludedAttributes=name"), 400, "invalidValue")
    # Nothing is written when the projection is wrong.
    assert_scim_error(client.post("/Users?attributes=a&excludedAttributes=b", {"userName": "no"}), 400, "invalidValue")
    assert client.find("Users", count=0)["totalResults"] == 1


def test_projection_of_members_and_groups(app: Connected) -> None:
    client = app.client
    user = client.user("u").ok(201)
    body = {"displayName": "g", "members": [{"value": user.id}]}
    group = client.post("/Groups?excludedAttributes=members", body).ok(201)
    assert "members" not in group.json
    path = f"/Groups/{group.id}"
    assert "members" not in client.get(f"{path}?excludedAttributes=members").json
    assert client.get(f"{path}?attributes=members.value").json["members"] == [{"value": user.id}]
    assert "members" not in client.get(f"{path}?attributes=displayName").json
    assert client.get(f"/Users/{user.id}?attributes=groups").json["groups"][0]["value"] == group.id
    assert "groups" not in client.get(f"/Users/{user.id}?excludedAttributes=groups").json
    assert "members" not in client.find("Groups", excludedAttributes="members")["Resources"][0]
    answer = client.request("PATCH", f"{path}?excludedAttributes=members", {"Operations": [add_members(user.id)]})
    assert answer.status in (200, 204)
    assert b"members" not in answer.content
    assert "members" not in client.put(f"{path}?excludedAttributes=members", {"displayName": "h"}).ok(200).json
    assert client.members(group.id) == set()


def test_how_a_patch_is_answered(installation: Installation) -> None:
    for setting, small, large in (("auto", 200, 204), ("body", 200, 200), ("empty", 204, 204)):
        app = installation.app(patch_answer=setting)
        users = [app.client.user(f"u{number}").ok(201).id for number in range(101)]
        group = app.client.group("g", *users[:99]).ok(201)
        assert app.client.patch(f"/Groups/{group.id}", add_members(users[99])).status == small
        answer = app.client.patch(f"/Groups/{group.id}", add_members(users[100]))
        assert answer.status == large
        assert answer.etag == 'W/"3"'
        if large == 204:
            assert answer.content == b""
            assert "content-type" not in answer.headers
        named = app.client.request(
            "PATCH", f"/Groups/{group.id}?attributes=members", {"Operations": [remove_member(users[0])]}
        )
        assert len(named.ok(200).json["members"]) == 100
        assert app.client.patch(f"/Users/{users[0]}", TITLE).status == small
