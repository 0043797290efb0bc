"""Members of groups over the wire: filters in paths of PATCH see what GET shows, and nobody is lost by a mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import PATCH_URN, Answer, ScimClient, assert_scim_error

BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


class Staff:
    """A group with the users ann and bob and the group inner, by name."""

    def __init__(self, client: ScimClient) -> None:
        self.client = client
        self.ids = {name: client.user(name).ok(201).id for name in ("ann", "bob")}
        self.ids["inner"] = client.group("Inner").ok(201).id
        self.group = client.group("Staff", *self.ids.values()).ok(201).id
        shown = client.get(f"/Groups/{self.group}").ok(200).json["members"]
        self.refs = {name: link["$ref"] for name, id in self.ids.items() for link in shown if link["value"] == id}

    @property
    def path(self) -> str:
        return f"/Groups/{self.group}"

    @property
    def names(self) -> set[str]:
        """The names of the members."""
        members = self.client.members(self.group)
        return {name for name, id in self.ids.items() if id in members}

    def remove(self, condition: str) -> Answer:
        return self.client.patch(self.path, {"op": "remove", "path": f"members[{self.text(condition)}]"})

    def text(self, condition: str) -> str:
        """A filter with the users' and the group's references in place of their names."""
        for name, ref in self.refs.items():
            condition = condition.replace(f"«{name}»", ref)
        return condition.replace("«users»", self.refs["ann"].removesuffix(self.ids["ann"]))


@pytest.fixture
def staff(app: Connected) -> Staff:
    return Staff(app.client)


REFERENCES = [
    ('$ref eq "«ann»"', {"bob", "inner"}),
    ('$REF EQ "«ann»"', {"bob", "inner"}),
    ('$ref ne "«ann»"', {"ann"}),
    ('$ref ne "«inner»"', {"inner"}),
    ('not ($ref eq "«ann»")', {"ann"}),
    ('not ($ref ne "«ann»")', {"bob", "inner"}),
    ('$ref sw "«users»"', {"inner"}),
    ('not ($ref sw "«users»")', {"ann", "bob"}),
    ('$ref sw "http"', set()),
    ('$ref co "/Groups/"', {"ann", "bob"}),
    ('$ref eq "«ann»" or $ref eq "«bob»"', {"inner"}),
    ('$ref sw "«users»" and $ref ne "«ann»"', {"ann", "inner"}),
    ('type eq "User" and not ($ref eq "«bob»")', {"bob", "inner"}),
    ('$ref eq "https://elsewhere.example/Users/1"', {"ann", "bob", "inner"}),
    ("not ($ref pr)", {"ann", "bob", "inner"}),
]


@pytest.mark.parametrize(("condition", "left"), REFERENCES)
def test_a_path_compares_the_reference_that_get_shows(staff: Staff, condition: str, left: set[str]) -> None:
    before = staff.client.get(staff.path).etag
    staff.remove(condition).ok(200)
    assert staff.names == left
    assert (staff.client.get(staff.path).etag == before) == (left == set(staff.ids))


@pytest.mark.parametrize(
    "condition",
    [
        '$ref ne "https://elsewhere.example/Users/1"',
        'not ($ref eq "https://elsewhere.example/Users/1")',
        'not ($ref sw "https://elsewhere.example/")',
        'not ($ref co "elsewhere.example")',
        'type eq "User" and $ref ne "/Users/1"',
        'type eq "Group" or not ($ref eq "Users/1")',
    ],
)
def test_a_reference_that_no_member_can_have_empties_no_group(staff: Staff, condition: str) -> None:
    assert_scim_error(staff.remove(condition), 400, "invalidFilter", "members.$ref")
    assert staff.names == set(staff.ids)


def test_bulk_and_a_list_compare_the_same_reference(staff: Staff) -> None:
    operation = {"op": "remove", "path": staff.text('members[$ref ne "«ann»"]')}
    data = {"schemas": [PATCH_URN], "Operations": [operation]}
    patch = {"method": "PATCH", "path": staff.path, "data": data}
    results = staff.client.post("/Bulk", {"schemas": [BULK_URN], "Operations": [patch]}).ok(200).json["Operations"]
    assert results[0]["status"] == "200"
    assert staff.names == {"ann"}
    for condition, number in (('members.$ref eq "«ann»"', 1), ('members[$ref eq "«bob»"]', 0)):
        assert staff.client.find("Groups", filter=staff.text(condition))["totalResults"] == number


def test_a_replace_on_a_reference_names_the_member(staff: Staff) -> None:
    for path, scim_type in (
        (staff.text('members[$ref eq "«ann»"]'), "mutability"),
        ('members[$ref eq "x"]', "noTarget"),
    ):
        answer = staff.client.patch(staff.path, {"op": "replace", "path": path, "value": {"value": "x"}})
        assert_scim_error(answer, 400, scim_type)


def test_the_public_address_is_part_of_the_reference(tmp_path: Path) -> None:
    installation = Installation.new(f"sqlite:///{tmp_path / 'scimlite.db'}", tmp_path)
    try:
        installation.start(workers=1, BASE_URL="https://id.example.com/base")
        staff = Staff(installation.app().client)
        assert staff.refs["ann"].startswith("https://id.example.com/base/scim/v2/")
        staff.remove('$ref ne "«ann»"').ok(200)
        assert staff.names == {"ann"}
        here = f"{staff.client.base}/Users/{staff.ids['ann']}"
        assert_scim_error(staff.remove(f'$ref ne "{here}"'), 400, "invalidFilter", "https://id.example.com/base")
        assert staff.names == {"ann"}
    finally:
        installation.stop()


@pytest.mark.parametrize(
    ("condition", "named", "left"),
    [
        ('type eq "User"', ["ann"], {"bob", "inner"}),
        ('type eq "User"', ["inner"], {"ann", "bob", "inner"}),
        ('type eq "User"', [], {"ann", "bob", "inner"}),
        ('$ref ne "«bob»"', ["ann", "bob"], {"bob", "inner"}),
        ('value eq "x"', ["ann"], {"ann", "bob", "inner"}),
    ],
)
def test_a_value_restricts_a_filter(staff: Staff, condition: str, named: list[str], left: set[str]) -> None:
    before = staff.client.get(staff.path).etag
    value = [{"value": staff.ids[name]} for name in named]
    remove = {"op": "remove", "path": f"members[{staff.text(condition)}]", "value": value}
    staff.client.patch(staff.path, remove).ok(200)
    assert staff.names == left
    assert (staff.client.get(staff.path).etag == before) == (left == set(staff.ids))


# --- lists of which nobody exists ---------------------------------------------------------------------------------

GHOSTS = [{"value": "ghost-1"}, {"value": "ghost-2"}]


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "replace", "path": "members", "value": GHOSTS}],
        [{"op": "Replace", "path": "members", "value": "ghost-1"}],
        [{"op": "replace", "value": {"displayName": "New", "members": GHOSTS}}],
        [{"op": "replace", "path": "members", "value": GHOSTS}, {"op": "add", "path": "members", "value": ["«ann»"]}],
        [{"op": "replace", "path": "members", "value": GHOSTS}, {"op": "remove", "path": "members", "value": GHOSTS}],
        [
            {"op": "replace", "path": "members", "value": GHOSTS},
            {"op": "replace", "path": "members", "value": ["«ann»"]},
        ],
    ],
)
@pytest.mark.parametrize("unknown_members", ["skip", "refuse"])
def test_a_replace_by_nobody_is_refused(
    installation: Installation, operations: list[dict[str, Any]], unknown_members: str
) -> None:
    staff = Staff(installation.app(unknown_members=unknown_members).client)
    sent = json.loads(json.dumps(operations, ensure_ascii=False).replace("«ann»", staff.ids["ann"]))
    before = staff.client.get(staff.path).ok(200)
    error = assert_scim_error(staff.client.patch(staff.path, *sent), 400, "invalidValue", "ghost-1")
    assert ("ghost-2" in error["detail"]) == ("ghost-2" in json.dumps(sent))
    assert staff.client.get(staff.path).content == before.content


def test_a_replace_by_some_who_exist_keeps_them(staff: Staff) -> None:
    staff.client.patch(staff.path, {"op": "replace", "path": "members", "value": [*GHOSTS, staff.ids["bob"]]}).ok(200)
    assert staff.names == {"bob"}
    staff.client.patch(staff.path, {"op": "replace", "path": "members", "value": []}).ok(200)
    assert staff.names == set()
    answer = staff.client.patch(staff.path, {"op": "replace", "path": "members", "value": GHOSTS})
    assert_scim_error(answer, 400, "invalidValue", "ghost-1")


def test_deleted_users_and_those_of_other_apps_are_nobody(installation: Installation, staff: Staff) -> None:
    foreign = installation.app("other").client.user("foreign").ok(201).id
    gone = staff.client.user("gone").ok(201).id
    staff.client.delete(f"/Users/{gone}").ok(204)
    for id in (foreign, gone):
        answer = staff.client.patch(staff.path, {"op": "replace", "path": "members", "value": [{"value": id}]})
        assert_scim_error(answer, 400, "invalidValue", id)
    assert staff.names == set(staff.ids)


def test_a_put_of_nobody_does_not_empty_a_group(staff: Staff) -> None:
    body = {"displayName": "New", "members": GHOSTS}
    before = staff.client.get(staff.path).ok(200)
    assert_scim_error(staff.client.put(staff.path, body), 400, "invalidValue", "ghost-1")
    assert staff.client.get(staff.path).content == before.content
    staff.client.put(staff.path, {**body, "members": [*GHOSTS, {"value": staff.ids["ann"]}]}).ok(200)
    assert staff.names == {"ann"}
    staff.client.put(staff.path, {**body, "members": []}).ok(200)
    assert staff.names == set()
    # What created an empty group keeps it as it is.
    empty = staff.client.post("/Groups", {**body, "displayName": "Empty"}).ok(201).id
    staff.client.put(f"/Groups/{empty}", {**body, "displayName": "Empty"}).ok(200)


def test_bulk_replaces_by_those_it_created(staff: Staff) -> None:
    def patch(id: str) -> dict[str, Any]:
        operation = {"op": "replace", "path": "members", "value": [{"value": id}]}
        return {"method": "PATCH", "path": staff.path, "data": {"schemas": [PATCH_URN], "Operations": [operation]}}

    post = {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"userName": "cat"}}
    body = {"schemas": [BULK_URN], "Operations": [patch("ghost-1"), post, patch("bulkId:u")]}
    results = staff.client.post("/Bulk", body).ok(200).json["Operations"]
    assert [each["status"] for each in results] == ["400", "201", "200"]
    assert "ghost-1" in results[0]["response"]["detail"]
    assert staff.client.members(staff.group) == {results[1]["location"].rpartition("/")[2]}
