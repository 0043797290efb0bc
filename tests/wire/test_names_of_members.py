"""`members.display`: in every answer that reads a group, in no answer to a write, and the same that filters compare."""

from __future__ import annotations

from typing import Any

from installation import Connected
from scim_client import ENTERPRISE_URN, GROUP_URN, Answer, ScimClient, add_members, assert_scim_error

Json = Any


def displays(group: Json) -> list[str | None]:
    return [member.get("display") for member in group["members"]]


def made(client: ScimClient) -> tuple[Answer, Answer, Answer]:
    """A user with a displayName, a group in a group, and the group that both are in."""
    ann = client.user("ann", displayName="Ann Ash", **{ENTERPRISE_URN: {"department": "IT"}}).ok(201)
    inner = client.group("Inner").ok(201)
    bob = client.user("bob").ok(201)
    return ann, inner, client.group("Staff", ann.id, inner.id, bob.id).ok(201)


def test_reads_have_it_and_answers_to_writes_do_not(app: Connected) -> None:
    client = app.client
    ann, inner, group = made(client)
    path = f"/Groups/{group.id}"
    assert displays(group.json) == [None] * 3
    assert client.get(path).ok(200).json["members"][0] == {
        "value": ann.id,
        "$ref": f"{client.base}/Users/{ann.id}",
        "type": "User",
        "display": "Ann Ash",
    }
    names = ["Ann Ash", "Inner", None]
    for answer in (
        client.get(path).ok(200).json,
        client.get(f"{path}?attributes=members").ok(200).json,
        client.get(f"{path}?excludedAttributes=displayName,members.type").ok(200).json,
        client.find("Groups", filter='displayName eq "Staff"')["Resources"][0],
        client.find("Groups", filter='displayName eq "Staff"', cursor="")["Resources"][0],
        client.find("", filter='displayName eq "Staff"')["Resources"][0],
        client.post("/.search", {"filter": 'displayName eq "Staff"'}).ok(200).json["Resources"][0],
        client.post("/Groups/.search", {"filter": 'displayName eq "Staff"'}).ok(200).json["Resources"][0],
    ):
        assert displays(answer) == names
    assert client.get(f"{path}?attributes=members.value").json["members"][0] == {"value": ann.id}
    # A userName is no name to display, but it stands for one where names are asked for.
    names[2] = "bob"
    assert displays(client.get(f"{path}?attributes=members.display,displayName").ok(200).json) == names
    for answer in (
        client.get(f"{path}?excludedAttributes=members.display").ok(200).json,
        client.patch(path, {"op": "replace", "path": "externalId", "value": "1"}).ok(200).json,
        client.patch(path, add_members(inner.id)).ok(200).json,
        client.put(path, {**client.get(path).json, "externalId": "2"}).ok(200).json,
    ):
        assert displays(answer) == [None] * 3
        assert {"value", "$ref", "type"} == set(answer["members"][0])
    asked = client.request(
        "PATCH",
        f"{path}?attributes=members.display",
        {"Operations": [{"op": "replace", "path": "externalId", "value": "3"}]},
    )
    assert displays(asked.ok(200).json) == names
    assert "display" not in str(client.get(f"{path}?attributes=displayName").json.get("members"))


def test_what_is_read_can_be_sent_back_and_changes_nothing(app: Connected) -> None:
    client = app.client
    _, _, group = made(client)
    path = f"/Groups/{group.id}"
    read = client.get(path).ok(200)
    assert client.put(path, read.json).ok(200).etag == group.etag
    again = {"op": "add", "path": "members", "value": read.json["members"]}
    assert client.patch(path, again, {**again, "op": "replace"}).ok(200).etag == group.etag
    assert client.get(path).content == read.content


def test_it_is_the_name_that_filters_compare(app: Connected) -> None:
    client = app.client
    made(client)
    for name in ("Ann Ash", "Inner", "bob"):
        assert client.find("Groups", filter=f'members.display eq "{name}"')["totalResults"] == 1
        assert client.find("Groups", filter=f'members[display eq "{name.upper()}"]')["totalResults"] == 1
    assert client.find("Groups", filter='members.display eq "ann"')["totalResults"] == 0


def test_it_follows_the_member_and_then_is_never_304(app: Connected) -> None:
    client = app.client
    ann, inner, group = made(client)
    path = f"/Groups/{group.id}"
    held = {"If-None-Match": group.etag}
    assert client.get(path, headers=held).status == 304
    client.patch(f"/Groups/{inner.id}", {"op": "replace", "path": "displayName", "value": "Inside"}).ok(200)
    answer = client.get(path, headers=held).ok(200)
    assert displays(answer.json) == ["Ann Ash", "Inside", None]
    assert answer.etag == group.etag
    client.patch(f"/Users/{ann.id}", {"op": "remove", "path": "displayName"}).ok(200)
    assert displays(client.get(path, headers=held).ok(200).json) == [None, "Inside", None]
    for excluded in ("excludedAttributes=members", "attributes=displayName"):
        assert client.get(f"{path}?{excluded}", headers=held).status == 304
    client.patch(path, {"op": "replace", "path": "externalId", "value": "1"}, headers={"If-Match": group.etag}).ok(200)


def test_it_is_read_only_and_returned_by_default(app: Connected) -> None:
    schema = app.client.get(f"/Schemas/{GROUP_URN}").ok(200).json
    (members,) = [each for each in schema["attributes"] if each["name"] == "members"]
    (display,) = [each for each in members["subAttributes"] if each["name"] == "display"]
    assert (display["mutability"], display["returned"]) == ("readOnly", "default")
    _, _, group = made(app.client)
    change = {"op": "replace", "path": 'members[type eq "User"].display', "value": "x"}
    assert_scim_error(app.client.patch(f"/Groups/{group.id}", change), 400, "mutability")
