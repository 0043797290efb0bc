"""Targets as they are stored: the server, its options, and what is known about its last runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cached_property
from typing import Any

import orjson

from ...db import Database, Slot, prepared
from ...db.target_tables import TargetRow, TargetRunRow
from ...errors import OperatorError

#: Members in one request: AWS takes no more.
DEFAULT_MEMBERS, MOST_MEMBERS = 100, 10_000
_MINUTE = 60_000_000
#: How often a target is looked through without a change.
DEFAULT_EVERY, SHORTEST_EVERY, LONGEST_EVERY = 15 * _MINUTE, _MINUTE, 7 * 24 * 60 * _MINUTE


class TargetError(OperatorError):
    """A target cannot be made, used or reached; the text says why, and holds no secret."""


class Leavers(StrEnum):
    """What becomes of users at the target who are not in its filter any more."""

    DISABLE = "disable"
    DELETE = "delete"
    IGNORE = "ignore"


class LinkState(StrEnum):
    """How a user or group is at a target."""

    #: A request is under way, or the process ended before it knew how that went.
    SENDING = "sending"
    OK = "ok"
    #: As it should be, but for references to users who are not at the target yet.
    WAITS = "waits"
    #: Refused, and tried again later.
    FAILED = "failed"
    #: Refused so often that only a change, or an operator, has it tried again.
    PARKED = "parked"
    #: Disabled or left alone, because it is not in the filter any more.
    LEFT = "left"
    #: Disabled, because it was deleted here, and nothing is deleted there.
    KEPT = "kept"


class Outcome(StrEnum):
    """How a run ended."""

    OK = "ok"
    HELD = "held"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator chose for a target."""

    #: The most members in one request.
    members: int = DEFAULT_MEMBERS
    #: False sends whole resources by PUT.
    patch: bool = True
    #: False disables users in place of deleting them, and leaves groups.
    delete: bool = True
    groups: bool = True
    #: A SCIM filter: the users who are pushed; None for all.
    filter: str | None = None
    leavers: str = Leavers.DISABLE.value
    #: True adopts users by userName and groups by displayName where the target has them already.
    match: bool = False
    #: Removals above both numbers have a run held; None takes those of the app's brake.
    most_users: int | None = None
    most_percent: int | None = None
    most_memberships: int | None = None
    #: True for an app of the same installation.
    same_installation: bool = False

    @classmethod
    def from_json(cls, text: str) -> Options:
        """The options in a row; what an older version did not know has its default."""
        found = orjson.loads(text)
        return cls(**{part.name: found[part.name] for part in fields(cls) if part.name in found})

    def to_json(self) -> str:
        """The options as JSON, without those that have their defaults."""
        usual = Options()
        given = {name: value for name, value in asdict(self).items() if value != getattr(usual, name)}
        return orjson.dumps(given).decode()


@dataclass(frozen=True)
class Target:
    """A target's row; the fields are named like the columns, times are microseconds since 1970 UTC."""

    id: int
    app_id: int
    name: str
    url: str
    settings: str
    secret: str
    mark: str
    every: int
    enabled: int
    abilities: str | None
    left_out: str
    held: str | None
    holder: str | None
    leased_until: int
    not_before: int
    created_at: int
    last_run_at: int | None
    last_ok_at: int | None
    failing_since: int | None
    last_error: str | None

    @cached_property
    def options(self) -> Options:
        """What the operator chose."""
        return Options.from_json(self.settings)

    @property
    def attributes_left_out(self) -> list[str]:
        """The attributes that the target does not take."""
        return list(orjson.loads(self.left_out))

    @property
    def hold(self) -> dict[str, Any] | None:
        """Why a run waits for an operator's word: `reason` and `removals`; None when none does."""
        return dict(orjson.loads(self.held)) if self.held else None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it is stored."""

    id: int
    started_at: int
    ended_at: int | None
    outcome: str | None
    counts: str
    detail: str | None

    @property
    def numbers(self) -> dict[str, int]:
        """What was done how often."""
        return dict(orjson.loads(self.counts))


COLUMNS = tuple(getattr(TargetRow, part.name) for part in fields(Target))
_RUN_COLUMNS = tuple(getattr(TargetRunRow, part.name) for part in fields(RunRecord))


def living(db: Database) -> list[Target]:
    """The targets of all apps that were not removed."""
    return [Target(*row) for row in db.rows(_living)]


def of_app(db: Database, app_id: int) -> list[Target]:
    """An app's targets that were not removed, by name."""
    return [Target(*row) for row in db.rows(_of_app, app=app_id)]


def by_id(db: Database, id: int) -> Target | None:
    """A target that was not removed; None when there is none."""
    row = db.row(_by_id, id=id)
    return Target(*row) if row else None


def runs(db: Database, target: Target, most: int = 1) -> list[RunRecord]:
    """The newest runs of a target."""
    return [RunRecord(*row) for row in db.rows(_runs, target=target.id, most=most)]


def _targets() -> Any:
    return TargetRow.select(*COLUMNS).where(TargetRow.removed_at.is_null())


@prepared
def _living(db: Database) -> Any:
    return _targets().order_by(TargetRow.id)


@prepared
def _of_app(db: Database) -> Any:
    return _targets().where(TargetRow.app_id == Slot("app")).order_by(TargetRow.name)


@prepared
def _by_id(db: Database) -> Any:
    return _targets().where(TargetRow.id == Slot("id"))


@prepared
def _runs(db: Database) -> Any:
    query = TargetRunRow.select(*_RUN_COLUMNS).where(TargetRunRow.target_id == Slot("target"))
    return query.order_by(TargetRunRow.id.desc()).limit(Slot("most"))
