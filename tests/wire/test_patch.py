"""PATCH over the wire: what is removed by value, what a replace keeps, and names that no schema has."""

from __future__ import annotations

from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import ENTERPRISE_URN, PATCH_URN, assert_scim_error

BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
OKTA_URN = "urn:okta:custom:group:1.0"
ADA = {
    "userName": "ada",
    "title": "T",
    "name": {"givenName": "G", "familyName": "F"},
    "emails": [{"value": "w", "type": "work", "display": "W"}, {"value": "h", "type": "home"}],
    ENTERPRISE_URN: {"manager": {"value": "m1"}, "department": "D"},
}


def remove(path: str, value: Any) -> dict[str, Any]:
    return {"op": "remove", "path": path, "value": value}


@pytest.mark.parametrize("bulk", [False, True])
def test_a_remove_takes_what_it_names_and_nothing_else(installation: Installation, bulk: bool) -> None:
    app = installation.app()
    user = app.client.post("/Users", ADA).ok(201)
    path = f"/Users/{user.id}"

    def patch(*operations: dict[str, Any]) -> None:
        if not bulk:
            app.client.patch(path, *operations).ok(200)
            return
        data = {"schemas": [PATCH_URN], "Operations": list(operations)}
        body = {"schemas": [BULK_URN], "Operations": [{"method": "PATCH", "path": path, "data": data}]}
        (result,) = app.client.post("/Bulk", body).ok(200).json["Operations"]
        assert result["status"] == "200", result

    rows = len(installation.journal(app))
    patch(
        remove("title", "Other"),
        remove("name", {"givenName": "x"}),
        remove("name.familyName", "x"),
        remove('emails[type eq "home"]', [{"value": "w"}]),
        remove('emails[type eq "work"].display', "x"),
        remove(f"{ENTERPRISE_URN}:manager", [{"value": "m2"}]),
        remove("department", "x"),
        remove(ENTERPRISE_URN, {"department": "x", "manager": {"value": "m2"}}),
        remove("active", False),
    )
    unchanged = app.client.get(path).ok(200)
    assert (unchanged.etag, unchanged.json) == (user.etag, user.json)
    assert len(installation.journal(app)) == rows

    patch(
        remove("title", "t"),
        remove("name", {"givenName": "g"}),
        remove('emails[type eq "home"]', [{"value": "H"}]),
        remove('emails[type eq "work"].display', "w"),
        remove(ENTERPRISE_URN, {"department": "d", "manager": "m1"}),
    )
    left = app.client.get(path).ok(200).json
    assert "title" not in left
    assert ENTERPRISE_URN not in left
    assert (left["name"], left["emails"]) == ({"familyName": "F"}, [{"value": "w", "type": "work"}])


def test_a_replaced_item_keeps_what_the_path_says(app: Connected) -> None:
    path = f"/Users/{app.client.post('/Users', ADA).ok(201).id}"
    app.client.patch(path, {"op": "replace", "path": 'emails[type eq "WORK"]', "value": {"value": "n"}}).ok(200)
    assert app.client.get(path).json["emails"] == [{"type": "work", "value": "n"}, {"value": "h", "type": "home"}]
    assert app.client.find("Users", filter='emails[type eq "work" and value eq "n"]')["totalResults"] == 1


UNKNOWN = [
    ({"op": "add", "path": "emails", "value": [{"value": "a", "foo": 1}]}, "emails.foo"),
    ({"op": "replace", "path": "name", "value": {"givenName": "x", "foo": "y"}}, "name.foo"),
    ({"op": "replace", "path": 'emails[type eq "work"]', "value": {"value": "a", "foo": 1}}, "emails.foo"),
    ({"op": "replace", "value": {"name": {"givenName": "x", "foo": "y"}}}, "name.foo"),
    ({"op": "add", "value": {ENTERPRISE_URN: {"manager": {"value": "1", "foo": "y"}}}}, "manager.foo"),
    ({"op": "remove", "path": "emails", "value": [{"value": "w", "foo": 1}]}, "emails.foo"),
]


@pytest.mark.parametrize(("operation", "name"), UNKNOWN)
def test_an_unknown_sub_attribute_is_refused_or_left_out(
    installation: Installation, operation: dict[str, Any], name: str
) -> None:
    refusing, ignoring = installation.app(), installation.app(unknown_attributes="ignore")
    user = refusing.client.post("/Users", ADA).ok(201)
    known = {"op": "replace", "path": "title", "value": "New"}
    answer = refusing.client.patch(f"/Users/{user.id}", known, operation)
    assert_scim_error(answer, 400, "invalidPath", name)
    assert refusing.client.get(f"/Users/{user.id}").json == user.json

    user = ignoring.client.post("/Users", ADA).ok(201)
    ignoring.client.patch(f"/Users/{user.id}", known, operation).ok(200)
    assert "foo" not in ignoring.client.get(f"/Users/{user.id}").content.decode()
    assert name in (installation.journal(ignoring)[-1].detail or "")


def test_members_with_an_unknown_part_are_refused(app: Connected) -> None:
    ann, bob = (app.client.user(name).ok(201).id for name in ("ann", "bob"))
    group = app.client.group("Staff", ann).ok(201).id
    for value in ([{"value": bob, "role": "x"}], [{"value": ann}, {"id": bob}]):
        for operation in (
            {"op": "replace", "path": "members", "value": value},
            {"op": "add", "value": {"members": value}},
        ):
            assert_scim_error(app.client.patch(f"/Groups/{group}", operation), 400, "invalidPath", "members.")
    assert app.client.members(group) == {ann}
    shown = app.client.get(f"/Groups/{group}?attributes=members.display,members").json["members"]
    app.client.patch(f"/Groups/{group}", {"op": "replace", "path": "members", "value": shown}).ok(200)


@pytest.mark.parametrize("unknown_attributes", ["refuse", "ignore"])
def test_foreign_containers_are_ignored(installation: Installation, unknown_attributes: str) -> None:
    app = installation.app(unknown_attributes=unknown_attributes)
    group = app.client.group("Staff").ok(201).id
    value = {"id": group, "displayName": "Smiths", OKTA_URN: {"description": "All"}}
    app.client.patch(f"/Groups/{group}", {"op": "replace", "value": value}).ok(200)
    shown = app.client.get(f"/Groups/{group}").json
    assert shown["displayName"] == "Smiths"
    assert OKTA_URN not in shown
    assert OKTA_URN in (installation.journal(app)[-1].detail or "")
    again = app.client.patch(f"/Groups/{group}", {"op": "replace", "value": {OKTA_URN: {"description": "None"}}}).ok(
        200
    )
    assert again.etag == app.client.get(f"/Groups/{group}").etag


def test_a_circle_in_bulk_is_read_like_a_post(app: Connected) -> None:
    def group(name: str, other: str) -> dict[str, Any]:
        member = {"value": f"bulkId:{other}", "role": "x"}
        return {"method": "POST", "path": "/Groups", "bulkId": name, "data": {"displayName": name, "members": [member]}}

    body = {"schemas": [BULK_URN], "Operations": [group("a", "b"), group("b", "a")]}
    results = app.client.post("/Bulk", body).ok(200).json["Operations"]
    assert [result["status"] for result in results] == ["201", "201"]
