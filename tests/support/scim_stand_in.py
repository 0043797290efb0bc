"""A SCIM server with quirks, as they are met: without sort, with cursors, with wrong totals, with pages that repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from receiver import Got, Reply
from stand_ins import StandIn, json_reply

Json = Any


@dataclass
class ScimStandIn(StandIn):
    """Users and groups, and what the server does wrong with them."""

    token: str | None = "right"
    users: list[dict[str, Json]] = field(default_factory=list)
    groups: list[dict[str, Json]] = field(default_factory=list)
    #: The ServiceProviderConfig; None where there is none.
    config: dict[str, Json] | None = field(default_factory=dict)
    #: Added to every totalResults; `page` says how many are in the page in place of how many there are.
    total: int | str = 0
    most: int = 3
    repeats: bool = False
    refuses_the_end: bool = False
    members_in_lists: bool = True
    #: Parameters that it refuses.
    lacks: tuple[str, ...] = ()
    #: Users that go before the second page is asked for.
    leavers: list[str] = field(default_factory=list)

    def people(self, number: int) -> None:
        """So many users."""
        self.users = [{"id": f"u{each:02}", "userName": f"user{each}"} for each in range(number)]

    def answer(self, path: str, query: Mapping[str, str], got: Got) -> Reply:
        if self.token and got.headers.get("authorization") != f"Bearer {self.token}":
            return json_reply({"status": "401", "detail": f"not {got.headers.get('authorization')}"}, 401)
        parts = path.strip("/").split("/")
        if parts[0] == "ServiceProviderConfig":
            return json_reply({}, 404) if self.config is None else json_reply(self.config)
        found = self.users if parts[0] == "Users" else self.groups
        if len(parts) == 2:
            one = [each for each in found if each["id"] == parts[1]]
            return json_reply(one[0]) if one else json_reply({}, 404)
        if not self.members_in_lists:
            found = [{key: value for key, value in each.items() if key != "members"} for each in found]
        return self._page(found, query)

    def _page(self, found: list[dict[str, Json]], query: Mapping[str, str]) -> Reply:
        if any(name in query for name in self.lacks):
            return json_reply({"scimType": "invalidValue"}, 501 if "cursor" in query else 400)
        start = int(query.get("cursor") or query.get("startIndex") or 1)
        if start > 1 and self.leavers:
            gone = self.leavers.pop()
            self.users = found = [each for each in found if each["id"] != gone]
        if self.refuses_the_end and start > max(1, len(found)):
            return json_reply({"scimType": "invalidValue"}, 400)
        count = min(int(query["count"]), self.most)
        page = found[:count] if self.repeats else found[start - 1 : start - 1 + count]
        total = len(page) if self.total == "page" else len(found) + int(self.total)
        document: dict[str, Json] = {"totalResults": total, "Resources": page}
        if "cursor" in query and start - 1 + count < len(found):
            document["nextCursor"] = str(start + count)
        return json_reply(document)
