"""The Identity Store of AWS, as far as boto3 meets it: its JSON protocol, pages by token, throttling, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from receiver import Got, Reply
from stand_ins import StandIn, json_reply

Json = Any
#: The environment in which boto3 asks with credentials that are none.
CREDENTIALS = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ACCESS_KEY_ID": "AKIATEST",
    "AWS_SECRET_ACCESS_KEY": "s3cret",
}
_LISTS = {"ListUsers": ("Users", "UserId"), "ListGroups": ("Groups", "GroupId")}


@dataclass
class AwsStandIn(StandIn):
    """Users and groups by id, and the members of groups."""

    store: str = "d-1234567890"
    users: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, Json] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    page: int = 2
    #: How often the next requests are throttled.
    throttled: int = 0
    #: The code with which calls are refused, by their names.
    refused: dict[str, str] = field(default_factory=dict)
    #: The tokens for more pages come again and again.
    circles: bool = False

    def user(self, key: str, **more: Json) -> None:
        """Puts a user there."""
        self.users[key] = {"IdentityStoreId": self.store, "UserId": key, "UserName": f"{key}@example.com", **more}

    def group(self, key: str, name: str, *members: str) -> None:
        """Puts a group there."""
        self.groups[key] = {"IdentityStoreId": self.store, "GroupId": key, "DisplayName": name}
        self.members[key] = list(members)

    def answer(self, path: str, query: Mapping[str, str], got: Got) -> Reply:
        call = got.headers["x-amz-target"].removeprefix("AWSIdentityStore.")
        assert got.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIATEST")
        asked = orjson.loads(got.body)
        if self.throttled:
            self.throttled -= 1
            return _error("ThrottlingException")
        if call in self.refused:
            return _error(self.refused[call])
        if asked["IdentityStoreId"] != self.store:
            return _error("ResourceNotFoundException")
        if call.startswith("Describe"):
            stored = self.users if call == "DescribeUser" else self.groups
            found = stored.get(asked.get("UserId") or asked.get("GroupId"))
            return json_reply(found) if found else _error("ResourceNotFoundException")
        if call == "ListGroupMemberships":
            key = asked["GroupId"]
            listed = [
                {"MembershipId": f"{key}-{each}", "GroupId": key, "MemberId": {"UserId": each}}
                for each in self.members[key]
            ]
            return self._page("GroupMemberships", listed, asked)
        stored = self.users if call == "ListUsers" else self.groups
        return self._page(_LISTS[call][0], list(stored.values()), asked)

    def _page(self, name: str, found: list[Json], asked: Json) -> Reply:
        assert asked["MaxResults"] <= 100
        start = int(asked.get("NextToken", "0"))
        size = min(self.page, asked["MaxResults"])
        document: dict[str, Json] = {name: found[start : start + size]}
        if self.circles or start + size < len(found):
            document["NextToken"] = str(0 if self.circles else start + size)
        return json_reply(document)


def _error(code: str) -> Reply:
    return json_reply({"__type": code, "Message": "not told"}, 400)
