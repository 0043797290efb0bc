"""The runs of a source, as they are kept."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import orjson

from .. import clock
from ..db import Database, Slot, prepared
from ..db.sync_tables import SourceRunRow

#: Runs that are kept of each source.
_MOST_KEPT = 1000


class Outcome(StrEnum):
    """How a run ended."""

    RUNNING = "running"
    OK = "ok"
    HELD = "held"
    FAILED = "failed"
    #: Its process ended in the middle; the next run did the rest.
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Run:
    """A run's row; the fields are named like the columns, times are microseconds since 1970 UTC."""

    id: int
    request_id: str
    kind: str
    started_at: int
    beat_at: int
    ended_at: int | None
    outcome: str
    counts: str
    detail: str | None

    @property
    def numbers(self) -> dict[str, int]:
        """How many entries were read, created, changed and so on."""
        numbers: dict[str, int] = orjson.loads(self.counts)
        return numbers


_COLUMNS = tuple(getattr(SourceRunRow, part.name) for part in fields(Run))


def newest(db: Database, app_id: int, source_id: int, limit: int) -> list[Run]:
    """The last runs of a source, the newest first."""
    return [Run(*row) for row in db.rows(_newest, app=app_id, source=source_id, limit=limit)]


def begin(db: Database, app_id: int, source_id: int, request_id: str, kind: str) -> int:
    """Notes that a run begins, in the caller's transaction; returns its id. One that was going on is interrupted."""
    row, now = SourceRunRow, clock.now()
    running = (row.app_id == app_id) & (row.source_id == source_id) & (row.outcome == Outcome.RUNNING.value)
    db.execute(row.update(outcome=Outcome.INTERRUPTED.value, ended_at=row.beat_at).where(running))
    values = {"app_id": app_id, "source_id": source_id, "request_id": request_id, "kind": kind, "started_at": now}
    made = row.insert(**values, beat_at=now, outcome=Outcome.RUNNING.value, counts="{}")
    id = int(db.scalar(made.returning(row.id)))
    kept = row.select(row.id).where(row.app_id == app_id, row.source_id == source_id)
    kept = kept.order_by(row.id.desc()).limit(_MOST_KEPT)
    old = (row.app_id == app_id) & (row.source_id == source_id) & row.id.not_in(kept)
    db.execute(row.delete().where(old))
    return id


def beat(db: Database, id: int, kind: str, numbers: dict[str, int]) -> None:
    """Notes how far a run is, in the caller's transaction."""
    values = {"beat_at": clock.now(), "kind": kind, "counts": orjson.dumps(numbers).decode()}
    db.execute(SourceRunRow.update(**values).where(SourceRunRow.id == id))


def end(db: Database, id: int, outcome: Outcome, numbers: dict[str, int], detail: str | None) -> None:
    """Notes how a run ended, in the caller's transaction."""
    now = clock.now()
    values = {"ended_at": now, "beat_at": now, "outcome": outcome.value, "detail": detail}
    query = SourceRunRow.update(**values, counts=orjson.dumps(numbers).decode())
    db.execute(query.where(SourceRunRow.id == id))


@prepared
def _newest(db: Database) -> Any:
    row = SourceRunRow
    query = row.select(*_COLUMNS).where(row.app_id == Slot("app"), row.source_id == Slot("source"))
    return query.order_by(row.id.desc()).limit(Slot("limit"))
