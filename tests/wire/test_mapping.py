"""Profiles are made of what clients send, and never show in what clients get back."""

from __future__ import annotations

from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import ENTERPRISE_URN, Answer, assert_scim_error
from scimlite.admin import mapping as remapping
from scimlite.apps import mapping
from scimlite.apps.mapping import Mapping, Row
from scimlite.db.tables import ResourceRow
from scimlite.directory import profiles

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
TITLE = Row("job", "title", required=True)


def remap(installation: Installation, app: Connected, *rows: Row, kind: str = "User", force: bool = False) -> None:
    def renew(current: Mapping) -> Mapping:
        for row in rows:
            current = current.with_row(kind, row)
        return current

    remapping.change(installation.scope, app.slug, renew, force=force)


def profile(installation: Installation, app: Connected, id: str, endpoint: str = "Users") -> dict[str, Any]:
    row = installation.app_row(app)
    return profiles.read(installation.workspace(row), row.resource_types[endpoint], [id])[id]


def stored(installation: Installation, id: str) -> tuple[str, int]:
    query = ResourceRow.select(ResourceRow.profile, ResourceRow.profile_version).where(ResourceRow.uuid == id)
    found = installation.db.row(query)
    assert found is not None
    return found[0], found[1]


def test_a_profile_follows_every_write(installation: Installation, app: Connected) -> None:
    body = {"emails": [{"value": "A@x.example", "type": "work"}], ENTERPRISE_URN: {"department": "IT"}}
    made = app.client.user("ann", **body).ok(201)
    assert profile(installation, app, made.id)["email"] == "A@x.example"
    assert stored(installation, made.id)[0] is not None
    path = f"/Users/{made.id}"
    app.client.patch(path, {"op": "replace", "path": "title", "value": "Lead"}).ok(200)
    assert profile(installation, app, made.id)["title"] == "Lead"
    app.client.put(path, {"userName": "anna", "active": False}).ok(200)
    assert profile(installation, app, made.id) | {
        "userName": "anna",
        "active": False,
        "title": None,
        "email": None,
    } == (profile(installation, app, made.id))
    # What the client reads is what it sent.
    read = app.client.get(path).ok(200).json
    assert {key for key in read if key not in ("schemas", "id", "meta")} == {"userName", "active"}


def test_group_names_are_joined_and_never_stored(installation: Installation, app: Connected) -> None:
    ann = app.client.user("ann").ok(201)
    inner = app.client.group("Sales", ann.id).ok(201)
    app.client.group("Everyone", inner.id).ok(201)
    assert sorted(profile(installation, app, ann.id)["groups"]) == ["Everyone", "Sales"]
    before = stored(installation, ann.id)
    assert "Sales" not in before[0]
    app.client.patch(f"/Groups/{inner.id}", {"op": "replace", "path": "displayName", "value": "Sellers"}).ok(200)
    assert sorted(profile(installation, app, ann.id)["groups"]) == ["Everyone", "Sellers"]
    assert stored(installation, ann.id) == before
    remap(installation, app, Row("name", "displayName", transform=("upper",)), kind="Group")
    assert sorted(profile(installation, app, ann.id)["groups"]) == ["EVERYONE", "SELLERS"]
    assert profile(installation, app, inner.id, "Groups") == {"name": "SELLERS"}


def writes(app: Connected, id: str) -> dict[str, Answer]:
    """Each way to write a user without a title."""
    client = app.client
    operation = {"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": "new"}}
    bulk = client.post("/Bulk", {"schemas": [BULK], "Operations": [operation]}).ok(200)
    (result,) = bulk.json["Operations"]
    content = str(result["response"]).encode()
    return {
        "POST": client.user("new"),
        "PUT": client.put(f"/Users/{id}", {"userName": "ann"}),
        "PATCH": client.patch(f"/Users/{id}", {"op": "remove", "path": "title"}),
        "Bulk": Answer(int(result["status"]), bulk.headers, content),
    }


def test_a_required_row_without_a_value_refuses_the_write(installation: Installation, app: Connected) -> None:
    ann = app.client.user("ann", title="Lead").ok(201)
    remap(installation, app, TITLE)
    for name, answer in writes(app, ann.id).items():
        assert answer.status == 400, name
        assert b"title is required: this app needs it for job" in answer.content, name
        if name != "Bulk":
            assert_scim_error(answer, 400, "invalidValue")
    assert app.client.get(f"/Users/{ann.id}").ok(200).json["title"] == "Lead"
    assert app.client.find("Users")["totalResults"] == 1
    app.client.user("new", title="x").ok(201)
    refused = [row for row in installation.journal(app) if row.outcome == "refused"]
    assert len(refused) == 4


def test_nothing_that_is_lacking_keeps_a_user_from_being_disabled(installation: Installation, app: Connected) -> None:
    ann = app.client.user("ann").ok(201)
    remap(installation, app, TITLE, force=True)
    assert profile(installation, app, ann.id)["job"] is None
    path = f"/Users/{ann.id}"
    assert_scim_error(app.client.patch(path, {"op": "add", "path": "nickName", "value": "x"}), 400, "invalidValue")
    app.client.patch(path, {"op": "replace", "path": "active", "value": False}).ok(200)
    assert_scim_error(app.client.patch(path, {"op": "replace", "path": "active", "value": True}), 400, "invalidValue")
    app.client.delete(path).ok(204)


def test_a_profile_of_another_mapping_is_never_seen(installation: Installation, app: Connected) -> None:
    ann = app.client.user("ann", title="Lead").ok(201)
    remap(installation, app, Row("job", "title"))
    assert stored(installation, ann.id)[1] != installation.app_row(app).mapping_version
    assert profile(installation, app, ann.id)["job"] == "Lead"
    assert sum(remapping.recompute(installation.db, installation.app_row(app))) == 1
    assert stored(installation, ann.id)[1] == installation.app_row(app).mapping_version
    assert '"job":"Lead"' in stored(installation, ann.id)[0]


def test_recomputing_goes_on_where_it_was_stopped(
    installation: Installation, app: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remapping, "_CHUNK", 2)
    for number in range(5):
        app.client.user(f"user-{number}").ok(201)
    remap(installation, app, Row("job", "title"))
    row = installation.app_row(app)
    steps = remapping.recompute(installation.db, row)
    assert next(steps) == 2
    steps.close()
    assert remapping.stale(installation.db, row) == 3
    # A write meanwhile makes its own.
    newest = app.client.find("Users")["Resources"][-1]["id"]
    app.client.patch(f"/Users/{newest}", {"op": "add", "path": "title", "value": "x"}).ok(200)
    assert list(remapping.recompute(installation.db, row)) == [2]
    assert remapping.stale(installation.db, row) == 0


def test_a_custom_type_has_no_profile_and_apps_have_their_own_mapping(
    installation: Installation, app: Connected
) -> None:
    other = installation.app("other")
    remap(installation, app, Row("job", "title"))
    made = other.client.user("ann").ok(201)
    assert "job" not in profile(installation, other, made.id)
    assert mapping.from_json(installation.app_row(other).mapping) == mapping.DEFAULT
