"""Who holds a target: one process at a time pushes to it, by a lease in its row.

What the holder writes goes into a transaction that begins with `keep`, so that one that was stopped past the end of its
lease changes nothing.
"""

from __future__ import annotations

from typing import Any

from ... import clock
from ...db import Database, Slot, prepared
from ...db.target_tables import TargetRow

_SECOND = 1_000_000


class LeaseLostError(Exception):
    """Another process holds the target, or an operator changed it: nothing was written."""


def take(db: Database, target_id: int, holder: str, seconds: float) -> bool:
    """Makes a process the holder of a target that nobody holds; returns whether it is."""
    now = clock.now()
    return bool(db.touch(_take, id=target_id, holder=holder, now=now, until=now + int(seconds * _SECOND)))


def keep(db: Database, target_id: int, holder: str, seconds: float) -> None:
    """Holds a target longer, inside the caller's transaction. Raises LeaseLostError."""
    if not db.touch(_keep, id=target_id, holder=holder, until=clock.now() + int(seconds * _SECOND)):
        raise LeaseLostError


def release(db: Database, target_id: int, holder: str) -> None:
    """Ends a lease, so that another process need not wait for its end."""
    db.execute(_release, id=target_id, holder=holder)


def _held() -> Any:
    return (TargetRow.id == Slot("id")) & (TargetRow.holder == Slot("holder")) & TargetRow.removed_at.is_null()


@prepared
def _take(db: Database) -> Any:
    free = TargetRow.holder.is_null() | (TargetRow.leased_until < Slot("now"))
    query = TargetRow.update(holder=Slot("holder"), leased_until=Slot("until"))
    return query.where(TargetRow.id == Slot("id"), free, TargetRow.removed_at.is_null())


@prepared
def _keep(db: Database) -> Any:
    return TargetRow.update(leased_until=Slot("until")).where(_held())


@prepared
def _release(db: Database) -> Any:
    return TargetRow.update(holder=None, leased_until=0).where(_held())
