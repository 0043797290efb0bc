"""Brakes: when an app disables, deletes or removes too many users in a while, the brake refuses more until a release.

A brake counts under the lock of the app's row and in the transaction of the write, so that parallel writers together
get no more through than one writer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from .. import apps, clock, journal
from ..apps import App
from ..apps.features import AppSettings
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.tables import AppRow, BrakeRow, DepartureRow
from ..errors import Remedy, TooManyRequests
from ..journal import Action, Entry, Scope
from . import departures
from .brake_limits import Census, Limits
from .departures import MEMBERS, USERS

T = TypeVar("T")

KINDS = (USERS, MEMBERS)
#: The brakes as journal entries name them.
_NAMES = {USERS: "users disabled and deleted", MEMBERS: "users removed from groups"}

_MICROSECOND = timedelta(microseconds=1)
#: Seconds after which a client should ask again; an operator has to release the brake before.
_RETRY_AFTER = 900
#: No moment is later.
_ALWAYS = 2**62
#: The part of its window for which a brake counts ahead while newcomers have departed, who change sides as it moves.
_AHEAD = 64
#: A brake that has to count looks at as many users as it takes to be sure for as many departures as there were until
#: now, and at least this number.
_FEWEST_AHEAD = 500


class Tripped(TooManyRequests):
    """A write exceeds the limits of a brake: the write is refused and rolled back, and then the brake trips."""

    def __init__(self, app: App, kind: str, reason: str, at: int) -> None:
        """The error of a write; `reason` is in words, `at` is the time of the count in microseconds since 1970 UTC."""
        super().__init__(_refusal(app, kind, reason), retry_after=_RETRY_AFTER, remedy=Remedy(release=True))
        self.kind = kind
        self.reason = reason
        self.at = at


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
    #: How many users who came after that departed, and how many users of any age are active, they included; the brake
    #: on members knows no newcomers.
    newcomers: int = 0
    active_now: int = 0

    @property
    def can_trip(self) -> bool:
        """True when the app has enough users to exceed the limit."""
        return max(self.active_before, self.active_now) > (self.limits.number or 0)

    @property
    def gauge(self) -> tuple[int, int]:
        """How many departed and how many may: of those who were there before or of newcomers, whichever is nearer."""
        sides = (
            (self.counted, self.limits.most(self.active_before)),
            (self.newcomers, self.limits.most(self.active_now)),
        )
        return max(sides, key=lambda side: side[0] / max(side[1], 1))


class _State(NamedTuple):
    """The state of a brake in the database; None for a brake that never tripped and was never released."""

    tripped_at: int | None = None
    reason: str | None = None
    released_at: int | None = None
    spare: int | None = None
    spare_version: int | None = None
    spare_from: int | None = None
    spare_until: int | None = None

    def allows(self, app: App, number: int, since: int) -> bool:
        """True when so many departures are within the limits for certain, in a window that begins at `since`."""
        if self.spare is None or self.spare_version != app.version or number > self.spare:
            return False
        return (self.spare_from or 0) <= since <= (self.spare_until or 0)


def limits(settings: AppSettings, kind: str) -> Limits:
    """The limits that an app's features set for a brake."""
    window = settings.brake_window // _MICROSECOND
    if kind == MEMBERS:
        return Limits(settings.brake_members, None, window)
    return Limits(settings.brake_users, settings.brake_percent, window)


_SPARE = (BrakeRow.spare, BrakeRow.spare_version, BrakeRow.spare_from, BrakeRow.spare_until)


def _state(db: Database, app: App, kind: str) -> _State:
    row = db.row(_brake_state, app=app.id, kind=kind)
    return _State(*row) if row else _State()


@prepared
def _brake_state(db: Database) -> Any:
    """The columns in the order of _State."""
    columns = (BrakeRow.tripped_at, BrakeRow.detail, BrakeRow.released_at, *_SPARE)
    return BrakeRow.select(*columns).where(BrakeRow.app_id == Slot("app"), BrakeRow.kind == Slot("kind"))


# --- counting -----------------------------------------------------------------------------------------------------


