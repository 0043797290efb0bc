"""Brakes: when a client takes too many users away within a while, the rest is held until an operator releases it.

Counted under the app's row lock and in the write's own transaction, so that parallel writers let through no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from math import ceil
from typing import Any

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

#: Users who were disabled or deleted, and users who were taken out of groups.
USERS = "users"
MEMBERS = "members"
KINDS = (USERS, MEMBERS)

_MICROSECOND = timedelta(microseconds=1)
#: Seconds after which a client may ask again: somebody has to look at it first.
_RETRY_AFTER = 900
_CHUNK = 1000


class Tripped(TooManyRequests):
    """This write would have been one too many: the brake is to be tripped, and the write is refused."""

    def __init__(self, app: App, kind: str, reason: str, at: int) -> None:
        super().__init__(_held(app, kind, reason), retry_after=_RETRY_AFTER, remedy=Remedy(release=True))
        self.kind = kind
        self.reason = reason
        #: When it was counted, in microseconds.
        self.at = at


@dataclass(frozen=True, slots=True)
class Limits:
    """When a brake trips; None is no condition, and a brake without any is off."""

    number: int | None
    percent: int | None
    #: Microseconds.
    window: int

    @property
    def on(self) -> bool:
        """Whether there is anything that trips it."""
        return self.number is not None or self.percent is not None


@dataclass(frozen=True, slots=True)
class Brake:
    """A brake as it is now; times are microseconds since 1970 UTC."""

    kind: str
    limits: Limits
    tripped_at: int | None
    #: Why it tripped, in words.
    reason: str | None
    released_at: int | None
    #: Distinct users who count, and of how many who were active when the window began.
    counted: int
    active_before: int

    @property
    def can_trip(self) -> bool:
        """Whether there are enough users at all."""
        return self.active_before > (self.limits.number or 0)


def limits(settings: AppSettings, kind: str) -> Limits:
    """The limits of a brake as the app's features set them."""
    window = settings.brake_window // _MICROSECOND
    if kind == MEMBERS:
        return Limits(settings.brake_members, None, window)
    return Limits(settings.brake_users, settings.brake_percent, window)


# --- counting -----------------------------------------------------------------------------------------------------


def count(workspace: Workspace, kind: str, rows: Sequence[int]) -> None:
    """Count users who are about to be disabled, deleted or taken out of a group, inside the caller's transaction.

    To be called before their rows change. Raises TooManyRequests when the brake is tripped, Tripped when this would
    be one too many: then the caller's transaction rolls back, and `trip` is to be called.
    """
    db, app = workspace.db, workspace.app
    set_to = limits(app.settings, kind)
    if not set_to.on:
        return
    db.rows(_locked_app, app=app.id)
    tripped_at, reason, released_at = db.row(_brake_state, app=app.id, kind=kind) or (None, None, None)
    if tripped_at is not None:
        held = _held(app, kind, reason)
        raise TooManyRequests(held, retry_after=_RETRY_AFTER, remedy=Remedy(release=True))
    at = clock.now()
    since = max(at - set_to.window, released_at or 0)
    db.execute(_delete_old_departures, app=app.id, kind=kind, before=at - set_to.window)
    for chunk in chunks(rows, _CHUNK):
        db.execute(_insert_departures, app=app.id, kind=kind, at=at, rows=chunk)
    reason = _too_many(db, app, kind, set_to, since)
    if reason is not None:
        raise Tripped(app, kind, reason, at)


def _too_many(db: Database, app: App, kind: str, set_to: Limits, since: int) -> str | None:
    """Why there are more departures than the limits allow, in words; None when there are not."""
    number = int(
        db.scalar(
            _count_departed_users if kind == USERS else _count_departed_members, app=app.id, kind=kind, since=since
        )
    )
    if number == 0 or (set_to.number is not None and number <= set_to.number):
        return None
    told = f"{number} users" if number != 1 else "1 user"
    if kind == MEMBERS:
        return f"more than {set_to.number} users would have been removed from groups within the window"
    if set_to.percent is None:
        return f"more than {set_to.number} users would have been disabled or deleted within the window"
    # Only as many are counted as it takes to know whether the share is too large.
    enough = ceil(number * 100 / set_to.percent) if set_to.percent else 1
    active = number + int(db.scalar(_count_active_users, app=app.id, since=since, kind=kind, limit=enough))
    if number * 100 <= set_to.percent * active:
        return None
    return f"{told} of {active:,} would have been disabled or deleted within the window"


def _held(app: App, kind: str, reason: str | None) -> str:
    what = "Disabling and deleting users" if kind == USERS else "Removing members"
    return (
        f"{what} is held for the app {app.slug}, because {reason}. Everything else goes on. "
        "The operator of this endpoint can release it."
    )


@prepared
def _locked_app(db: Database) -> Any:
    return db.locking(AppRow.select(AppRow.id).where(AppRow.id == Slot("app")))


@prepared
def _brake_state(db: Database) -> Any:
    return BrakeRow.select(BrakeRow.tripped_at, BrakeRow.detail, BrakeRow.released_at).where(
        BrakeRow.app_id == Slot("app"), BrakeRow.kind == Slot("kind")
    )


