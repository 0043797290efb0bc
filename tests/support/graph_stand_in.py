"""Microsoft Graph, as far as a reader meets it: pages, selected attributes, delta queries that forget, tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote

from joserfc import jwt
from joserfc.jwk import RSAKey

from receiver import Got, Reply
from stand_ins import StandIn, json_reply

Json = Any


@dataclass
class GraphStandIn(StandIn):
    """Users and groups by id; `changes` is who changed, in order, and a delta link has how many there were."""

    users: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, Json] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    #: Delta links from before this change are gone.
    forgotten: int = -1
    secret: str = "s&cret"
    token: str = "none"
    #: The key of the application, and the thumbprint of its certificate.
    key: RSAKey | None = None
    thumbprint: str = ""
    page: int = 2

    def user(self, key: str, **more: Json) -> None:
        """Puts a user there."""
        usual = {"userPrincipalName": f"{key}@example.com", "accountEnabled": True, "displayName": key.title()}
        self.users[key] = {"id": key, **usual, **more}
        self.changes.append(("users", key))

    def group(self, key: str, name: str, *members: str) -> None:
        """Puts a group there."""
        self.groups[key] = {"id": key, "displayName": name, "mail": None}
        self.members[key] = list(members)
        self.changes.append(("groups", key))

    def answer(self, path: str, query: Mapping[str, str], got: Got) -> Reply:
        if path == "/t1/v2.0/.well-known/openid-configuration":
            return json_reply({"issuer": "https://login.example/0000-t1/v2.0"})
        if not path.startswith(("/v1.0/", "/t1/oauth2/v2.0/token")):
            return json_reply({"error": "invalid_tenant", "error_codes": [90002]}, 400)
        if path.endswith("/token"):
            form = {name: values[0] for name, values in parse_qs(got.body.decode()).items()}
            if not self._accepts(form):
                return json_reply({"error": "invalid_client", "error_codes": [7000215]}, 401)
            assert form["scope"] == f"{self.base}/.default"
            self.token = f"token-{len(self.asked)}"
            return json_reply({"access_token": self.token, "expires_in": 3599})
        if got.headers.get("authorization") != f"Bearer {self.token}":
            return json_reply({"error": {"code": "InvalidAuthenticationToken", "message": got.headers}}, 401)
        parts = path.removeprefix("/v1.0/").split("/")
        if parts[1:] == ["delta"]:
            return self._delta(parts[0], query)
        if parts[0] == "users":
            wanted = re.findall(r"'([^']*)'", query.get("$filter", "")) or list(self.users)
            expands = "$expand" in query
            found = [_selected(self.users[each], query, expands=expands) for each in wanted if each in self.users]
            return self._page(path, found, query)
        if parts[1] not in self.groups:
            return json_reply({"error": {"code": "Request_ResourceNotFound"}}, 404)
        if len(parts) == 2:
            return json_reply(_selected(self.groups[parts[1]], query))
        return self._page(path, [self._member(each) for each in self._all_members(parts[1], parts[2])], query)

    def _accepts(self, form: dict[str, str]) -> bool:
        if form["client_id"] != "me" or "client_secret" in form:
            return form["client_id"] == "me" and form.get("client_secret") == self.secret
        assert self.key is not None
        token = jwt.decode(form["client_assertion"], self.key)
        known = {"alg": "RS256", "typ": "JWT", "x5t#S256": self.thumbprint}
        assert token.claims["aud"] == f"{self.base}/t1/oauth2/v2.0/token"
        return token.header == known and token.claims["iss"] == token.claims["sub"] == "me"

    def _all_members(self, key: str, which: str) -> list[str]:
        made = dict.fromkeys(self.members[key])
        if which == "transitiveMembers":
            for each in self.members[key]:
                made |= dict.fromkeys(self._all_members(each, which) if each in self.groups else ())
        return list(made)

    def _member(self, key: str) -> Json:
        return {"@odata.type": f"#microsoft.graph.{'group' if key in self.groups else 'user'}", "id": key}

    def _page(self, path: str, found: list[Json], query: Mapping[str, str], last: Json = None) -> Reply:
        start = int(query.get("$skiptoken", "0"))
        document: dict[str, Json] = {"value": found[start : start + self.page]}
        if start + self.page < len(found):
            kept = {**query, "$skiptoken": str(start + self.page)}
            text = "&".join(f"{name}={quote(value)}" for name, value in kept.items())
            document["@odata.nextLink"] = f"{self.base}{path}?{text}"
        else:
            document |= last or {}
        return json_reply(document)

    def _delta(self, place: str, query: Mapping[str, str]) -> Reply:
        path = f"/v1.0/{place}/delta"
        link = {"@odata.deltaLink": f"{self.base}{path}?$deltatoken={len(self.changes)}"}
        since = query.get("$deltatoken")
        if since == "latest":
            return json_reply({"value": [], **link})
        if since is not None:
            if int(since) < self.forgotten:
                return json_reply({"error": {"code": "syncStateNotFound"}}, 410)
            changed = {key for kind, key in self.changes[int(since) :] if kind == place}
            stored = self.users if place == "users" else self.groups
            found = [stored.get(key, {"id": key, "@removed": {"reason": "changed"}}) for key in sorted(changed)]
            return self._page(path, found, query, link)
        assert "members" in query["$select"].split(",")
        # Each group comes in parts.
        parts = []
        for key, group in self.groups.items():
            listed = [self._member(each) for each in self.members[key]]
            parts += [{**_selected(group, query), "members@delta": listed[:2]}]
            parts += [{"id": key, "members@delta": [each]} for each in listed[2:]]
        return self._page(path, parts, query, link)


def _selected(entry: Json, query: Mapping[str, str], *, expands: bool = False) -> Json:
    names = query["$select"].split(",")
    made = {name: entry.get(name) for name in names}
    if expands and entry.get("manager"):
        made["manager"] = {"@odata.type": "#microsoft.graph.user", "id": entry["manager"]}
    return made
