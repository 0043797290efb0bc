"""Pages of the report, newest entry first: so many entries before or after a place, whatever the selection leaves out.

An index leads to the entries of one criterion. What further criteria leave out has to be looked at, so a page looks at
so many entries at most, and says where it ended when it did not fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..db import Database
from ..db.tables import JournalRow
from . import report
from .report import Record
from .selection import Selection, leading, parts

#: Entries of an index that are looked at for a page: some 10 ms.
MOST_LOOKED_AT = 5_000
#: Criteria that an index leads by; entries with any other have to be looked at one by one.
_LED = ("user", "app_id", "app_ids", "action")


class Place(NamedTuple):
    """A place in the order of the report: the time and the id of an entry."""

    at: int
    id: int

    def __str__(self) -> str:
        return f"{self.at}.{self.id}"

    @classmethod
    def of(cls, text: str) -> Place | None:
        """The place in a text that `str` made; None for any other text."""
        at, _, id = text.partition(".")
        # Larger numbers are none of a database.
        if not (at.isascii() and at.isdigit() and id.isascii() and id.isdigit() and len(at) <= 18 and len(id) <= 18):
            return None
        return cls(int(at), int(id))


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a selection, newest first."""

    records: list[Record]
    #: Before this place there are, or may be, older ones; None when there is none.
    older: Place | None
    #: After this place there are, or may be, newer ones; None on the page of the newest.
    newer: Place | None
    #: Back to this time entries were looked at, when that ended before the page was full; None otherwise.
    looked_until: int | None = None


def page(
    db: Database, selection: Selection, size: int, *, before: Place | None = None, after: Place | None = None
) -> Page:
    """Returns the newest `size` entries of a selection, those before a place, or those that follow after one."""
    if after is not None:
        return _following(db, selection, size, after)
    end = last_looked_at(db, selection, MOST_LOOKED_AT, before=before) if _looks(selection) else None
    rows = _rows(db, selection, size, newest=True, beyond=before, until=end)
    shown = rows[:size]
    newer = before and (_place(shown[0]) if shown else before)
    if len(rows) > size:
        return Page(shown, _place(shown[-1]), newer)
    return Page(shown, end, newer, end.at if end else None)


def _following(db: Database, selection: Selection, size: int, after: Place) -> Page:
    """The entries right after a place; the newest page when they do not fill one."""
    end = last_looked_at(db, selection, MOST_LOOKED_AT, after=after) if _looks(selection) else None
    rows = _rows(db, selection, size, newest=False, beyond=after, until=end)
    if len(rows) <= size and end is None:
        return page(db, selection, size)
    shown = rows[:size][::-1]
    newer = _place(shown[0]) if len(rows) > size else end
    return Page(shown, _place(shown[-1]) if shown else after, newer)


def last_looked_at(
    db: Database, selection: Selection, most: int, *, before: Place | None = None, after: Place | None = None
) -> Place | None:
    """Returns where one has to end who looks at so many entries, from a place or from the newest on.

    Between there and the beginning are `most` entries of the index that leads to the selection, for each part of it.
    None when there are not so many left.
    """
    newest = after is None
    ends = []
    for part in parts(db, leading(selection), JournalRow.select(JournalRow.at, JournalRow.id)):
        beyond = _beyond(before if newest else after, newest)
        query = _ordered(part.where(*beyond) if beyond else part, newest).limit(1).offset(most)
        ends += [Place(*row) for row in db.rows(query)]
    return (max(ends) if newest else min(ends)) if ends else None


def _looks(selection: Selection) -> bool:
    """True when entries have to be looked at that are not of the selection."""
    criteria = [
        name
        for name in ("user", "app_id", "app_ids", "action", "outcome", "actor", "address", "client")
        if getattr(selection, name) is not None
    ]
    led = _LED if selection.outcome == "ok" else (*_LED, "outcome")
    return len(criteria) > 1 or any(name not in led for name in criteria)


def _rows(
    db: Database, selection: Selection, size: int, *, newest: bool, beyond: Place | None, until: Place | None
) -> list[Record]:
    """One entry more than `size`, in the order in which they were looked for."""
    conditions = [*_beyond(beyond, newest), *_up_to(until, newest)]
    found: list[Any] = []
    for part in parts(db, selection, report.joined()):
        query = part.where(*conditions) if conditions else part
        found += db.rows(_ordered(query, newest).limit(size + 1))
    found.sort(key=report.moment, reverse=newest)
    return [Record.of(row) for row in found[: size + 1]]


def _ordered(query: Any, newest: bool) -> Any:
    if newest:
        return query.order_by(JournalRow.at.desc(), JournalRow.id.desc())
    return query.order_by(JournalRow.at, JournalRow.id)


def _beyond(place: Place | None, newest: bool) -> list[Any]:
    """The condition on entries further on than a place. The first half follows from the rest; an index begins at it."""
    if place is None:
        return []
    at, id = JournalRow.at, JournalRow.id
    if newest:
        return [(at <= place.at) & ((at < place.at) | (id < place.id))]
    return [(at >= place.at) & ((at > place.at) | (id > place.id))]


def _up_to(place: Place | None, newest: bool) -> list[Any]:
    """The condition on entries no further on than a place, which is looked at itself."""
    if place is None:
        return []
    at, id = JournalRow.at, JournalRow.id
    if newest:
        return [(at >= place.at) & ((at > place.at) | (id >= place.id))]
    return [(at <= place.at) & ((at < place.at) | (id <= place.id))]


def _place(record: Record) -> Place:
    return Place(record.at, record.id)
