"""Counts the entries of a selection by time and outcome, for a chart: of the newest ones, as far as that is quick."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from peewee import SQL, fn

from ..clock import DAY
from ..db import Database
from ..db.tables import JournalRow
from . import paging
from .entries import Outcome
from .selection import Selection, leading, parts

_OK, *_BAD = map(str, Outcome)
_HOUR = DAY // 24
#: Most and fewest bars of a chart, and how long one may be: the shortest of these that needs no more bars.
_MOST_BARS, _FEWEST_BARS = 62, 12
_STEPS = (_HOUR, DAY, 7 * DAY, 28 * DAY, 364 * DAY, 3640 * DAY)
#: Entries that are counted: in an index alone, and by reading them, which is ten times as dear.
_MOST_IN_INDEX, _MOST_READ = 20_000, 5_000

#: (number of the bar, outcome) to the number of entries.
_Counts = Counter[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Entries by time and outcome; times are microseconds since 1970 UTC."""

    #: The length of a bar.
    step: int
    #: When each bar begins, oldest first, without a gap.
    begins: list[int]
    #: The counts of each outcome, one for each bar.
    counts: dict[str, list[int]]
    #: Entries before this time are not counted, because there are too many; None when all are.
    since: int | None


def count_by_time(db: Database, selection: Selection) -> Histogram | None:
    """Counts a selection; None when there is nothing to count. Bars begin at full hours or days of UTC."""
    reads = _reads(selection)
    end = paging.last_looked_at(db, selection, _MOST_READ if reads else _MOST_IN_INDEX)
    counted = selection if end is None else replace(selection, since=max(end.at + 1, selection.since or 0))
    first, last = _edge(db, counted, newest=False), _edge(db, counted, newest=True)
    if first is None or last is None:
        return None
    begin = max(first, counted.since or first)
    step = next(each for each in _STEPS if (last // each - begin // each) < _MOST_BARS)
    # Few bars are drawn too wide to be read: bars without entries, from before, fill the chart.
    numbers = range(min(begin // step, last // step - _FEWEST_BARS + 1), last // step + 1)
    begins = [number * step for number in numbers]
    found = _grouped(db, counted, step) if reads else _counted(db, counted, begins, step)
    counts = {
        outcome: [found[begin // step, outcome] if selection.outcome in (None, outcome) else 0 for begin in begins]
        for outcome in (_OK, *_BAD)
    }
    return Histogram(step, begins, counts, counted.since if end is not None else None)


def _reads(selection: Selection) -> bool:
    """True when indexes alone do not tell the outcome of an entry."""
    return any(part is not None for part in (selection.user, selection.actor, selection.address, selection.client))


def _edge(db: Database, selection: Selection, *, newest: bool) -> int | None:
    """The time of the newest or the oldest entry that an index leads to."""
    order = JournalRow.at.desc() if newest else JournalRow.at
    times = [
        row[0]
        for part in parts(db, leading(selection), JournalRow.select(JournalRow.at))
        for row in db.rows(part.order_by(order).limit(1))
    ]
    return (max(times) if newest else min(times)) if times else None


def _counted(db: Database, selection: Selection, begins: list[int], step: int) -> _Counts:
    """The counts from indexes alone."""
    counts: _Counts = Counter()
    for outcome in _BAD:
        counts += _grouped(db, replace(selection, outcome=outcome), step)
    if selection.outcome in (None, _OK):
        # No index has the outcome `ok`: it is what the others leave. Bar by bar, because a database sorts to group.
        for begin in begins:
            since = max(begin, selection.since or begin)
            until = min(begin + step, selection.until or begin + step)
            every = _count(db, replace(selection, outcome=None, since=since, until=until))
            number = begin // step
            counts[number, _OK] = max(0, every - sum(counts[number, outcome] for outcome in _BAD))
    return counts


def _count(db: Database, selection: Selection) -> int:
    query = JournalRow.select(fn.count(JournalRow.id))
    return sum(int(db.scalar(part)) for part in parts(db, selection, query))


def _grouped(db: Database, selection: Selection, step: int) -> _Counts:
    """The counts of the entries, in one query."""
    # A number in the text: PostgreSQL does not see that two parameters are the same.
    bar = JournalRow.at / SQL(str(step))
    query: Any = JournalRow.select(bar, JournalRow.outcome, fn.count(JournalRow.id))
    counts: _Counts = Counter()
    for part in parts(db, selection, query):
        for number, outcome, count in db.rows(part.group_by(bar, JournalRow.outcome)):
            counts[number, outcome] += int(count)
    return counts