def count(workspace: Workspace, kind: str, rows: Sequence[int]) -> None:
    """Counts users who are about to be disabled, deleted or removed from a group, inside the caller's transaction.

    The caller counts before it changes the rows. Raises TooManyRequests when the brake has tripped already, and Tripped
    when these users exceed a limit: `transact` then trips the brake.
    """
    db, app = workspace.db, workspace.app
    limit = limits(app.settings, kind)
    if not rows or not limit.on or not workspace.counted:
        return
    db.rows(_locked_app, app=app.id)
    state = _state(db, app, kind)
    if state.tripped_at is not None:
        refusal = _refusal(app, kind, state.reason)
        raise TooManyRequests(refusal, retry_after=_RETRY_AFTER, remedy=Remedy(release=True))
    if departures.of_connection_test(workspace, rows):
        return
    # A worker whose clock is behind must not date departures before the window of the others.
    at = clock.after(state.released_at, departures.newest(db, app, kind))
    since = max(at - limit.window, state.released_at or 0)
    departures.add(db, app, kind, rows, at=at, window=limit.window)
    if state.allows(app, len(rows), since):
        db.execute(_use_spare, app=app.id, kind=kind, number=len(rows))
        return
    census = _census(db, app, kind, limit, since, rows)
    reason = limit.excess(census, of_members=kind == MEMBERS)
    if reason is not None:
        raise Tripped(app, kind, reason, at)
    spare = limit.spare(census)
    until = since + limit.window // _AHEAD if spare.ages else _ALWAYS
    values = {"spare": spare.number, "version": app.version, "from": since, "until": until}
    db.execute(_keep_spare, app=app.id, kind=kind, **values)


def _census(db: Database, app: App, kind: str, limit: Limits, since: int, leaving: Sequence[int]) -> Census:
    """Counts what the limits are compared with, while these rows are about to go; not more than matters."""
    until = since + limit.window // _AHEAD
    departed = departures.departed(db, app, kind, since, until)
    if kind == MEMBERS or limit.percent is None or not limit.exceeded_by(departed.before + departed.newcomers):
        return Census(departed)
    ahead = 2 * max(departed.before + departed.newcomers, limit.number or 0, _FEWEST_AHEAD)
    most = ahead * 100 // (limit.percent or 100) + 1
    before = departed.before + departures.still_active(db, app, since, leaving, most)
    now = departed.newcomers + before - departed.before
    if limit.exceeded_by(departed.newcomers):
        now = departures.active_with(db, app, since, departed.newcomers, leaving, most)
    return Census(departed, before, now)


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
def _use_spare(db: Database) -> Any:
    return BrakeRow.update(spare=BrakeRow.spare - Slot("number")).where(
        BrakeRow.app_id == Slot("app"), BrakeRow.kind == Slot("kind")
    )


@prepared
def _keep_spare(db: Database) -> Any:
    columns = (BrakeRow.app_id, BrakeRow.kind, *_SPARE)
    slots = [Slot(name) for name in ("app", "kind", "spare", "version", "from", "until")]
    row = BrakeRow.insert(dict(zip(columns, slots, strict=True)))
    return row.on_conflict(conflict_target=[BrakeRow.app_id, BrakeRow.kind], preserve=_SPARE)


def forget_count(db: Database, app: App) -> None:
    """Has the brakes count at the next departure, because users went who do not count; in the caller's transaction."""
    db.rows(_locked_app, app=app.id)
    db.execute(BrakeRow.update(spare=None).where(BrakeRow.app_id == app.id))


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
    at = clock.after(state.released_at)
    _write(db, app, tripped.kind, _State(at, tripped.reason, state.released_at))
    detail = f"{_NAMES[tripped.kind]}: {tripped.reason}"
    journal.record(workspace, [Entry(Action.BRAKE_TRIPPED, detail=detail)], at=at)


def _write(db: Database, app: App, kind: str, state: _State) -> None:
    values = {"tripped_at": state.tripped_at, "detail": state.reason, "released_at": state.released_at, "spare": None}
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
    states = {kind: _state(db, app, kind) for kind in KINDS}
    tripped = [kind for kind, state in states.items() if state.tripped_at is not None]
    at = clock.after(*(state.tripped_at for state in states.values()), *(s.released_at for s in states.values()))
    for kind in KINDS:
        _write(db, app, kind, _State(released_at=at))
    db.execute(DepartureRow.delete().where(DepartureRow.app_id == app.id))
    detail = " and ".join(_NAMES[kind] for kind in tripped) or "nothing was held; the count begins at zero"
    journal.record(Workspace.of(scope, app), [Entry(Action.RELEASED, detail=detail)], at=at)
    return tripped


def every(db: Database, app: App) -> list[Brake]:
    """The present state of the app's brakes."""
    active = departures.active(db, app)
    return [_brake(db, app, kind, active) for kind in KINDS]


def _brake(db: Database, app: App, kind: str, active: int) -> Brake:
    limit, state = limits(app.settings, kind), _state(db, app, kind)
    since = max(clock.now() - limit.window, state.released_at or 0)
    departed = departures.departed(db, app, kind, since, since)
    before = active - departures.became_active(db, app, since)
    now = 0
    if kind == USERS:
        before += departed.before
        now = active + departed.newcomers - departures.returned(db, app, since)
    held = (state.tripped_at, state.reason, state.released_at)
    return Brake(kind, limit, *held, departed.before, before, departed.newcomers, now)
