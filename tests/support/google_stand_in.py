"""Google's Directory API, as far as a reader meets it: page tokens, members of groups, tokens for service accounts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

from receiver import Got, Reply
from stand_ins import StandIn, json_reply

Json = Any
_ACCOUNT = "reader@project.iam.gserviceaccount.com"


@dataclass
class GoogleStandIn(StandIn):
    """Users and groups by id, and the members of groups as Google shows them."""

    users: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, Json] = field(default_factory=dict)
    members: dict[str, list[Json]] = field(default_factory=dict)
    key: RSAKey | None = None
    #: For whom the account may read.
    subject: str | None = "admin@example.com"
    token: str = "right"
    page: int = 2

    def user(self, key: str, **more: Json) -> None:
        """Puts a user there."""
        self.users[key] = {"id": key, "customerId": "C1", "primaryEmail": f"{key}@example.com", **more}

    def group(self, key: str, name: str, *members: str | Json) -> None:
        """Puts a group there; members are ids of users, or documents."""
        self.groups[key] = {"id": key, "name": name, "email": f"{key}@example.com"}
        self.members[key] = [{"id": each, "type": "USER"} if isinstance(each, str) else each for each in members]

    def account(self) -> str:
        """The key of the service account, as Google's file has it."""
        assert self.key is not None
        parts = {"type": "service_account", "client_email": _ACCOUNT, "token_uri": f"{self.base}/token"}
        return orjson.dumps({**parts, "private_key": self.key.as_pem(private=True).decode()}).decode()

    def answer(self, path: str, query: Mapping[str, str], got: Got) -> Reply:
        if path == "/token":
            form = {name: values[0] for name, values in parse_qs(got.body.decode()).items()}
            assert self.key is not None
            claims = jwt.decode(form["assertion"], self.key).claims
            assert (claims["iss"], claims["aud"]) == (_ACCOUNT, f"{self.base}/token")
            assert claims["exp"] <= time.time() + 3600
            if claims.get("sub") != self.subject:
                return json_reply({"error": "unauthorized_client", "error_description": form["assertion"]}, 401)
            self.token = f"token-{len(self.asked)}"
            return json_reply({"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"})
        if got.headers.get("authorization") != f"Bearer {self.token}":
            return json_reply({"error": {"code": 401, "errors": [{"reason": "authError"}]}}, 401)
        parts = path.removeprefix("/admin/directory/v1/").split("/")
        stored = self.users if parts[0] == "users" else self.groups
        if len(parts) == 2:
            known = [each for each in stored.values() if parts[1] in (each["id"], each.get("primaryEmail"))]
            return json_reply(known[0]) if known else json_reply({"error": {"errors": [{"reason": "notFound"}]}}, 404)
        found = self.members[parts[1]] if len(parts) == 3 else list(stored.values())
        if "query" in query:
            name, value = query["query"].split("=")
            found = [each for each in found if each.get(name) == value.strip("'")]
        start = int(query.get("pageToken", "0"))
        document: dict[str, Json] = {"kind": "directory"}
        if found:
            document[parts[-1]] = found[start : start + self.page]
        if start + self.page < len(found):
            document["nextPageToken"] = str(start + self.page)
        return json_reply(document)
