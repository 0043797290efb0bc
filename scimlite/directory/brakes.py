"""Brakes: when an app disables, deletes or removes too many users in a while, the brake refuses more until a release.

A brake counts under the lock of the app's row and in the transaction of the write, so that parallel writers together
get no more through than one writer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from math import ceil
from typing import Any, NamedTuple, TypeVar

from peewee import SQL, Cast, Select, fn

from .. import apps, clock, journal
from ..apps import App
from ..apps.features import AppSettings
from ..apps.workspace import Workspace
from ..db import Database, Slot, chunks, prepared
from ..db.tables import AppRow, BrakeRow, DepartureRow, ResourceRow
from ..errors import Remedy, TooManyRequests
from ..journal import Action, Entry, Scope
from ..scim import core

T = TypeVar("T")

#: The brake on disabling and deleting users, and the brake on removing users from groups.
USERS = "users"
MEMBERS = "members"
KINDS = (USERS, MEMBERS)
#: The brakes as journal entries name them.
_NAMES = {USERS: "users disabled and deleted", MEMBERS: "users removed from groups"}

_MICROSECOND = timedelta(microseconds=1)
#: Seconds after which a client should ask again; an operator has to release the brake before.
_RETRY_AFTER = 900
_CHUNK = 1000


class Tripped(TooManyRequests):
    """A write exceeds the limits of a brake: the write is refused and rolled back, and then the brake trips."""

    def __init__(self, app: App, kind: str, reason: str, at: int) -> None:
        """The error of a write; `reason` is in words, `at` is the time of the count in microseconds since 1970 UTC."""
        super().__init__(_refusal(app, kind, reason), retry_after=_RETRY_AFTER, remedy=Remedy(release=True))
        self.kind = kind
        self.reason = reason
        self.at = at


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a brake; None is no limit, and a brake without limits is off."""

    number: int | None
    percent: int | None
    #: How far back the brake counts, in microseconds.
    window: int

    @property
    def on(self) -> bool:
        """True when the brake can trip."""
        return self.number is not None or self.percent is not None


@dataclass(frozen=True, slots=True)
class Brake:
    """The present state of a brake; times are microseconds since 1970 UTC."""

    kind: str
    limits: Limits
    tripped_at: int | None
    #: Why it tripped, in words.
    reason: str | None
    released_at: int | None
    #: How many different users the brake counts, and how many users were active when its window began.
    counted: int
    active_before: int

    @property
    def can_trip(self) -> bool:
        """True when the app has enough users to exceed the limit."""
        return self.active_before > (self.limits.number or 0)


class _State(NamedTuple):
    """The state of a brake in the database; None for a brake that never tripped and was never released."""

    tripped_at: int | None = None
    reason: str | None = None
    released_at: int | None = None


def limits(settings: AppSettings, kind: str) -> Limits:
    """The limits that an app's features set for a brake."""
    window = settings.brake_window // _MICROSECOND
    if kind == MEMBERS:
        return Limits(settings.brake_members, None, window)
    return Limits(settings.brake_users, settings.brake_percent, window)


def _state(db: Database, app: App, kind: str) -> _State:
    row = db.row(_brake_state, app=app.id, kind=kind)
    return _State(*row) if row else _State()


@prepared
def _brake_state(db: Database) -> Any:
    """The columns in the order of _State."""
    return BrakeRow.select(BrakeRow.tripped_at, BrakeRow.detail, BrakeRow.released_at).where(
        BrakeRow.app_id == Slot("app"), BrakeRow.kind == Slot("kind")
    )


# --- counting -----------------------------------------------------------------------------------------------------


def count(workspace: Workspace, kind: str, rows: Sequence[int]) -> None:
    """Counts users who are about to be disabled, deleted or removed from a group, inside the caller's transaction.

    The caller counts before it changes the rows. Raises TooManyRequests when the brake has tripped already, and Tripped
    when these users exceed a limit: `transact` then trips the brake.
    """
    db, app = workspace.db, workspace.app
    limit = limits(app.settings, kind)
    if not rows or not limit.on:
        return
    db.rows(_locked_app, app=app.id)
    state = _state(db, app, kind)
    if state.tripped_at is not None:
        refusal = _refusal(app, kind, state.reason)
        raise TooManyRequests(refusal, retry_after=_RETRY_AFTER, remedy=Remedy(release=True))
    at = clock.now()
    since = max(at - limit.window, state.released_at or 0)
    db.execute(_delete_old_departures, app=app.id, kind=kind, before=at - limit.window)
    for chunk in chunks(rows, _CHUNK):
        db.execute(_insert_departures, app=app.id, kind=kind, at=at, rows=chunk)
    reason = _excess(workspace, kind, limit, since)
    if reason is not None:
        raise Tripped(app, kind, reason, at)


def _excess(workspace: Workspace, kind: str, limit: Limits, since: int) -> str | None:
    """How the departures since a time exceed the limits, in words; None when they do not."""
    number = _departed(workspace.db, workspace.app, kind, since)
    if number == 0 or (limit.number is not None and number <= limit.number):
        return None
    if kind == MEMBERS:
        return f"more than {limit.number} users would have been removed from groups within the window"
    if limit.percent is None:
        return f"more than {limit.number} users would have been disabled or deleted within the window"
    # Counting stops at the number of active users from which on the share is not too large.
    enough = ceil(number * 100 / limit.percent) if limit.percent else 1
    active = number + _still_active(workspace.db, workspace.app, kind, since, enough)
    if number * 100 <= limit.percent * active:
        return None
    users = f"{number} users" if number != 1 else "1 user"
    return f"{users} of {active:,} would have been disabled or deleted within the window"


