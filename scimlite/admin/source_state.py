"""How sources are doing: how many people come from each, its last run, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from .. import clock
from ..apps import App
from ..db import Database, Slot, prepared
from ..db.sync_tables import SourceLinkRow
from ..sync import history, sources
from ..sync.history import Outcome
from ..sync.reading import USER
from ..sync.sources import Source, State

#: A source is late when its last good run is older than so many intervals.
_LATE = 3
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Status:
    """A source, how many entries it is linked to, and its last run."""

    app: App
    source: Source
    users: int
    groups: int
    refused: int
    missing: int
    last: history.Run | None

    @property
    def late(self) -> bool:
        """True when the last good run is longer ago than three intervals."""
        if self.source.state != State.ACTIVE:
            return False
        every = self.source.ruling.seconds_between(self.users + self.groups) * _SECOND
        return clock.now() - (self.source.last_ok_at or self.source.created_at) > _LATE * every

    @property
    def state(self) -> str:
        """The state in a word: disabled, held, failing, late, running, new or ok."""
        if self.source.state == State.DISABLED:
            return "disabled"
        if self.source.held is not None:
            return "held"
        if self.last is not None and self.last.outcome == Outcome.FAILED:
            return "failing"
        if self.last is not None and self.last.outcome == Outcome.RUNNING:
            return "running"
        if self.late:
            return "late"
        return "new" if self.source.last_ok_at is None else "ok"

    @property
    def why(self) -> str | None:
        """Why it does not run, in words; None while it does."""
        if self.source.held is not None:
            return "; ".join(hold["reason"] for hold in (self.source.holding or {}).get("holds", []))
        return self.last.detail if self.last is not None and self.state == "failing" else None

    @property
    def well(self) -> bool:
        """True when nothing wants an operator."""
        return self.state in ("ok", "new", "running", "disabled")


def status(db: Database, app: App, source: Source) -> Status:
    """How a source is doing."""
    counts: dict[tuple[str, str], int] = {}
    for type, state, number in db.rows(_counts, app=app.id, source=source.id):
        counts[(type, state)] = int(number)
    last = next(iter(history.newest(db, app.id, source.id, 1)), None)

    def of(type: str | None, *states: str) -> int:
        return sum(n for (kind, state), n in counts.items() if (type is None or kind == type) and state in states)

    there = ("ok", "missing")
    return Status(app, source, of(USER, *there), of("Group", *there), of(None, "refused"), of(None, "missing"), last)


def every(db: Database, chosen: Sequence[App]) -> list[Status]:
    """How the sources of apps are doing, by app and name."""
    return [status(db, app, source) for app in chosen for source in sources.of_app(db, app.id)]


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """An entry of a source that is not taken."""

    type: str
    key: str
    reason: str


def refused(db: Database, app: App, source: Source, limit: int = 100) -> list[RefusedEntry]:
    """The entries of a source that are refused, with the reason."""
    return [RefusedEntry(*row) for row in db.rows(_refused, app=app.id, source=source.id, limit=limit)]


def _links() -> Any:
    return (SourceLinkRow.app_id == Slot("app")) & (SourceLinkRow.source_id == Slot("source"))


@prepared
def _counts(db: Database) -> Any:
    link = SourceLinkRow
    query = link.select(link.type, link.state, fn.count(link.key)).where(_links())
    return query.group_by(link.type, link.state)


@prepared
def _refused(db: Database) -> Any:
    link = SourceLinkRow
    query = link.select(link.type, link.key, link.reason).where(_links(), link.state == "refused")
    return query.order_by(link.type, link.key).limit(Slot("limit"))
