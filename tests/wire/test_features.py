"""What an operator lets provisioning do: each feature on and off, by every request that it governs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from installation import Connected, Installation, watch
from scim_client import Answer, ScimClient, add_members, assert_scim_error, remove_member
from scimlite.admin import apps, tokens
from scimlite.clock import DAY
from scimlite.db.tables import ResourceRow

Json = Any
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
OFF = {"op": "replace", "path": "active", "value": False}
ON = {"op": "replace", "path": "active", "value": True}
#: As Entra writes it.
ENTRA_OFF = {"op": "Replace", "path": "active", "value": "False"}
TITLE = {"op": "replace", "path": "title", "value": "Lead"}


def switch(installation: Installation, app: Connected, **features: str) -> None:
    apps.edit(installation.scope, app.slug, features=features)


@dataclass
class Stage:
    """What the requests below are about."""

    client: ScimClient
    user: str
    disabled: str
    group: str
    member: str


def staged(app: Connected) -> Stage:
    client = app.client
    member = client.user("member").ok(201).id
    return Stage(
        client,
        client.user("user", title="Engineer").ok(201).id,
        client.user("disabled", active=False).ok(201).id,
        client.group("group", member).ok(201).id,
        member,
    )


def bulk(method: str, path: str, data: Json = None) -> Callable[[Stage], Answer]:
    """A bulk request with one operation, answered as that operation is."""

    def send(stage: Stage) -> Answer:
        operation = {"method": method, "path": path.format(**vars(stage)), "bulkId": "1"}
        if data is not None:
            operation["data"] = filled(data, stage)
        answer = stage.client.post("/Bulk", {"schemas": [BULK_URN], "Operations": [operation]}).ok(200)
        (result,) = answer.json["Operations"]
        return Answer(int(result["status"]), answer.headers, repr(result.get("response")).encode())

    return send


def filled(data: Json, stage: Stage) -> Json:
    if isinstance(data, dict):
        return {key: filled(value, stage) for key, value in data.items()}
    if isinstance(data, list):
        return [filled(each, stage) for each in data]
    return data.format(**vars(stage)) if isinstance(data, str) else data


def patch(path: str, *operations: Json) -> Callable[[Stage], Answer]:
    return lambda stage: stage.client.patch(path.format(**vars(stage)), *(filled(each, stage) for each in operations))


def put(path: str, body: Json) -> Callable[[Stage], Answer]:
    return lambda stage: stage.client.put(path.format(**vars(stage)), filled(body, stage))


def post(path: str, body: Json) -> Callable[[Stage], Answer]:
    return lambda stage: stage.client.post(path, filled(body, stage))


def delete(path: str) -> Callable[[Stage], Answer]:
    return lambda stage: stage.client.delete(path.format(**vars(stage)))


MEMBERS = [{"value": "{user}"}]
#: Feature to the requests that it refuses when it is off, and those of the same resources that it lets through.
GOVERNED: dict[str, tuple[dict[str, Callable[[Stage], Answer]], dict[str, Callable[[Stage], Answer]]]] = {
    "create-users": (
        {
            "POST": post("/Users", {"userName": "new"}),
            "POST of a disabled one": post("/Users", {"userName": "new", "active": False}),
            "Bulk": bulk("POST", "/Users", {"userName": "new"}),
        },
        {"PATCH": patch("/Users/{user}", TITLE), "a group": post("/Groups", {"displayName": "new"})},
    ),
    "update-users": (
        {
            "PATCH": patch("/Users/{user}", TITLE),
            "PATCH that enables": patch("/Users/{disabled}", ON),
            "PATCH that also disables": patch("/Users/{user}", OFF, TITLE),
            "PUT": put("/Users/{user}", {"userName": "user", "title": "Lead"}),
            "PUT that enables": put("/Users/{disabled}", {"userName": "disabled", "active": True}),
            "Bulk PATCH": bulk("PATCH", "/Users/{user}", {"Operations": [TITLE]}),
            "Bulk PUT": bulk("PUT", "/Users/{user}", {"userName": "user", "title": "Lead"}),
        },
        {
            "PATCH that disables": patch("/Users/{user}", ENTRA_OFF),
            "PATCH that changes nothing": patch("/Users/{member}", ON),
            "DELETE": delete("/Users/{user}"),
            "a group": patch("/Groups/{group}", {"op": "replace", "path": "displayName", "value": "new"}),
        },
    ),
    "delete-users": (
        {
            "PATCH": patch("/Users/{user}", OFF),
            "PATCH as Entra": patch("/Users/{user}", ENTRA_OFF),
            "PATCH without a path": patch("/Users/{user}", {"op": "replace", "value": {"active": False}}),
            "PATCH that removes active": patch("/Users/{user}", {"op": "remove", "path": "active"}),
            "PUT": put("/Users/{user}", {"userName": "user", "title": "Engineer", "active": False}),
            "DELETE": delete("/Users/{user}"),
            "DELETE of a disabled one": delete("/Users/{disabled}"),
            "Bulk DELETE": bulk("DELETE", "/Users/{user}"),
            "Bulk PATCH": bulk("PATCH", "/Users/{user}", {"Operations": [OFF]}),
            "Bulk PUT": bulk("PUT", "/Users/{user}", {"userName": "user", "active": False}),
        },
        {
            "PATCH": patch("/Users/{user}", TITLE),
            "PATCH of who is disabled": patch("/Users/{disabled}", OFF),
            "POST of a disabled one": post("/Users", {"userName": "new", "active": False}),
            "a group": delete("/Groups/{group}"),
        },
    ),
    "create-groups": (
        {"POST": post("/Groups", {"displayName": "new"}), "Bulk": bulk("POST", "/Groups", {"displayName": "new"})},
        {"PATCH": patch("/Groups/{group}", add_members("{user}")), "a user": post("/Users", {"userName": "new"})},
    ),
    "update-groups": (
        {
            "PATCH": patch("/Groups/{group}", {"op": "replace", "path": "displayName", "value": "new"}),
            "PATCH with members": patch(
                "/Groups/{group}", add_members("{user}"), {"op": "add", "path": "externalId", "value": "x"}
            ),
            "PUT": put("/Groups/{group}", {"displayName": "new", "members": [{"value": "{member}"}]}),
            "Bulk": bulk("PUT", "/Groups/{group}", {"displayName": "new"}),
        },
        {
            "members": patch("/Groups/{group}", add_members("{user}")),
            "PUT of members": put("/Groups/{group}", {"displayName": "group", "members": MEMBERS}),
            "DELETE": delete("/Groups/{group}"),
        },
    ),
    "delete-groups": (
        {"DELETE": delete("/Groups/{group}"), "Bulk": bulk("DELETE", "/Groups/{group}")},
        {"a user": delete("/Users/{user}"), "PATCH": patch("/Groups/{group}", remove_member("{member}"))},
    ),
    "sync-membership": (
        {
            "POST": post("/Groups", {"displayName": "new", "members": MEMBERS}),
            "PATCH that adds": patch("/Groups/{group}", add_members("{user}")),
            "PATCH that removes": patch("/Groups/{group}", remove_member("{member}")),
            "PATCH that removes all": patch("/Groups/{group}", {"op": "remove", "path": "members"}),
            "PATCH with a name": patch(
                "/Groups/{group}",
                {"op": "replace", "path": "displayName", "value": "new"},
                {"op": "replace", "path": "members", "value": MEMBERS},
            ),
            "PATCH without a path": patch("/Groups/{group}", {"op": "add", "value": {"members": MEMBERS}}),
            "PUT": put("/Groups/{group}", {"displayName": "group", "members": MEMBERS}),
            "PUT without members": put("/Groups/{group}", {"displayName": "group"}),
            "Bulk": bulk("PATCH", "/Groups/{group}", {"Operations": [add_members("{user}")]}),
            "Bulk POST": bulk("POST", "/Groups", {"displayName": "new", "members": MEMBERS}),
        },
        {
            "POST": post("/Groups", {"displayName": "new"}),
            "PATCH": patch("/Groups/{group}", {"op": "replace", "path": "displayName", "value": "new"}),
            "PUT with the same": put("/Groups/{group}", {"displayName": "new", "members": [{"value": "{member}"}]}),
            "DELETE": delete("/Groups/{group}"),
        },
    ),
}
REFUSED = [(feature, request) for feature, (refused, _) in GOVERNED.items() for request in refused]
ALLOWED = [(feature, request) for feature, (_, allowed) in GOVERNED.items() for request in allowed]


def everything(app: Connected) -> Json:
    return [app.client.find(endpoint)["Resources"] for endpoint in ("Users", "Groups")]


@pytest.mark.parametrize(("feature", "request_"), REFUSED)
def test_what_is_off_is_refused_whole_and_on_it_is_done(
    installation: Installation, app: Connected, feature: str, request_: str
) -> None:
    stage, send = staged(app), GOVERNED[feature][0][request_]
    switch(installation, app, **{feature: "off"})
    before, since = everything(app), watch(installation, app)
    answer = send(stage)
    assert answer.status == 400
    assert f"feature {feature} is off for the app {app.slug}".encode() in answer.content
    if not request_.startswith("Bulk"):
        assert_scim_error(answer, 400)
    assert everything(app) == before
    (row,) = since.new()
    assert (row.outcome, row.status) == ("refused", 400)
    assert feature in (row.detail or "")
    switch(installation, app, **{feature: "on"})
    send(stage).ok()
    assert everything(app) != before
    assert all(row.outcome == "ok" for row in since.new()[1:])


@pytest.mark.parametrize(("feature", "request_"), ALLOWED)
def test_what_is_off_lets_everything_else_through(
    installation: Installation, app: Connected, feature: str, request_: str
) -> None:
    stage = staged(app)
    switch(installation, app, **{feature: "off"})
    GOVERNED[feature][1][request_](stage).ok()
    # Reading is never refused.
    everything(app)
    stage.client.get(f"/Users/{stage.member}").ok(200)


def test_me_is_governed_too(installation: Installation, app: Connected) -> None:
    stage = staged(app)
    row = installation.app_row(app)
    _, text = tokens.issue(installation.workspace(row), installation.keyring, label="me", subject=(stage.user, "user"))
    me = installation.client(app.slug, text)
    switch(installation, app, update_users="off", delete_users="off")
    assert_scim_error(me.patch("/Me", TITLE), 400, detail="update-users")
    assert_scim_error(me.delete("/Me"), 400, detail="delete-users")
    me.get("/Me").ok(200)


# --- delete the deactivated ---------------------------------------------------------------------------------------

DEACTIVATING: dict[str, tuple[Callable[[Stage], Answer], int]] = {
    "PATCH": (patch("/Users/{member}", OFF), 204),
    "PATCH as Entra": (patch("/Users/{member}", ENTRA_OFF), 204),
    "PATCH that asks for attributes": (patch("/Users/{member}?attributes=userName", OFF), 204),
    "PUT": (put("/Users/{member}", {"userName": "member", "active": False}), 200),
    "Bulk PATCH": (bulk("PATCH", "/Users/{member}", {"Operations": [OFF]}), 204),
    "Bulk PUT": (bulk("PUT", "/Users/{member}", {"userName": "member", "active": False}), 200),
}


@pytest.mark.parametrize("request_", DEACTIVATING)
def test_on_the_deactivated_are_deprovisioned(installation: Installation, app: Connected, request_: str) -> None:
    stage = staged(app)
    switch(installation, app, **{"delete-the-deactivated": "on", "patch-answer": "body"})
    since, (send, status) = watch(installation, app), DEACTIVATING[request_]
    answer = send(stage).ok(status)
    if request_ == "PUT":
        assert answer.json["active"] is False
    assert_scim_error(app.client.get(f"/Users/{stage.member}"), 404)
    assert app.client.find("Users", filter='userName eq "member"')["totalResults"] == 0
    assert app.client.members(stage.group) == set()
    app.client.user("member").ok(201)
    deleted = since.new()[0]
    assert (deleted.action, deleted.changes) == ("deleted", {"active": [True, False]})
    assert "deactivated in the source, and delete-the-deactivated is on" in (deleted.detail or "")


@pytest.mark.parametrize("request_", DEACTIVATING)
def test_off_the_deactivated_are_disabled(installation: Installation, app: Connected, request_: str) -> None:
    stage, since = staged(app), watch(installation, app)
    DEACTIVATING[request_][0](stage).ok(200)
    assert app.client.get(f"/Users/{stage.member}").ok(200).json["active"] is False
    assert app.client.members(stage.group) == {stage.member}
    assert since.new()[-1].action == "disabled"


@pytest.mark.parametrize(("value", "reason"), [("on", "is on: deprovisioned"), ("off", "is off: disabled, hidden")])
def test_delete_says_what_it_meant(installation: Installation, app: Connected, value: str, reason: str) -> None:
    stage = staged(app)
    switch(installation, app, **{"delete-the-deactivated": value})
    for send in (delete("/Users/{user}"), bulk("DELETE", "/Users/{member}")):
        since = watch(installation, app)
        send(stage).ok(204)
        (row,) = since.new()
        assert row.action == "deleted"
        assert reason in (row.detail or "")
    assert_scim_error(app.client.get(f"/Users/{stage.user}"), 404)


def test_on_a_user_who_never_was_active_stays(installation: Installation, app: Connected) -> None:
    stage = staged(app)
    switch(installation, app, **{"delete-the-deactivated": "on"})
    made = app.client.user("new", active=False).ok(201)
    app.client.patch(f"/Users/{made.id}", OFF, TITLE).ok(200)
    app.client.patch(f"/Users/{stage.disabled}", TITLE).ok(200)
    assert app.client.get(f"/Users/{made.id}").ok(200).json["active"] is False


# --- revive -------------------------------------------------------------------------------------------------------


def gone(app: Connected, name: str, **attributes: Json) -> str:
    """A user who was in a group and is deleted."""
    made = app.client.user(name, **attributes).ok(201)
    app.client.group(f"group of {name} {made.id}", made.id).ok(201)
    app.client.delete(f"/Users/{made.id}").ok(204)
    return made.id


def test_revive_gives_the_id_back_and_nothing_else(installation: Installation, app: Connected) -> None:
    old = gone(app, "ann", externalId="E-1", title="Engineer", emails=[{"value": "ann@example.com", "type": "work"}])
    switch(installation, app, revive="on")
    since = watch(installation, app)
    made = app.client.user("anna", externalId="E-1").ok(201)
    assert made.id == old
    assert made.etag == 'W/"3"'
    assert made.headers["location"].endswith(f"/Users/{old}")
    read = app.client.get(f"/Users/{old}").ok(200).json
    assert read == made.json
    assert not read.keys() & {"title", "emails", "groups"}
    (row,) = since.new()
    assert (row.action, row.user, row.status) == ("restored", "anna", 201)
    assert "revived" in (row.detail or "")
    assert app.client.find("Users", filter='externalId eq "E-1"')["totalResults"] == 1
    # The name of before is free, and a second one with the id is a conflict of its own making.
    app.client.user("ann").ok(201)


def test_who_is_not_revived(installation: Installation, app: Connected) -> None:
    ids = {gone(app, "ann", externalId="E-1"), gone(app, "bob", externalId="E-2"), gone(app, "bert", externalId="E-2")}
    ids |= {gone(app, "carl"), gone(app, "dora", externalId="")}
    switch(installation, app, revive="on")
    others = {
        "the same userName alone": {"userName": "ann"},
        "another externalId": {"userName": "ann2", "externalId": "E-9"},
        "an externalId in other letters": {"userName": "ann3", "externalId": "e-1"},
        "two tombstones": {"userName": "bob2", "externalId": "E-2"},
        "no externalId": {"userName": "carl2"},
        "an empty externalId": {"userName": "dora2", "externalId": ""},
    }
    for name, body in others.items():
        assert app.client.post("/Users", body).ok(201).id not in ids, name
    switch(installation, app, revive="off")
    assert app.client.user("ann4", externalId="E-1").ok(201).id not in ids


def test_nobody_is_revived_after_the_retention_time_or_in_another_app(
    installation: Installation, app: Connected
) -> None:
    switch(installation, app, revive="on")
    old = gone(app, "ann", externalId="E-1")
    other = installation.app("other", revive="on")
    assert other.client.user("ann", externalId="E-1").ok(201).id != old
    aged = ResourceRow.update(deleted_at=ResourceRow.deleted_at - 31 * DAY).where(ResourceRow.uuid == old)
    assert installation.db.touch(aged) == 1
    assert app.client.user("ann", externalId="E-1").ok(201).id != old


def test_a_revival_that_conflicts_changes_nothing(installation: Installation, app: Connected) -> None:
    switch(installation, app, revive="on")
    old = gone(app, "ann", externalId="E-1")
    app.client.user("taken").ok(201)
    assert_scim_error(app.client.user("taken", externalId="E-1"), 409, "uniqueness", "userName")
    assert_scim_error(app.client.get(f"/Users/{old}"), 404)
    assert app.client.user("ann", externalId="E-1").ok(201).id == old
