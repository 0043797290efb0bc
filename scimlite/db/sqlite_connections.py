"""The connections of a process to a SQLite file, one for each thread, and how its last write failed."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import peewee

from .. import deadline
from .sqlite_errors import is_full
from .sqlite_file import Beside, DatabaseFile
from .troubles import Trouble

#: Seconds between two checks that a thread's connection reads the file that is there.
CHECKED_EVERY = 1.0
#: Seconds for which the health is bad after a failed write; clients that write end it earlier when they succeed.
_REMEMBERED = 10.0
#: Bytes of a disk that was full and is not any more; the WAL has some 4 MB at most.
_ENOUGH = 1024 * 1024

#: Steps of SQLite's machine between two looks at the clock, about a millisecond.
_STEPS = 100_000


class Failure:
    """A write that failed for a reason that readers do not notice; the check of the health remembers it."""

    def __init__(self, trouble: Trouble, reason: str) -> None:
        self.trouble = trouble
        self.reason = reason
        self._until = time.monotonic() + _REMEMBERED

    def is_fresh(self, file: Path) -> bool:
        """True when another write would fail as well, as far as one can tell without a write of the same size."""
        if self.trouble is Trouble.FULL and not is_full(file, _ENOUGH):
            return False
        return time.monotonic() < self._until


class Link(threading.local):
    """The state of one thread's connection."""

    #: True while the connection overwrites what it deletes.
    erasing = False
    #: The WAL that the connection writes to, and its index.
    beside: Beside | None = None
    #: When the connection's file is checked again, by `time.monotonic`.
    check_at = 0.0


class Connections(peewee.SqliteDatabase):
    """Peewee's database, which makes no file and opens no other file than the one that was opened first."""

    def __init__(self, file: DatabaseFile, link: Link, busy_timeout: float) -> None:
        pragmas = {"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1, "cache_size": -16000}
        # mode=rw: a file that is not there is an error and no empty database.
        uri = f"{file.path.as_uri()}?mode=rw"
        super().__init__(uri, uri=True, pragmas=pragmas, timeout=busy_timeout, lock_type="IMMEDIATE")
        self.busy_timeout = busy_timeout
        #: Stands among Peewee's transactions for one that runs.
        self.mark: Any = self.transaction()
        self._file = file
        self._link = link

    def _connect(self) -> Any:
        self._file.check_before_opening()
        connection = super()._connect()  # type: ignore[misc]  # not in its type information
        try:
            # Reading opens the WAL and keeps it; a pragma that turns a new file's WAL on does not.
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            self._link.beside = self._file.opened()
            connection.set_progress_handler(_is_overdue, _STEPS)
        except BaseException:
            connection.close()
            raise
        self._link.check_at = time.monotonic() + CHECKED_EVERY
        return connection


def _is_overdue() -> bool:
    """True ends the statement: the deadline of the request for which it runs has passed."""
    return deadline.remaining() <= 0