@prepared
def _delete_old_departures(db: Database) -> Any:
    return DepartureRow.delete().where(
        DepartureRow.app_id == Slot("app"), DepartureRow.kind == Slot("kind"), DepartureRow.at <= Slot("before")
    )


@prepared
def _insert_departures(db: Database) -> Any:
    """Only of users: groups in groups may come and go. Who is disabled already is no more lost by being deleted."""
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


def _departed() -> Any:
    return DepartureRow.select(fn.count(fn.DISTINCT(DepartureRow.resource_id))).where(
        DepartureRow.app_id == Slot("app"), DepartureRow.kind == Slot("kind"), DepartureRow.at > Slot("since")
    )


@prepared
def _count_departed_users(db: Database) -> Any:
    """Users who were active when the window began; those who came later do not count."""
    return _departed().where(DepartureRow.active_since <= Slot("since"))


@prepared
def _count_departed_members(db: Database) -> Any:
    return _departed()


@prepared
def _count_active_users(db: Database) -> Any:
    """Users who were active when the window began, and of whom nothing was counted since; at most so many."""
    counted = DepartureRow.select(SQL("1")).where(
        DepartureRow.app_id == Slot("app"),
        DepartureRow.kind == Slot("kind"),
        DepartureRow.at > Slot("since"),
        DepartureRow.resource_id == ResourceRow.id,
        DepartureRow.active_since <= Slot("since"),
    )
    found = ResourceRow.select(ResourceRow.id).where(
        ResourceRow.app_id == Slot("app"),
        ResourceRow.type == core.USER.name,
        ResourceRow.deleted_at.is_null(),
        ResourceRow.active == 1,
        ResourceRow.active_since <= Slot("since"),
        ~fn.EXISTS(counted),
    )
    limited = found.limit(Slot("limit")).alias("found")
    return Select([limited], [fn.count(SQL("*"))])


# --- tripping and releasing ---------------------------------------------------------------------------------------


def trip(workspace: Workspace, tripped: Tripped) -> None:
    """Hold everything of the kind from now on, in a transaction of its own after the write's was rolled back."""
    workspace.db.transact(partial(_trip, workspace, tripped))


def _trip(workspace: Workspace, tripped: Tripped) -> None:
    db, app = workspace.db, workspace.app
    db.rows(_locked_app, app=app.id)
    tripped_at, _, released_at = db.row(_brake_state, app=app.id, kind=tripped.kind) or (None, None, None)
    # Another writer was first, or an operator released it since this was counted.
    if tripped_at is not None or (released_at or 0) > tripped.at:
        return
    at = clock.now()
    _set(db, app, tripped.kind, tripped_at=at, released_at=released_at, detail=tripped.reason)
    detail = f"{_NAMES[tripped.kind]}: {tripped.reason}"
    journal.record(workspace, [Entry(Action.BRAKE_TRIPPED, detail=detail)], at=at)


#: What the journal calls the brakes.
_NAMES = {USERS: "users disabled and deleted", MEMBERS: "users removed from groups"}


def _set(db: Database, app: App, kind: str, **values: Any) -> None:
    row = BrakeRow.insert(app_id=app.id, kind=kind, **values)
    target = [BrakeRow.app_id, BrakeRow.kind]
    db.execute(row.on_conflict(conflict_target=target, update=values))


def release(scope: Scope, slug: str) -> list[str]:
    """Let through what brakes held, and count from zero; returns the kinds that were held.

    Raises AppError when there is no such app.
    """
    return scope.db.transact(partial(_release, scope, slug))


def _release(scope: Scope, slug: str) -> list[str]:
    db = scope.db
    app = apps.lock(db, slug)
    at = clock.now()
    held = [kind for kind in KINDS if (db.row(_brake_state, app=app.id, kind=kind) or (None,))[0] is not None]
    for kind in KINDS:
        _set(db, app, kind, tripped_at=None, released_at=at, detail=None)
    db.execute(DepartureRow.delete().where(DepartureRow.app_id == app.id))
    detail = " and ".join(_NAMES[kind] for kind in held) or "nothing was held; the count begins at zero"
    journal.record(Workspace.of(scope, app), [Entry(Action.RELEASED, detail=detail)], at=at)
    return held


def every(db: Database, app: App) -> list[Brake]:
    """The app's brakes as they are now."""
    found = []
    for kind in KINDS:
        set_to = limits(app.settings, kind)
        tripped_at, reason, released_at = db.row(_brake_state, app=app.id, kind=kind) or (None, None, None)
        since = max(clock.now() - set_to.window, released_at or 0)
        counted = int(
            db.scalar(
                _count_departed_users if kind == USERS else _count_departed_members, app=app.id, kind=kind, since=since
            )
        )
        active = int(db.scalar(_count_active_users, app=app.id, kind=kind, since=since, limit=2**62))
        if kind == USERS:
            active += counted
        found.append(Brake(kind, set_to, tripped_at, reason, released_at, counted, active))
    return found