def _departed(db: Database, app: App, kind: str, since: int) -> int:
    query = _count_departed_users if kind == USERS else _count_departed_members
    return int(db.scalar(query, app=app.id, kind=kind, since=since))


def _still_active(db: Database, app: App, kind: str, since: int, limit: int) -> int:
    return int(db.scalar(_count_active_users, app=app.id, kind=kind, since=since, limit=limit))


def _refusal(app: App, kind: str, reason: str | None) -> str:
    acts = "Disabling and deleting users" if kind == USERS else "Removing members"
    return (
        f"{acts} is held for the app {app.slug}, because {reason}. Everything else goes on. "
        "The operator of this endpoint can release it."
    )


@prepared
def _locked_app(db: Database) -> Any:
    return db.locking(AppRow.select(AppRow.id).where(AppRow.id == Slot("app")))


@prepared
def _delete_old_departures(db: Database) -> Any:
    return DepartureRow.delete().where(
        DepartureRow.app_id == Slot("app"), DepartureRow.kind == Slot("kind"), DepartureRow.at <= Slot("before")
    )


@prepared
def _insert_departures(db: Database) -> Any:
    """Departures of users: groups inside groups do not count, and deleting a disabled user loses no active user."""
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


def _departures() -> Any:
    return DepartureRow.select(fn.count(fn.DISTINCT(DepartureRow.resource_id))).where(
        DepartureRow.app_id == Slot("app"), DepartureRow.kind == Slot("kind"), DepartureRow.at > Slot("since")
    )


@prepared
def _count_departed_users(db: Database) -> Any:
    """Only users who were active when the window began: users who came later do not count."""
    return _departures().where(DepartureRow.active_since <= Slot("since"))


@prepared
def _count_departed_members(db: Database) -> Any:
    return _departures()


@prepared
def _count_active_users(db: Database) -> Any:
    """Users who were active when the window began and have no departure since; at most `limit`."""
    departed = DepartureRow.select(SQL("1")).where(
        DepartureRow.app_id == Slot("app"),
        DepartureRow.kind == Slot("kind"),
        DepartureRow.at > Slot("since"),
        DepartureRow.resource_id == ResourceRow.id,
        DepartureRow.active_since <= Slot("since"),
    )
    users = ResourceRow.select(ResourceRow.id).where(
        ResourceRow.app_id == Slot("app"),
        ResourceRow.type == core.USER.name,
        ResourceRow.deleted_at.is_null(),
        ResourceRow.active == 1,
        ResourceRow.active_since <= Slot("since"),
        ~fn.EXISTS(departed),
    )
    limited = users.limit(Slot("limit")).alias("found")
    return Select([limited], [fn.count(SQL("*"))])


# --- tripping and releasing ---------------------------------------------------------------------------------------


def transact(workspace: Workspace, write: Callable[[], T]) -> T:
    """Runs a write in a transaction; when the write exceeds a limit, its brake trips after the rollback."""
    try:
        return workspace.db.transact(write)
    except Tripped as tripped:
        workspace.db.transact(partial(_trip, workspace, tripped))
        raise


def _trip(workspace: Workspace, tripped: Tripped) -> None:
    db, app = workspace.db, workspace.app
    db.rows(_locked_app, app=app.id)
    state = _state(db, app, tripped.kind)
    # Another writer tripped the brake before, or an operator released it after the count.
    if state.tripped_at is not None or (state.released_at or 0) > tripped.at:
        return
    at = clock.now()
    _write(db, app, tripped.kind, _State(at, tripped.reason, state.released_at))
    detail = f"{_NAMES[tripped.kind]}: {tripped.reason}"
    journal.record(workspace, [Entry(Action.BRAKE_TRIPPED, detail=detail)], at=at)


def _write(db: Database, app: App, kind: str, state: _State) -> None:
    values = {"tripped_at": state.tripped_at, "detail": state.reason, "released_at": state.released_at}
    row = BrakeRow.insert(app_id=app.id, kind=kind, **values)
    db.execute(row.on_conflict(conflict_target=[BrakeRow.app_id, BrakeRow.kind], update=values))


def release(scope: Scope, slug: str) -> list[str]:
    """Releases the brakes of an app, and begins to count at zero; returns the kinds of those that had tripped.

    Raises AppError when there is no such app.
    """
    return scope.db.transact(partial(_release, scope, slug))


def _release(scope: Scope, slug: str) -> list[str]:
    db = scope.db
    app = apps.lock(db, slug)
    at = clock.now()
    tripped = [kind for kind in KINDS if _state(db, app, kind).tripped_at is not None]
    for kind in KINDS:
        _write(db, app, kind, _State(released_at=at))
    db.execute(DepartureRow.delete().where(DepartureRow.app_id == app.id))
    detail = " and ".join(_NAMES[kind] for kind in tripped) or "nothing was held; the count begins at zero"
    journal.record(Workspace.of(scope, app), [Entry(Action.RELEASED, detail=detail)], at=at)
    return tripped


def every(db: Database, app: App) -> list[Brake]:
    """The present state of the app's brakes."""
    return [_brake(db, app, kind) for kind in KINDS]


def _brake(db: Database, app: App, kind: str) -> Brake:
    limit, state = limits(app.settings, kind), _state(db, app, kind)
    since = max(clock.now() - limit.window, state.released_at or 0)
    counted = _departed(db, app, kind, since)
    active = _still_active(db, app, kind, since, 2**62)
    if kind == USERS:
        active += counted
    return Brake(kind, limit, *state, counted, active)
