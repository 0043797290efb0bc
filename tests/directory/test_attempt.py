"""A write without HTTP is recorded like a client's: its rows, its refusal, and the input that was refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peewee
import pytest

from command_line import CommandLine
from installation import Installation
from scimlite.admin import apps, deleted
from scimlite.apps.workspace import Workspace
from scimlite.clock import DAY
from scimlite.db.tables import RefusalRow
from scimlite.directory import write
from scimlite.errors import BadRequest, InvalidSyntax, InvalidValue, NotFound, ScimError, Uniqueness
from scimlite.journal import Origin, refusals, report
from scimlite.journal.report import Record
from scimlite.journal.selection import Selection
from scimlite.scim.schema import ResourceType

SOURCE = Origin("source:hr")


@pytest.fixture
def installation(database_url: str, tmp_path: Path) -> Iterator[Installation]:
    made = Installation.new(database_url, tmp_path)
    yield made
    made.db.close()


class Source:
    """A source that writes into an app without HTTP."""

    def __init__(self, installation: Installation, **features: str) -> None:
        self.installation = installation
        apps.create(installation.scope, "hr")
        self.workspace = Workspace(installation.db, SOURCE, apps.edit(installation.scope, "hr", features=features))

    @property
    def users(self) -> ResourceType:
        return self.workspace.app.resource_types["Users"]

    def rows(self) -> list[Record]:
        found = report.read(self.installation.db, Selection(app_id=self.workspace.app.id))
        return [row for row in found if row.client == SOURCE.client]

    def refused(self) -> Record:
        """The last row, which is a refusal that has no HTTP status and can be explained."""
        row = self.rows()[-1]
        assert (row.client, row.outcome, row.status) == ("source:hr", "refused", None)
        assert row.request_id
        return row


def test_what_is_done_has_no_status(installation: Installation) -> None:
    source = Source(installation)
    made = write.create(source.workspace, source.users, {"userName": "ann"}).resource
    write.patch(
        source.workspace, source.users, made.id, {"Operations": [{"op": "add", "path": "title", "value": "Dr"}]}
    )
    write.replace(source.workspace, source.users, made.id, {"userName": "ann", "active": False})
    write.delete(source.workspace, source.users, made.id)
    assert [(row.action, row.status, row.client) for row in source.rows()] == [
        (action, None, "source:hr") for action in ("created", "updated", "disabled", "deleted")
    ]


@pytest.mark.parametrize(
    ("body", "error", "detail"),
    [
        ({"title": "Dr"}, InvalidValue, "userName is required"),
        ({"userName": "ANN"}, Uniqueness, "already has this userName"),
        ({"userName": True}, InvalidValue, "userName"),
        (["ann"], InvalidSyntax, "object"),
    ],
)
def test_a_refused_creation_is_recorded_and_explained(
    installation: Installation, body: Any, error: type[ScimError], detail: str
) -> None:
    source = Source(installation)
    write.create(source.workspace, source.users, {"userName": "ann"})
    with pytest.raises(error):
        write.create(source.workspace, source.users, body)
    row = source.refused()
    assert row.action == "created"
    assert detail in (row.detail or "")
    explained = CommandLine(installation.env).json("explain", row.request_id or "")
    (kept,) = explained["refusals"]
    assert (kept["method"], kept["path"], kept["status"]) == ("POST", "/Users", None)
    assert kept["body"] == body if isinstance(body, dict) else kept["body"] is not None
    assert detail in kept["detail"]
    assert explained["client"] == "source:hr"


def test_a_refused_change_keeps_the_input(installation: Installation) -> None:
    source = Source(installation)
    made = write.create(source.workspace, source.users, {"userName": "ann"}).resource
    with pytest.raises(BadRequest):
        write.patch(source.workspace, source.users, made.id, {"Operations": [{"op": "remove", "path": "userName"}]})
    row = source.refused()
    assert (row.action, row.user, row.user_id) == ("updated", "ann", made.id)
    (kept,) = refusals.of_request(installation.db, row.request_id or "")
    assert (kept.method, kept.path) == ("PATCH", f"/Users/{made.id}")
    with pytest.raises(InvalidValue):
        write.replace(source.workspace, source.users, made.id, {"title": "Dr"})
    (kept,) = refusals.of_request(installation.db, source.refused().request_id or "")
    assert (kept.method, kept.body) == ("PUT", '{"title":"Dr"}')


def test_secrets_of_the_input_are_masked(installation: Installation) -> None:
    source = Source(installation)
    with pytest.raises(InvalidValue):
        write.create(source.workspace, source.users, {"password": "hunter2-hunter2", "x": "undeclared-value"})
    (kept,) = refusals.of_request(installation.db, source.refused().request_id or "")
    assert "hunter2" not in (kept.body or "")
    assert "undeclared-value" not in (kept.body or "")


def test_features_and_brakes_hold_for_a_source_too(installation: Installation) -> None:
    source = Source(installation, **{"delete-users": "off"})
    made = write.create(source.workspace, source.users, {"userName": "ann"}).resource
    with pytest.raises(BadRequest):
        write.delete(source.workspace, source.users, made.id)
    row = source.refused()
    assert row.action == "deleted"
    explained = CommandLine(installation.env).json("explain", row.request_id or "")
    assert explained["refusals"][0]["remedy"].endswith("--feature delete-users=on")


def test_nothing_is_recorded_of_nobody(installation: Installation) -> None:
    source = Source(installation)
    with pytest.raises(NotFound):
        write.delete(source.workspace, source.users, "nobody")
    assert source.rows() == []


def test_an_outer_transaction_records_nothing_that_is_rolled_back(installation: Installation) -> None:
    source = Source(installation)

    def both() -> None:
        write.create(source.workspace, source.users, {"userName": "ann"})
        write.create(source.workspace, source.users, {"userName": "ann"})

    with pytest.raises(Uniqueness):
        installation.db.transact(both)
    assert source.rows() == []


def test_a_refusal_that_cannot_be_recorded_is_still_the_answer(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(installation)
    installation.db.peewee.execute_sql("ALTER TABLE refusal RENAME TO away")
    with pytest.raises(InvalidValue, match="userName is required"):
        write.create(source.workspace, source.users, {"title": "Dr"})
    assert "could not be" in caplog.text
    assert source.rows() == []


def test_a_fault_of_ours_is_recorded_as_failed(installation: Installation) -> None:
    source = Source(installation)
    write.create(source.workspace, source.users, {"userName": "staff"})
    # No index of ours: what it refuses is nothing that a client could mend.
    installation.db.peewee.execute_sql("CREATE UNIQUE INDEX a_name_for_one ON resource (name)")
    with pytest.raises(peewee.IntegrityError):
        write.create(source.workspace, source.workspace.app.resource_types["Groups"], {"displayName": "staff"})
    row = source.rows()[-1]
    assert (row.action, row.outcome, row.group, row.status) == ("created", "failed", "staff", None)
    assert "log has the details" in (row.detail or "")


@pytest.mark.parametrize(
    "value", [2**70, "half \ud800", object(), {7: "x"}], ids=["huge", "surrogate", "object", "key"]
)
def test_input_that_is_no_json_is_refused_and_recorded_without_it(installation: Installation, value: Any) -> None:
    source = Source(installation)
    with pytest.raises(ScimError):
        write.create(source.workspace, source.users, {"title": value})
    row = source.refused()
    (kept,) = refusals.of_request(installation.db, row.request_id or "")
    assert kept.path == "/Users"


def test_a_refusal_takes_what_is_too_old_away(installation: Installation) -> None:
    source = Source(installation)
    with pytest.raises(InvalidValue):
        write.create(source.workspace, source.users, {"title": "old"})
    old = source.refused().request_id or ""
    installation.db.execute(RefusalRow.update(at=RefusalRow.at - 8 * DAY))
    with pytest.raises(InvalidValue):
        write.create(source.workspace, source.users, {"title": "new"})
    assert installation.db.scalar(RefusalRow.select(RefusalRow.id).where(RefusalRow.request_id == old)) is None
    assert refusals.of_request(installation.db, source.refused().request_id or "")


def test_a_refused_restore_says_what_to_do(installation: Installation) -> None:
    source = Source(installation)
    gone = write.create(source.workspace, source.users, {"userName": "ann"}).resource
    write.delete(source.workspace, source.users, gone.id)
    write.create(source.workspace, source.users, {"userName": "ann"})
    with pytest.raises(apps.AppError, match="Rename or delete"):
        deleted.restore(source.workspace, source.users, gone.id)
    row = source.refused()
    explained = CommandLine(installation.env).json("explain", row.request_id or "")
    assert (row.action, explained["refusals"][0]["status"]) == ("restored", None)
    assert explained["refusals"][0]["remedy"] == "rename or delete the resource that has the value now"
