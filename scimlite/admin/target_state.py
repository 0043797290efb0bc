"""How targets do: their last run, what is there, what was refused, and whether an operator is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import JOIN, SQL, fn

from .. import clock
from ..apps import App
from ..db import Database, Slot, prepared
from ..db.tables import ResourceRow
from ..db.target_tables import TargetLinkRow, TargetRow
from ..sync.targets import stored
from ..sync.targets.stored import LinkState, RunRecord, Target

#: A target is late when its last good run is so many intervals ago.
_LATE = 3


@dataclass(frozen=True, slots=True)
class Refused:
    """A user or group that the target refuses."""

    type: str
    id: str
    #: None when it is not stored any more.
    name: str | None
    state: str
    tries: int
    retry_at: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """A target as the operator sees it."""

    app: App
    target: Target
    run: RunRecord | None
    #: How many users and groups are there, and how many the target refuses.
    users: int
    groups: int
    refused: int
    parked: int

    @property
    def state(self) -> str:
        """`disabled`, `held`, `failing`, `late`, `new`, `running` or `ok`."""
        target, now = self.target, clock.now()
        if not target.enabled:
            return "disabled"
        if target.hold is not None:
            return "held"
        if target.failing_since is not None:
            return "failing"
        if now - (target.last_ok_at or target.created_at) > _LATE * target.every:
            return "late"
        if target.holder is not None and target.leased_until > now:
            return "running"
        return "new" if target.last_ok_at is None else "ok"

    @property
    def needs_you(self) -> bool:
        """True when it is held, fails, or has had no good run for too long."""
        return self.state in ("held", "failing", "late")

    @property
    def remedy(self) -> str | None:
        """The command that helps; None when nothing needs help."""
        words = f"{self.target.name} --app {self.app.slug}"
        if self.state == "held" and self.target.hold is not None:
            removals = self.target.hold["removals"]
            return f"scimlite target sync {words} --accept-removals {removals}"
        if self.state == "failing":
            return f"scimlite target test {words}"
        return f"scimlite target sync {words}, and see that scimlite work runs" if self.state == "late" else None


def every(db: Database, among: Sequence[App]) -> list[Status]:
    """The targets of apps, by app and name."""
    return [of(db, app, target) for app in among for target in stored.of_app(db, app.id)]


def of(db: Database, app: App, target: Target) -> Status:
    """How a target does."""
    there: Counter[str] = Counter()
    states: Counter[str] = Counter()
    for type, state, is_there, number in db.rows(_counted, app=app.id, target=target.id):
        there[type] += number if is_there else 0
        states[state] += number
    run = next(iter(stored.runs(db, target)), None)
    return Status(app, target, run, there["User"], there["Group"], states[LinkState.FAILED], states[LinkState.PARKED])


def refused(db: Database, target: Target, most: int) -> list[Refused]:
    """The users and groups that a target refuses, those first that are given up."""
    rows = db.rows(_refused, app=target.app_id, target=target.id, most=most)
    return [Refused(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a user or group is at a target."""

    target: str
    state: str
    remote_id: str | None
    reason: str | None
    changed_at: int


def places(db: Database, app: App, id: str) -> list[Place]:
    """The targets that a user or group was pushed to."""
    return [Place(*row) for row in db.rows(_places, app=app.id, uuid=id)]


def _of_target() -> Any:
    return (TargetLinkRow.app_id == Slot("app")) & (TargetLinkRow.target_id == Slot("target"))


@prepared
def _counted(db: Database) -> Any:
    there = TargetLinkRow.remote_id.is_null(False)
    query = TargetLinkRow.select(TargetLinkRow.type, TargetLinkRow.state, there, fn.count(SQL("*")))
    return query.where(_of_target()).group_by(TargetLinkRow.type, TargetLinkRow.state, there)


@prepared
def _refused(db: Database) -> Any:
    link, row = TargetLinkRow, ResourceRow
    columns = (link.type, link.uuid, row.name, link.state, link.tries, link.retry_at, link.reason)
    same = (row.id == link.resource_id) & (row.uuid == link.uuid)
    query = link.select(*columns).join(row, JOIN.LEFT_OUTER, on=same)
    query = query.where(_of_target(), link.state.in_((LinkState.PARKED.value, LinkState.FAILED.value)))
    return query.order_by(link.state.desc(), link.resource_id).limit(Slot("most"))


@prepared
def _places(db: Database) -> Any:
    link = TargetLinkRow
    query = link.select(TargetRow.name, link.state, link.remote_id, link.reason, link.changed_at)
    query = query.join(TargetRow, on=(TargetRow.id == link.target_id))
    return query.where(link.app_id == Slot("app"), link.uuid == Slot("uuid")).order_by(TargetRow.name)
