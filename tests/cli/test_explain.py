"""`scimlite explain`: what came, what was understood, which rule refused it, and how to get it accepted."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from command_line import CommandLine
from installation import Connected, Installation
from scim_client import Answer
from scimlite.admin import apps, housekeeping, mapping
from scimlite.apps.mapping import Row
from scimlite.apps.workspace import Workspace
from scimlite.clock import DAY
from scimlite.db.tables import RefusalRow
from scimlite.errors import InvalidValue
from scimlite.journal import Action, Entry, Origin, refusals

SETTINGS = {"MAX_BODY": "20000", "MAX_OPERATIONS": "3"}
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
SECRET = "hunter2-hunter2"


@pytest.fixture
def cli(installation: Installation) -> CommandLine:
    return CommandLine(installation.env)


def request_id(answer: Answer) -> str:
    return answer.headers["x-request-id"]


def bulk(app: Connected, *operations: Any) -> Answer:
    return app.client.post("/Bulk", {"schemas": [BULK], "Operations": list(operations)})


def op(op: str, path: str, value: Any = None) -> dict[str, Any]:
    return {"op": op, "path": path, "value": value}


Send = Callable[[Connected, str, str], Answer]
#: A refusal: features, what is sent (app, a user's id, a group's id), and what its explanation says.
REFUSALS: dict[str, tuple[dict[str, str], Send, list[str]]] = {
    "a feature that is off": (
        {"create-users": "off"},
        lambda app, user, group: app.client.user("new"),
        ["POST /Users", "create with userName", "400", "--feature create-users=on"],
    ),
    "an unknown member": (
        {"unknown-members": "refuse"},
        lambda app, user, group: app.client.patch(f"/Groups/{group}", op("add", "members", [{"value": "nobody"}])),
        ["1. add members", "400 invalidValue", "nobody", "--feature unknown-members=skip"],
    ),
    "an unknown attribute": (
        {},
        lambda app, user, group: app.client.patch(f"/Users/{user}", op("add", "shoeSize", SECRET)),
        ["1. add shoeSize", "400 invalidPath", "RFC 7644 section 3.5.2", "unknown-attributes=ignore", "schema add"],
    ),
    "what is readOnly": (
        {},
        lambda app, user, group: app.client.patch(f"/Users/{user}", op("replace", "id", "x")),
        ["1. replace id", "400 mutability", "RFC 7643 section 2.2", "none: the client has to send something else"],
    ),
    "a userName that is taken": (
        {},
        lambda app, user, group: app.client.user("ann", password=SECRET),
        ["409 uniqueness", '"password": "***"', "none: the client"],
    ),
    "a group's name that is taken": (
        {},
        lambda app, user, group: app.client.group("GROUP"),
        ["409 uniqueness", "--feature unique-group-names=off"],
    ),
    "a filter": (
        {},
        lambda app, user, group: app.client.get(f"/Users?filter=password%20eq%20%22{SECRET}%22"),
        ['GET /Users?filter=password eq "***"', "400 invalidFilter", "RFC 7644 section 3.4.2.2"],
    ),
    "what no database stores": (
        {},
        lambda app, user, group: app.client.get("/Users?filter=nope%20eq%20%22%00%22&x%00%ED%A0%80=%00"),
        ["GET /Users?filter=", "400 "],
    ),
    "a search": (
        {},
        lambda app, user, group: app.client.post("/Users/.search", {"filter": "nope eq 5", "count": 3}),
        ["POST /Users/.search", "search by filter, count", 'nope eq \\"***\\"', "invalidFilter"],
    ),
    "another type": (
        {},
        lambda app, user, group: app.client.put(f"/Users/{user}", {"userName": "ann", "active": "perhaps"}),
        ["PUT /Users/", "replace by userName, active", "400 invalidValue: active"],
    ),
    "what is required": (
        {},
        lambda app, user, group: app.client.post("/Users", {"title": "x"}),
        ["create with title", "400 invalidValue: userName is required"],
    ),
    "no JSON": (
        {},
        lambda app, user, group: app.client.post("/Users", raw=f'{{"password": "{SECRET}", }}'.encode()),
        ["A body of 33 bytes, which is not kept", "400 invalidSyntax", "line 1, column"],
    ),
    "too large": (
        {},
        lambda app, user, group: app.client.user("x" * 30000),
        ["413", "the setting SCIMLITE_MAX_BODY"],
    ),
    "too many operations": (
        {},
        lambda app, user, group: bulk(app, *({"method": "DELETE", "path": f"/Users/{n}"} for n in range(4))),
        ["POST /Bulk", "413", "the setting SCIMLITE_MAX_OPERATIONS"],
    ),
    "If-Match": (
        {},
        lambda app, user, group: app.client.delete(f"/Users/{user}", headers={"If-Match": 'W/"99"'}),
        ["DELETE /Users/", "412", "RFC 9110 section 13"],
    ),
    "no target": (
        {},
        lambda app, user, group: app.client.patch(
            f"/Groups/{group}", op("replace", 'members[value eq "x"].display', "y")
        ),
        ['1. replace members[value eq "x"].display', "400 noTarget"],
    ),
    "an operation of a bulk request": (
        {},
        lambda app, user, group: bulk(
            app,
            {"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": "new"}},
            {"method": "PATCH", "path": f"/Users/{user}", "data": {"Operations": [op("add", "x", SECRET)]}},
        ),
        ["PATCH /Users/", "1. add x", "invalidPath", "What was done", "new created"],
    ),
    "a mapping's required row": (
        {},
        lambda app, user, group: app.client.patch(f"/Users/{user}", op("remove", "title")),
        ["title is required: this app needs it for job", "scimlite mapping set --app", "job --optional"],
    ),
}


def staged(installation: Installation, features: dict[str, str]) -> tuple[Connected, str, str]:
    app = installation.app("explained")
    user = app.client.user("ann", title="Lead").ok(201).id
    group = app.client.group("group", user).ok(201).id
    apps.edit(installation.scope, app.slug, features=features)
    row = Row("job", "title", default="none")
    mapping.change(installation.scope, app.slug, lambda current: current.with_row("User", row))
    return app, user, group


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_explained(installation: Installation, cli: CommandLine, name: str) -> None:
    features, send, said = REFUSALS[name]
    app, user, group = staged(installation, features)
    if "mapping" in name:
        cli.ok("mapping", "set", "--app", app.slug, "job", "title", "--required")
    answer = send(app, user, group)
    explained = cli.ok("explain", request_id(answer))
    for each in said:
        assert each in explained, explained
    assert app.slug in explained
    assert SECRET not in explained
    data = json.loads(cli.ok("explain", request_id(answer), "--json"))
    assert data["refusals"][0]["status"] in (400, 409, 412, 413)
    assert SECRET not in json.dumps(data)


def test_an_id_is_taken_as_it_stands_in_the_detail(installation: Installation, cli: CommandLine) -> None:
    app = installation.app("explained")
    answer = app.client.post("/Users", {"x": 1}, headers={"client-request-id": "activity-7"})
    found = re.search(r"\(request \w+\)$", answer.json["detail"])
    assert found
    for id in (found.group(), request_id(answer), f"request {request_id(answer)}", "activity-7"):
        assert f"Request {request_id(answer)}" in cli.ok("explain", id)
    made = app.client.post("/Users", {"userName": "x"}, headers={"client-request-id": "activity-8"}).ok(201)
    assert "x created" in cli.ok("explain", "activity-8")
    assert f"Request {request_id(made)}" in cli.ok("explain", "activity-8")
    assert "There is no trace" in cli.fails("explain", "0123456789abcdef")


def test_without_bodies_and_after_a_week_it_is_still_explained(installation: Installation, cli: CommandLine) -> None:
    app = installation.app("explained", **{"keep-bodies": "off"})
    answer = app.client.post("/Users", {"title": "x"})
    explained = cli.ok("explain", request_id(answer))
    assert "A body of 14 bytes, which is not kept" in explained
    assert "userName is required" in explained
    row = RefusalRow.request_id == request_id(answer)
    assert installation.db.scalar(RefusalRow.select(RefusalRow.body).where(row)) is None
    installation.db.execute(RefusalRow.update(at=RefusalRow.at - 8 * DAY).where(row))
    result = cli.run("explain", request_id(answer))
    assert "userName is required" in result.stdout
    assert "no longer kept" in result.stderr
    # Housekeeping takes what is too old away, and nothing else.
    newer = app.client.post("/Users", {"title": "x"})
    housekeeping.tidy(installation.db)
    assert refusals.of_request(installation.db, request_id(newer))
    assert installation.db.scalar(RefusalRow.select(RefusalRow.id).where(row)) is None


def test_a_remedy_that_an_older_version_wrote_is_shown_as_it_is(installation: Installation, cli: CommandLine) -> None:
    app = installation.app("explained", **{"create-users": "off"})
    answer = app.client.user("new")
    command = f"scimlite app edit {app.slug} --feature create-users=on"
    assert cli.json("explain", request_id(answer))["refusals"][0]["remedy"] == command
    row = RefusalRow.request_id == request_id(answer)
    assert json.loads(installation.db.scalar(RefusalRow.select(RefusalRow.remedy).where(row))) == {
        "app": app.slug,
        "feature": "create-users",
        "value": "on",
    }
    installation.db.execute(RefusalRow.update(remedy="scimlite app edit old --feature x=y").where(row))
    assert cli.json("explain", request_id(answer))["refusals"][0]["remedy"] == "scimlite app edit old --feature x=y"
    assert "scimlite app edit old --feature x=y" in cli.ok("explain", request_id(answer))


def test_a_large_body_is_cut(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = installation.app("explained")
    monkeypatch.setattr(refusals, "LONGEST_BODY", 100)
    received = refusals.Received("POST", "/Users", size=999, parsed=True, body={"title": "é" * 500})
    row = installation.app_row(app)
    types = [row.resource_types["Users"]]
    entry, origin = Entry(Action.CREATED), Origin("test", request_id="f" * 16)
    workspace = Workspace(installation.db, origin, row)
    refusals.record(workspace, refusals.Refused(entry, InvalidValue("no"), received, types, status=400))
    (kept,) = [each for each in refusals.of_request(installation.db, "f" * 16) if each.size == 999]
    assert kept.body is not None
    assert 95 <= len(kept.body.encode()) <= 100


def test_of_a_huge_body_the_beginning_is_kept_at_once(installation: Installation) -> None:
    app = installation.app("explained")
    emails = [{"value": f"{number}@example.com"} for number in range(60_000)]
    began = time.process_time()
    operations = [{"op": "add", "path": "emails", "value": emails}]
    body = {"userName": "ann", "emails": emails, "roles": emails, "password": "secret"}
    for method, sent in (("POST", body), ("PATCH", {"Operations": operations})):
        received = refusals.Received(method, "/Users", size=9_999_999, parsed=True, body=sent)
        row = installation.app_row(app)
        workspace = Workspace(installation.db, Origin("test", request_id=f"huge {method}"), row)
        refused = refusals.Refused(
            Entry(Action.CREATED), InvalidValue("no"), received, [row.resource_types["Users"]], status=400
        )
        refusals.record(workspace, refused)
        (kept,) = refusals.of_request(installation.db, f"huge {method}")
        assert kept.body is not None
        assert "0@example.com" in kept.body
        assert len(kept.body) == refusals.LONGEST_BODY
    # All 180,000 items took 3 s.
    assert time.process_time() - began < 1.5


def test_what_makes_no_refusal_is_not_kept(installation: Installation, cli: CommandLine) -> None:
    app = installation.app("explained")
    user = app.client.user("ann").ok(201)
    for answer in (
        app.client.get("/Users/nobody"),
        app.client.get("/Users?filter=userName%20eq%20%22x%22"),
        installation.client(app.slug, "scimlite_wrong").post("/Users", {"userName": "x"}),
        app.client.get(f"/Users/{user.id}"),
    ):
        assert refusals.of_request(installation.db, request_id(answer)) == []
        assert "There is no trace" in cli.fails("explain", request_id(answer))
    assert "ann created" in cli.ok("explain", request_id(user))
