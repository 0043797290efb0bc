"""Tallies: how often something happened in an app, by day, counted without a statement in the request.

Each process counts in memory. A thread writes the counts to the database some seconds after the first of them, and the
process writes the rest when it ends (docs/adr/0008-tallies.md). A process that is killed loses the last seconds.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import Counter
from enum import StrEnum
from functools import partial
from typing import Any

from peewee import EXCLUDED, fn

from .. import clock, deadline
from ..clock import DAY
from ..db import Database, DatabaseError, Insert
from ..db.tables import AppRow, TallyRow
from ..errors import ScimError, Unavailable
from ..redaction import error_log

#: Seconds from the first count to the write of all counts.
WRITE_AFTER = 5.0
#: Seconds after which a write is given up, to be tried again later; a process that ends waits for it.
_LONGEST_WRITE = 10.0
#: Days for which counts are kept.
KEPT_DAYS = 35
#: Days, the present one included, that `last_week` sums up.
_WEEK = 7
#: Counters that a process keeps while the database cannot be written; what is new beyond that is not counted.
_MOST_COUNTERS = 10_000


class Kind(StrEnum):
    """What is counted. Clients cannot make names without an end: a kind has a closed list of them, or a limit."""

    #: A deviation from the RFCs that was understood; the names are `scim.leniency.Leniency`.
    LENIENCY = "leniency"
    #: A token that was refused; the names are the causes.
    REFUSED_TOKEN = "refused_token"
    #: A request that got no thread; the names are what the app had too much of.
    TURNED_AWAY = "turned_away"
    #: A token that was refused; the names are the clients' addresses, as many as `apps.refused_tokens` takes.
    REFUSED_ADDRESS = "refused_address"


#: The day, the app, the kind and the name.
_Counter = tuple[int, int, str, str]


class _Memory:
    """The counts of this process that are not in the database yet."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begins with no counts; a forked process does so, because its parent writes the counts from before."""
        self.lock = threading.Lock()
        self.counts: dict[Database, Counter[_Counter]] = {}
        #: The thread that will write the counts; None when there is none yet.
        self.writer: threading.Timer | None = None

    def take(self) -> dict[Database, Counter[_Counter]]:
        """Returns all counts, and begins with none."""
        with self.lock:
            if self.writer is not None:
                self.writer.cancel()
            counts, self.counts, self.writer = self.counts, {}, None
        return counts


_memory = _Memory()
os.register_at_fork(after_in_child=_memory.reset)


def count(db: Database, app_id: int, kind: Kind, name: str, times: int = 1) -> None:
    """Adds to a count of today, in memory; `write_all` puts it into the database within seconds.

    In: `name`, one of the kind's closed list or limited number, never a text that a client chose.
    """
    counter = (_today(), app_id, kind, name)
    with _memory.lock:
        counts = _memory.counts.setdefault(db, Counter())
        if counter in counts or len(counts) < _MOST_COUNTERS:
            counts[counter] += times
        if _memory.writer is None:
            _memory.writer = _started_writer()


def _started_writer() -> threading.Timer | None:
    """Starts the thread that writes the counts; returns None when this process cannot have another thread now."""
    writer = threading.Timer(WRITE_AFTER, write_all)
    writer.name, writer.daemon = "tallies", True
    try:
        writer.start()
    except RuntimeError:
        # The next count tries again, and the end of the process writes them too: no reason to fail a request.
        return None
    return writer


@atexit.register
def write_all() -> None:
    """Writes the counts of this process; keeps them for the next time while a database cannot be written."""
    for db, counts in _memory.take().items():
        try:
            # A file that is gone is not made anew.
            if db.exists():
                with deadline.within(_LONGEST_WRITE):
                    db.transact(partial(_add, db, counts))
        except Unavailable:
            _keep(db, counts)
        except (ScimError, DatabaseError):
            error_log.exception("Some counts of an app were lost")
        finally:
            db.close()


def _keep(db: Database, counts: Counter[_Counter]) -> None:
    """Puts counts back into the memory; the next count starts the thread that writes them."""
    with _memory.lock:
        kept = _memory.counts.setdefault(db, Counter())
        kept.update(counts)


def _add(db: Database, counts: Counter[_Counter]) -> None:
    # An app may have been deleted since, or be missing from a database that was restored.
    present = {row[0] for row in db.rows(AppRow.select(AppRow.id).where(AppRow.deleted_at.is_null()))}
    # In one order, so that two processes do not wait for each other.
    rows = [
        (day, app_id, str(kind), str(name), times)
        for (day, app_id, kind, name), times in sorted(counts.items())
        if app_id in present
    ]
    if rows:
        db.insert(_add_counts, rows)
    # Also where no housekeeping runs, such as in an embedding application.
    db.execute(_old_counts())


_add_counts = Insert(
    TallyRow,
    ("day", "app_id", "kind", "name", "times"),
    lambda query: query.on_conflict(
        conflict_target=[TallyRow.day, TallyRow.app_id, TallyRow.kind, TallyRow.name],
        update={TallyRow.times: TallyRow.times + EXCLUDED.times},
    ),
)


def _old_counts() -> Any:
    return TallyRow.delete().where(TallyRow.day <= _today() - KEPT_DAYS)


def _today() -> int:
    return clock.now() // DAY


# --- reading ------------------------------------------------------------------------------------------------------


def last_week(db: Database, app_id: int, kind: Kind) -> dict[str, int]:
    """Returns how often each thing of a kind happened in an app today and on the six days before, the most first.

    What other processes counted in the last seconds may be missing.
    """
    return _summed(db, app_id, kind, _WEEK)


def today(db: Database, app_id: int, kind: Kind) -> dict[str, int]:
    """Returns the same for today alone; days are UTC's."""
    return _summed(db, app_id, kind, 1)


def today_by_app(db: Database, kind: Kind) -> dict[int, int]:
    """Returns how often anything of a kind happened today, by the app's id."""
    query = TallyRow.select(TallyRow.app_id, fn.sum(TallyRow.times)).where(
        TallyRow.day == _today(), TallyRow.kind == kind.value
    )
    rows: list[Any] = db.rows(query.group_by(TallyRow.app_id))
    return {app_id: int(total) for app_id, total in rows}


def _summed(db: Database, app_id: int, kind: Kind, days: int) -> dict[str, int]:
    times = fn.sum(TallyRow.times)
    query = TallyRow.select(TallyRow.name, times).where(
        TallyRow.day > _today() - days, TallyRow.app_id == app_id, TallyRow.kind == kind.value
    )
    rows: list[Any] = db.rows(query.group_by(TallyRow.name).order_by(times.desc(), TallyRow.name))
    # PostgreSQL's sum of BIGINT is a NUMERIC.
    return {name: int(total) for name, total in rows}


def forget_old(db: Database) -> int:
    """Deletes the counts of days that are more than KEPT_DAYS ago; returns how many rows that were."""
    return db.transact(lambda: db.touch(_old_counts()))
