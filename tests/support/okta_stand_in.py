"""An Okta org, as far as a reader meets it: Link headers, who is left out of lists, rate limits, tokens for a key."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, quote

from joserfc import jwt
from joserfc.jwk import RSAKey

from receiver import Got, Reply
from stand_ins import StandIn, json_reply

Json = Any


@dataclass
class OktaStandIn(StandIn):
    """Users and groups by id, and the members of groups."""

    users: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, Json] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    #: What may be sent to sign in.
    accepted: set[str] = field(default_factory=lambda: {"SSWS right"})
    #: The key of the service app `me`.
    key: RSAKey | None = None
    page: int = 2
    #: Of how many requests a minute, and how many are left.
    limit: int = 1000
    left: int = 1000
    reset: float = 0.0

    def user(
        self, key: str, status: str = "ACTIVE", updated: str = "2026-01-01T00:00:00.000Z", **profile: Json
    ) -> None:
        """Puts a user there."""
        profile = {"login": f"{key}@example.com", "email": f"{key}@example.com", **profile}
        self.users[key] = {"id": key, "status": status, "lastUpdated": updated, "profile": profile}

    def group(self, key: str, name: str, *members: str, updated: str = "2026-01-01T00:00:00.000Z", **more: str) -> None:
        """Puts a group there; `updated` is when its members changed."""
        times = {"lastUpdated": "2026-01-01T00:00:00.000Z", "lastMembershipUpdated": updated}
        self.groups[key] = {"id": key, "type": "OKTA_GROUP", **times, "profile": {"name": name}, **more}
        self.members[key] = list(members)

    def answer(self, path: str, query: Mapping[str, str], got: Got) -> Reply:
        if path == "/.well-known/okta-organization":
            return json_reply({"id": "00o1"}, Date=formatdate(usegmt=True))
        if path == "/oauth2/v1/token":
            return self._token(got)
        if got.headers.get("authorization") not in self.accepted:
            return json_reply({"errorCode": "E0000011", "errorSummary": "Invalid token provided"}, 401)
        parts = path.strip("/").split("/")[2:]
        stored = self.users if parts[0] == "users" else self.groups
        if len(parts) == 2:
            known = [each for each in stored.values() if parts[1] in (each["id"], each["profile"].get("login"))]
            return json_reply(known[0]) if known else json_reply({"errorCode": "E0000007"}, 404)
        if len(parts) == 3:
            return self._page(path, [self.users[each] for each in self.members[parts[1]]], query)
        return self._page(path, [each for each in stored.values() if _matches(each, query.get("filter"))], query)

    def _page(self, path: str, found: list[Json], query: Mapping[str, str]) -> Reply:
        if self.left <= 0 and time.time() < self.reset:
            return json_reply({"errorCode": "E0000047"}, 429, **self._limits())
        self.left = self.limit - 1 if self.left <= 0 else self.left - 1
        rest = sorted((each for each in found if each["id"] > query.get("after", "")), key=lambda each: str(each["id"]))
        page = rest[: min(self.page, int(query["limit"]))]
        links = [f'<{self.base}{path}?limit={query["limit"]}>; rel="self"']
        if len(page) < len(rest):
            more = f"&filter={quote(query['filter'])}" if "filter" in query else ""
            links.append(f'<{self.base}{path}?after={page[-1]["id"]}&limit={query["limit"]}{more}>; rel="next"')
        return json_reply(page, 200, Link=", ".join(links), **self._limits())

    def _limits(self) -> dict[str, str]:
        numbers = {"Limit": self.limit, "Remaining": self.left, "Reset": int(self.reset)}
        return {f"X_Rate_Limit_{name}": str(number) for name, number in numbers.items()} if self.reset else {}

    def _token(self, got: Got) -> Reply:
        form = {name: values[0] for name, values in parse_qs(got.body.decode()).items()}
        assert self.key is not None
        claims = jwt.decode(form["client_assertion"], self.key).claims
        right = claims["sub"] == claims["iss"] == "me" and claims["aud"] == f"{self.base}/oauth2/v1/token"
        if not right or claims["exp"] > time.time() + 3600:
            return json_reply({"error": "invalid_client", "error_description": form["client_assertion"]}, 401)
        token = f"token-{len(self.asked)}"
        self.accepted = {f"Bearer {token}"}
        return json_reply({"token_type": "Bearer", "expires_in": 3600, "access_token": token, "scope": form["scope"]})


def _matches(entry: Json, text: str | None) -> bool:
    """Whether an entry is in a list; without a word about the status nobody who is deprovisioned is."""
    if 'status eq "DEPROVISIONED"' not in (text or "") and entry.get("status") == "DEPROVISIONED":
        return False
    for either in (text or "").split(" or "):
        parts = re.findall(r'([\w.]+) (eq|gt) "([^"]*)"', either)
        values = [
            (entry.get(name, entry.get("profile", {}).get(name.removeprefix("profile."))), op, is_)
            for name, op, is_ in parts
        ]
        if all(value == wanted if op == "eq" else value > wanted for value, op, wanted in values):
            return True
    return False
