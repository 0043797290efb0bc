"""Counts the entries of many apps at a glance: by day, and those that were refused."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from peewee import SQL, Select, fn

from .. import clock
from ..clock import DAY
from ..db import Database
from ..db.tables import JournalRow
from .entries import Outcome

#: Refused and failed entries that are counted at most in one question: 10 ms on SQLite.
MOST_REFUSALS = 10_000
#: Entries of an app on one day that are counted at most: 2 ms on SQLite, 5 on PostgreSQL.
MOST_A_DAY = 20_000
#: Seconds after which a list begins no further count of a day.
_BUDGET = 0.015
#: Seconds for which a count is good: of today, and of a day that is over, from which entries may be pruned.
_TODAY_GOOD_FOR, _PAST_GOOD_FOR = 10.0, 3600.0
#: Counts that a process keeps: 14 days of 1,000 apps.
_MOST_KEPT = 14_000
_BAD = (Outcome.REFUSED, Outcome.FAILED)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A count of a day, and until when it is good, by `time.monotonic`."""

    count: int
    until: float


#: What this process has counted, by database, app and day.
_kept: dict[tuple[Database, int, int], _Kept] = {}


def entries_by_day(db: Database, app_ids: Collection[int], days: int) -> dict[int, list[int | None]]:
    """Returns how many entries each app has on each of the last `days` days, today included, the oldest first.

    Of a day up to MOST_A_DAY are counted. Counts are kept for a while, and new ones are made for as long as a page has
    time: None stands for a day that was not counted yet.
    """
    today, end = clock.now() // DAY, time.monotonic() + _BUDGET
    numbers = range(today - days + 1, today + 1)
    # The newest days of all apps first.
    counts = {(app_id, day): _count(db, app_id, day, today, end) for day in reversed(numbers) for app_id in app_ids}
    return {app_id: [counts[app_id, day] for day in numbers] for app_id in app_ids}


def _count(db: Database, app_id: int, day: int, today: int, end: float) -> int | None:
    """Returns the entries of an app on a day; after `end` no more than what is kept, however old it is."""
    kept, now = _kept.get((db, app_id, day)), time.monotonic()
    if kept is not None and (now < kept.until or now > end):
        return kept.count
    if now > end:
        return None
    entries = JournalRow.select(SQL("1")).where(
        JournalRow.app_id == app_id, JournalRow.at >= day * DAY, JournalRow.at < (day + 1) * DAY
    )
    counted = entries.limit(MOST_A_DAY).alias("counted")
    count = int(db.scalar(counted.select_from(fn.COUNT(SQL("1")))))
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    _kept[db, app_id, day] = _Kept(count, now + (_TODAY_GOOD_FOR if day == today else _PAST_GOOD_FOR))
    return count


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
    return list(db.rows(newest_first(JournalRow.select(*columns), app_id).limit(most)))


def newest_first(query: Any, app_id: int) -> Any:
    """Returns a query over the journal for one app, newest entry first, as the index that begins with the app has it.

    PostgreSQL takes the entries of all apps for evenly spread. With `app_id =` it looks for those of a quiet app by the
    index of times, through the newest of all others: 8 ms behind 20,000 of a busy one, and more behind more.
    """
    of_app = query.where(JournalRow.app_id.between(app_id, app_id))
    return of_app.order_by(JournalRow.app_id.desc(), JournalRow.at.desc(), JournalRow.id.desc())


def _indexed(outcome: Outcome) -> Any:
    """The condition that the index over refused entries has; planners know it by its constant."""
    return (JournalRow.outcome != SQL("'ok'")) & (JournalRow.outcome == outcome.value)
