"""One transaction of a thread's connection to a SQLite file."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import peewee

from .. import deadline
from ..redaction import error_log
from .runner import raise_as_peewee


class Transaction:
    """The context of one transaction: it commits at the end, and rolls back after an error.

    Not Peewee's: that rolls back what SQLite has rolled back already, and the error of that hides SQLite's own. And a
    class, because every write enters one: a generator costs four calls more.
    """

    __slots__ = ("_acknowledge", "_close", "_connection", "_connections")

    def __init__(self, connections: Any, acknowledge: Callable[[], None], close: Callable[[], None]) -> None:
        """In: `connections`, Peewee's database; `acknowledge`, what follows the commit, which may raise; `close`, what
        closes a broken connection.
        """
        self._connections = connections
        self._acknowledge = acknowledge
        self._close = close
        self._connection: Any = None

    def __enter__(self) -> None:
        connections = self._connections
        self._connection = connections.connection()
        self._begin()
        # What Peewee's own begin and commit do, without a cursor and a dozen calls.
        connections._state.transactions.append(connections.mark)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connections._state.transactions.pop()
        if error is not None:
            self._roll_back()
            return
        try:
            self._execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._acknowledge()

    def _execute(self, sql: str) -> None:
        """Runs a statement; an error of the driver is raised as Peewee's."""
        try:
            self._connection.execute(sql)
        except Exception as error:
            raise_as_peewee(error)

    def _begin(self) -> None:
        """Begins; waits for other programs that write for the busy timeout, or until the deadline."""
        timeout = self._connections.busy_timeout
        seconds = deadline.at_most(timeout)
        if seconds == timeout:
            self._execute("BEGIN IMMEDIATE")
            return
        self._connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        try:
            self._execute("BEGIN IMMEDIATE")
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {int(timeout * 1000)}")

    def _roll_back(self) -> None:
        """Rolls back unless SQLite did so by itself, as it does without space or memory; another error is raised."""
        if self._connection.in_transaction:
            try:
                self._connections.rollback()
            except peewee.PeeweeException:
                error_log.debug("A rollback failed after another error, which is raised", exc_info=True)
                self._close()
