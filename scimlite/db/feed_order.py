"""The order of the feed: places that only grow, so that who reads on from one misses nothing.

The entries of the journal have ids in the order in which they were asked for. On SQLite that is the order of the
commits. On PostgreSQL a transaction may take an id before another one and end after it, so that a reader who has
passed the later id never sees the earlier. There an entry's place is the number of its transaction, and then its id;
and a reader looks at what is below the oldest transaction that still runs, where nothing can appear any more
(docs/adr/0012-the-order-of-the-feed.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import peewee
from peewee import SQL, fn

from .. import clock
from .database import Database
from .feed_tables import FeedRow
from .statements import Slot, prepared
from .tables import AppRow, JournalRow

#: Entries, also of other apps, that SQLite looks at for one stretch: some 5 ms.
_WINDOW = 5_000
#: The oldest transaction that still runs: a number, where a cast of the whole would order as text.
_OLDEST_RUNNING = SQL("(pg_snapshot_xmin(pg_current_snapshot())::TEXT::BIGINT)")
_DONE = JournalRow.outcome == SQL("'ok'")
#: The next transaction, of which no entry can be yet.
_NEXT = SQL("(pg_snapshot_xmax(pg_current_snapshot())::TEXT::BIGINT)")


class Place(NamedTuple):
    """A place in the feed: entries behind it are greater."""

    tx: int
    id: int


#: Before the first entry.
BEGINNING = Place(0, 0)


class FeedEntry(NamedTuple):
    """A done entry of the journal, as far as events need it; `at` is microseconds since 1970 UTC."""

    tx: int
    id: int
    at: int
    action: str
    user_uuid: str | None
    group_uuid: str | None
    #: JSON: attribute path to [from, to].
    changes: str | None
    request_id: str | None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.tx, self.id)


class Stretch(NamedTuple):
    """A part of the feed: an app's entries in order, up to where it was looked, and whether more may lie behind."""

    entries: list[FeedEntry]
    end: Place
    more: bool


def end(db: Database) -> Place:
    """Returns the place behind which everything lies that is written from now on, or is being written."""
    if db.kind == "postgresql":
        return Place(int(db.scalar(_horizon)), 0)
    return Place(0, int(db.scalar(_newest) or 0))


def stretch(db: Database, app_id: int, after: Place, limit: int) -> Stretch:
    """Returns up to `limit` entries of an app behind a place.

    A stretch without entries may end further on than it began: there other apps wrote.
    """
    # Before the entries: what ends in between is left to the next stretch.
    newest = end(db)
    if db.kind == "postgresql":
        last = newest
        rows = db.rows(_by_transaction, app=app_id, tx=after.tx, id=after.id, horizon=newest.tx, limit=limit)
    else:
        last = Place(0, min(newest.id, after.id + _WINDOW))
        rows = db.rows(_by_id, app=app_id, id=after.id, last=last.id, limit=limit)
    entries = [FeedEntry._make(row) for row in rows]
    if len(entries) == limit:
        return Stretch(entries, entries[-1].place, True)
    # A place never goes back, also where an old transaction holds the end.
    return Stretch(entries, max(last, after), last < newest)


def entries_of(db: Database, app_id: int, ids: list[int]) -> list[FeedEntry]:
    """Returns entries of an app by their ids, in the order of the feed; without those that are not there any more."""
    return sorted((FeedEntry._make(row) for row in db.rows(_by_ids, app=app_id, ids=ids)), key=lambda each: each.place)


def numbers_begin_anew(db: Database) -> bool:
    """True when entries have greater numbers of transactions than the server has given: they are of another server."""
    return db.kind == "postgresql" and bool(db.scalar(_is_ahead))


def begin_epoch(db: Database) -> int:
    """Begins a new epoch of places, inside the caller's transaction; returns its number.

    It is the time in seconds, so that no epoch comes twice, whatever backup it begins from.
    """
    if numbers_begin_anew(db):
        # What is there keeps the order of its ids, before whatever comes.
        db.execute(JournalRow.update(tx=0).where(JournalRow.tx > SQL("0")))
    epoch = max(int(db.scalar(FeedRow.select(FeedRow.epoch))) + 1, clock.now() // 1_000_000)
    db.execute(FeedRow.update(epoch=epoch, origin=server(db), pruned_tx=0, pruned_id=0))
    return epoch


def server(db: Database) -> str | None:
    """Returns what gives the numbers of transactions, PostgreSQL's identifier and timeline; None on SQLite.

    Each promotion of a standby begins a timeline, and may give numbers again that the lost primary had given.
    """
    return str(db.scalar(_server)) if db.kind == "postgresql" else None


@prepared
def _horizon(db: Database) -> Any:
    return peewee.Select(columns=[_OLDEST_RUNNING])


@prepared
def _newest(db: Database) -> Any:
    return JournalRow.select(fn.max(JournalRow.id))


@prepared
def _is_ahead(db: Database) -> Any:
    # By app, as the index is.
    ahead = JournalRow.select(JournalRow.id).where(JournalRow.app_id == AppRow.id, _DONE, JournalRow.tx > _NEXT)
    return peewee.Select(columns=[fn.EXISTS(AppRow.select(AppRow.id).where(fn.EXISTS(ahead)))])


@prepared
def _server(db: Database) -> Any:
    return SQL(
        "SELECT (SELECT system_identifier FROM pg_control_system()) || '.' "
        "|| (SELECT timeline_id FROM pg_control_checkpoint())"
    )


def _entries() -> Any:
    columns = [getattr(JournalRow, name) for name in FeedEntry._fields]
    return JournalRow.select(*columns)


@prepared
def _by_transaction(db: Database) -> Any:
    place = peewee.EnclosedNodeList((JournalRow.tx, JournalRow.id))
    behind = peewee.Expression(place, ">", peewee.EnclosedNodeList((Slot("tx"), Slot("id"))))
    query = _entries().where(JournalRow.app_id == Slot("app"), _DONE, behind, JournalRow.tx < Slot("horizon"))
    return query.order_by(JournalRow.tx, JournalRow.id).limit(Slot("limit"))


@prepared
def _by_id(db: Database) -> Any:
    # By the key, whatever index there is: it has the order, and the window bounds what other apps wrote.
    query = _entries().where(JournalRow.id > Slot("id"), JournalRow.id <= Slot("last"))
    query = query.where(db.unindexed(JournalRow.app_id) == Slot("app"), db.unindexed(JournalRow.outcome) == SQL("'ok'"))
    return query.order_by(JournalRow.id).limit(Slot("limit"))


@prepared
def _by_ids(db: Database) -> Any:
    return _entries().where(JournalRow.app_id == Slot("app"), db.one_of(JournalRow.id, "ids"))
