"""Counts the entries of many apps at a glance: by day, and those that were refused."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

from peewee import SQL, Select, fn

from .. import clock
from ..clock import DAY
from ..db import Database
from ..db.tables import JournalRow
from .entries import Outcome

#: Refused and failed entries that are counted at most in one question: 10 ms on SQLite.
MOST_REFUSALS = 10_000
_BAD = (Outcome.REFUSED, Outcome.FAILED)


def entries_by_day(db: Database, app_ids: Collection[int], days: int) -> dict[int, list[int]]:
    """Returns how many entries each app has on each of the last `days` days, today included, the oldest first."""
    first = clock.now() // DAY - days + 1
    day = JournalRow.at / DAY
    counts: dict[int, Counter[int]] = defaultdict(Counter)
    for app_id in app_ids:
        query = JournalRow.select(day, fn.count(JournalRow.id)).where(
            JournalRow.app_id == app_id, JournalRow.at >= first * DAY
        )
        counts[app_id] = _counts(db, query.group_by(day))
    return {app_id: [counts[app_id][number] for number in range(first, first + days)] for app_id in app_ids}


def refusals_by_app(db: Database, since: int) -> dict[int, int]:
    """Returns how many entries since a time were refused or failed, by the app's id.

    Of more than MOST_REFUSALS the newest are counted.
    """
    counts: Counter[int] = Counter()
    for outcome in _BAD:
        newest = (
            JournalRow.select(JournalRow.app_id)
            .where(_indexed(outcome), JournalRow.at >= since)
            .order_by(JournalRow.at.desc())
            .limit(MOST_REFUSALS)
        )
        rows: list[Any] = db.rows(
            Select([newest], [newest.c.app_id, fn.COUNT(SQL("1"))]).group_by(newest.c.app_id),
        )
        counts.update({app_id: count for app_id, count in rows if app_id is not None})
    return dict(counts)


def newest(db: Database, app_id: int, most: int) -> list[tuple[int, str, str, str | None]]:
    """Returns time, action, outcome and kind of actor of an app's newest entries, the newest first."""
    columns = (JournalRow.at, JournalRow.action, JournalRow.outcome, JournalRow.actor)
    query = JournalRow.select(*columns).where(JournalRow.app_id == app_id)
    return list(db.rows(query.order_by(JournalRow.at.desc(), JournalRow.id.desc()).limit(most)))


def _indexed(outcome: Outcome) -> Any:
    """The condition that the index over refused entries has; planners know it by its constant."""
    return (JournalRow.outcome != SQL("'ok'")) & (JournalRow.outcome == outcome.value)


def _counts(db: Database, query: Any) -> Counter[int]:
    return Counter({int(number): count for number, count in db.rows(query)})
