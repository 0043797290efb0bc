"""Requests that were turned away with 429 because others of the same app kept its share of the threads."""

from __future__ import annotations

from ..db import Database
from ..journal import tallies
from .refused_tokens import key_of

#: The only name of the kind.
THREADS = "threads"


def count(db: Database, slug: str) -> None:
    """Counts one request for the app in its URL, in memory; nothing when there is no such app."""
    app_id = key_of(db, slug)
    if app_id is not None:
        tallies.count(db, app_id, tallies.Kind.TURNED_AWAY, THREADS)


def last_week(db: Database, app_id: int) -> int:
    """Returns how many requests of an app were turned away in the last seven days."""
    return tallies.last_week(db, app_id, tallies.Kind.TURNED_AWAY).get(THREADS, 0)
