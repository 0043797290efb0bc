"""Erases a person for good: the stored user, and names and values in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import fn

from .. import clock, journal
from ..apps import App
from ..apps.workspace import Workspace
from ..db import Database
from ..db.feed_tables import DeliveryRow, WebhookRow
from ..db.sync_tables import SourceLinkRow
from ..db.tables import AliasRow, DepartureRow, JournalRow, MemberRow, PasswordRow, RefusalRow, ResourceRow, ValueRow
from ..db.target_tables import TargetLinkRow, TargetRow, TargetRunRow
from ..directory import brakes
from ..journal import Action, Entry
from ..journal.selection import key_of

#: Journal entries rewritten in one transaction, which is how long other writers wait.
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Traces:
    """How many rows an erasure removes or blanks."""

    memberships: int
    entries: int
    requests: int


def traces(workspace: Workspace, id: str, name: str) -> Traces:
    """Counts the rows that erasing a user of an app would remove or blank; `name` is the userName."""
    db, app = workspace.db, workspace.app
    row = _row(db, app, id)
    keys = _keys(db, app, id, name)
    return Traces(
        int(db.scalar(MemberRow.select(fn.count(MemberRow.group_id)).where(MemberRow.member_id == row)) if row else 0),
        int(db.scalar(JournalRow.select(fn.count(JournalRow.id)).where(_entries_about(app, id, keys)))),
        int(db.scalar(RefusalRow.select(fn.count(RefusalRow.id)).where(_requests_about(app, id, keys)))),
    )


def erase(workspace: Workspace, id: str, name: str) -> None:
    """Erases a living or deleted user: document, tombstone, memberships, kept requests, personal values in the journal.

    The journal keeps actions and times under the id alone, and that the user was erased. A run that was stopped can be
    repeated. Attributes of other users that name the person, such as a manager's name, stay.
    """
    db, app = workspace.db, workspace.app
    keys = _keys(db, app, id, name)
    with db.erasing():
        some = JournalRow.select(JournalRow.id).where(_entries_about(app, id, keys), _PERSONAL).limit(_CHUNK)
        while rows := [row[0] for row in db.rows(some)]:
            db.transact(partial(db.execute, JournalRow.update(**_BLANK).where(JournalRow.id.in_(rows))))
        db.transact(partial(_erase, workspace, id, keys))


#: The columns of the journal that hold personal values, emptied.
_BLANK = {"user_name": None, "user_key": None, "changes": None, "detail": None}
_PERSONAL = JournalRow.user_name.is_null(False) | JournalRow.changes.is_null(False) | JournalRow.detail.is_null(False)


def _erase(workspace: Workspace, id: str, keys: list[str]) -> None:
    db, app = workspace.db, workspace.app
    # Once more, for entries that were recorded meanwhile.
    db.execute(JournalRow.update(**_BLANK).where(_entries_about(app, id, keys), _PERSONAL))
    newest = db.scalar(JournalRow.select(fn.max(JournalRow.at)).where(_entries_about(app, id, keys)))
    db.execute(RefusalRow.delete().where(_requests_about(app, id, keys)))
    # What a receiver answered may quote the event.
    hooks = WebhookRow.select(WebhookRow.id).where(WebhookRow.app_id == app.id)
    answers = (DeliveryRow.lane == id) & DeliveryRow.webhook_id.in_(hooks)
    db.execute(DeliveryRow.update(last_error=None).where(answers))
    db.execute(WebhookRow.update(last_error=None).where(WebhookRow.app_id == app.id))
    # The same goes for what a target said; the person is deleted there by the next run.
    db.execute(TargetLinkRow.update(reason=None).where(TargetLinkRow.app_id == app.id, TargetLinkRow.uuid == id))
    db.execute(TargetRow.update(last_error=None).where(TargetRow.app_id == app.id))
    db.execute(TargetRunRow.update(detail=None).where(TargetRunRow.app_id == app.id))
    db.execute(AliasRow.delete().where(AliasRow.app_id == app.id, AliasRow.user_uuid == id))
    row = _row(db, app, id, lock=True)
    for table, column in (
        (PasswordRow, PasswordRow.resource_id),
        (DepartureRow, DepartureRow.resource_id),
        (MemberRow, MemberRow.member_id),
        (ValueRow, ValueRow.resource_id),
        (SourceLinkRow, SourceLinkRow.resource_id),
        (ResourceRow, ResourceRow.id),
    ):
        if row is not None:
            db.execute(table.delete().where(column == row))
    brakes.forget_count(db, app)
    journal.record(workspace, [Entry(Action.ERASED, user=(id, None))], at=clock.after(newest))


def _row(db: Database, app: App, id: str, *, lock: bool = False) -> Any:
    query = ResourceRow.select(ResourceRow.id).where(ResourceRow.app_id == app.id, ResourceRow.uuid == id)
    return db.scalar(db.locking(query) if lock else query)


def _keys(db: Database, app: App, id: str, name: str) -> list[str]:
    """Returns every name in requests about the person that may have been refused before there was an id."""
    aliases = AliasRow.select(AliasRow.name).where(AliasRow.app_id == app.id, AliasRow.user_uuid == id)
    return sorted({key_of(name), *(row[0] for row in db.rows(aliases))})


def _entries_about(app: App, id: str, keys: list[str]) -> Any:
    """Returns the condition for journal entries about a person; each half has an index."""
    return (JournalRow.app_id == app.id) & ((JournalRow.user_uuid == id) | JournalRow.user_key.in_(keys))


def _requests_about(app: App, id: str, keys: list[str]) -> Any:
    return (RefusalRow.app_id == app.id) & ((RefusalRow.user_uuid == id) | RefusalRow.user_key.in_(keys))
