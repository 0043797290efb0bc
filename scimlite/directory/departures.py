"""Departures: the users whom an app disabled, deleted or took out of groups, as the brakes count them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import SQL, Case, Cast, Select, fn

from ..apps import App
from ..apps.workspace import Workspace
from ..db import Database, Slot, chunks, prepared
from ..db.tables import DepartureRow, ResourceRow
from ..journal.origin import CONNECTION_TEST_NAMES, Actor
from ..scim import core

#: The brake on disabling and deleting users, and the brake on removing users from groups.
USERS = "users"
MEMBERS = "members"

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Departed:
    """How many different users departed since a moment; the first two may both count a user who departed twice."""

    #: Users who were active at that moment already; of the brake on members, all users.
    before: int
    #: Users who were created or enabled after it.
    newcomers: int = 0
    #: The newcomers who were there until another, later moment: they count as `before` when the window begins there.
    aging: int = 0


def add(db: Database, app: App, kind: str, rows: Sequence[int], *, at: int, window: int) -> None:
    """Stores the departure of users who are still there, and forgets those that left the window.

    Groups inside groups do not count, and deleting a disabled user loses no active user. Times are microseconds.
    """
    db.execute(_delete_old_departures, app=app.id, kind=kind, before=at - window)
    for chunk in chunks(rows, _CHUNK):
        db.execute(_insert_departures, app=app.id, kind=kind, at=at, rows=chunk)


def newest(db: Database, app: App, kind: str) -> int | None:
    """When the last departure was; None without one."""
    found: int | None = db.scalar(_newest_departure, app=app.id, kind=kind)
    return found


def of_connection_test(workspace: Workspace, rows: Sequence[int]) -> bool:
    """True when a connection test takes away nobody but the user whom it made, who does not count."""
    if workspace.origin.actor is not Actor.APP_TEST:
        return False
    names = ResourceRow.select(ResourceRow.name).where(
        ResourceRow.app_id == workspace.app.id, ResourceRow.id.in_(list(rows))
    )
    return all(name.startswith(CONNECTION_TEST_NAMES) for (name,) in workspace.db.rows(names))


def departed(db: Database, app: App, kind: str, since: int, until: int) -> Departed:
    """Counts the users who departed since a moment; newcomers are told apart for the brake on users only."""
    if kind == MEMBERS:
        return Departed(int(db.scalar(_count_members, app=app.id, kind=kind, since=since)))
    row = db.row(_count_users, app=app.id, kind=kind, since=since, until=until)
    assert row is not None
    return Departed(*row)


def still_active(db: Database, app: App, since: int, leaving: Sequence[int], most: int) -> int:
    """Counts up to `most` users who have been active since a moment, without those who are leaving.

    A user who departed after it and came back has been active for a shorter time.
    """
    return int(db.scalar(_count_active_since, app=app.id, since=since, rows=list(leaving), most=most))


def active_with(db: Database, app: App, since: int, newcomers: int, leaving: Sequence[int], most: int) -> int:
    """Counts up to `most` active users, together with the newcomers who departed since a moment."""
    back = int(db.scalar(_count_returned, app=app.id, kind=USERS, since=since, rows=list(leaving)))
    return newcomers - back + int(db.scalar(_count_active, app=app.id, rows=list(leaving), most=most))


def became_active(db: Database, app: App, since: int) -> int:
    """Counts the active users whom `still_active` does not count: those who were changed since."""
    return int(db.scalar(_count_became_active, app=app.id, since=since))


def returned(db: Database, app: App, since: int) -> int:
    """Counts the newcomers who departed since a moment and are active again."""
    return int(db.scalar(_count_returned, app=app.id, kind=USERS, since=since, rows=[]))


def active(db: Database, app: App) -> int:
    """Counts the active users, from indexes alone."""
    return int(db.scalar(_count_living, app=app.id)) - int(db.scalar(_count_disabled, app=app.id))


@prepared
def _newest_departure(db: Database) -> Any:
    return DepartureRow.select(fn.max(DepartureRow.at)).where(
        DepartureRow.app_id == Slot("app"), DepartureRow.kind == Slot("kind")
    )


@prepared
def _delete_old_departures(db: Database) -> Any:
    return DepartureRow.delete().where(
        DepartureRow.app_id == Slot("app"), DepartureRow.kind == Slot("kind"), DepartureRow.at <= Slot("before")
    )


@prepared
def _insert_departures(db: Database) -> Any:
    columns = [
        Cast(Slot("app"), "BIGINT"),
        Slot("kind").typed(),
        Cast(Slot("at"), "BIGINT"),
        ResourceRow.id,
        ResourceRow.active_since,
    ]
    users = ResourceRow.select(*columns).where(
        db.one_of(ResourceRow.id, "rows"),
        ResourceRow.type == core.USER.name,
        (ResourceRow.active == 1) | (Slot("kind").typed() == MEMBERS),
    )
    fields = [
        DepartureRow.app_id,
        DepartureRow.kind,
        DepartureRow.at,
        DepartureRow.resource_id,
        DepartureRow.active_since,
    ]
    return DepartureRow.insert_from(users, fields).on_conflict_ignore()


def _within() -> tuple[Any, ...]:
    """The conditions of departures since a moment."""
    return (DepartureRow.app_id == Slot("app"), DepartureRow.kind == Slot("kind"), DepartureRow.at > Slot("since"))


@prepared
def _count_members(db: Database) -> Any:
    return DepartureRow.select(fn.count(fn.DISTINCT(DepartureRow.resource_id))).where(*_within())


@prepared
def _count_users(db: Database) -> Any:
    """The columns in the order of Departed."""

    def users(*conditions: Any) -> Any:
        whole = conditions[0] if len(conditions) == 1 else conditions[0] & conditions[1]
        return fn.count(fn.DISTINCT(Case(None, [(whole, DepartureRow.resource_id)])))

    newcomer = DepartureRow.active_since > Slot("since")
    return DepartureRow.select(
        users(DepartureRow.active_since <= Slot("since")),
        users(newcomer),
        users(newcomer, DepartureRow.active_since <= Slot("until")),
    ).where(*_within())


def _active(db: Database, *conditions: Any) -> Any:
    """The number of active users, at most `most`, without the `rows` that are leaving."""
    users = ResourceRow.select(ResourceRow.id).where(
        ResourceRow.app_id == Slot("app"),
        ResourceRow.type == core.USER.name,
        ResourceRow.deleted_at.is_null(),
        ResourceRow.active == 1,
        ~db.one_of(ResourceRow.id, "rows"),
        *conditions,
    )
    return Select([users.limit(Slot("most")).alias("found")], [fn.count(SQL("*"))])


@prepared
def _count_active_since(db: Database) -> Any:
    return _active(db, ResourceRow.active_since <= Slot("since"))


@prepared
def _count_active(db: Database) -> Any:
    return _active(db)


@prepared
def _count_living(db: Database) -> Any:
    return ResourceRow.select(fn.count(ResourceRow.id)).where(
        ResourceRow.app_id == Slot("app"), ResourceRow.type == core.USER.name, ResourceRow.deleted_at.is_null()
    )


@prepared
def _count_disabled(db: Database) -> Any:
    """From the index of the disabled alone: planners know it by the number in the text, and SQLite by the app only."""
    return ResourceRow.select(fn.count(ResourceRow.id)).where(
        ResourceRow.app_id == Slot("app"),
        db.unindexed(ResourceRow.type) == core.USER.name,
        ResourceRow.deleted_at.is_null(),
        ResourceRow.active == SQL("0"),
    )


@prepared
def _count_became_active(db: Database) -> Any:
    """Users who became active after a moment: each was changed after it, which an index tells."""
    return ResourceRow.select(fn.count(ResourceRow.id)).where(
        ResourceRow.app_id == Slot("app"),
        ResourceRow.type == core.USER.name,
        ResourceRow.modified_at > Slot("since"),
        db.unindexed(ResourceRow.deleted_at).is_null(),
        ResourceRow.active == 1,
        ResourceRow.active_since > Slot("since"),
    )


@prepared
def _count_returned(db: Database) -> Any:
    """Newcomers who departed and are active again."""
    return (
        DepartureRow.select(fn.count(fn.DISTINCT(DepartureRow.resource_id)))
        .join(ResourceRow, on=(ResourceRow.id == DepartureRow.resource_id))
        .where(
            *_within(),
            DepartureRow.active_since > Slot("since"),
            ResourceRow.active == 1,
            ~db.one_of(ResourceRow.id, "rows"),
        )
    )
