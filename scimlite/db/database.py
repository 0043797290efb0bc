"""One database, whichever it is: running statements, transactions, and what its kinds do each in their way."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeVar

import peewee

from ..errors import Unavailable
from .statements import Insert, Place, Statement

#: Turns the drivers' exceptions into Peewee's, as `execute_sql` does; Peewee has no `executemany` of its own.
peewee_errors: Any = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in its type information

_log = logging.getLogger("scimlite.error")

#: Whatever a database may raise.
DatabaseError = peewee.PeeweeException

T = TypeVar("T")
Row = tuple[Any, ...]

#: How often a transaction is tried again after a deadlock or a serialization failure.
_ATTEMPTS = 6
#: Totals kept for each thread; a client that reads page by page asks for the same one again and again.
_MOST_TOTALS = 100


class _Thread(threading.local):
    """What a thread is to do when its transaction is durable, and what it knows of its connection."""

    def __init__(self) -> None:
        self.committed: list[Callable[[], None]] = []
        #: What totals were counted in, and these, by text and parameters of their queries.
        self.counted_in: tuple[Any, ...] = ()
        self.totals: dict[tuple[str, str], int] = {}
        #: PostgreSQL's, in a transaction.
        self.pipeline: Any = None


class Database:
    """One database, whichever it is; a thread keeps its connection.

    Reconnecting for each request would cost twice the CPU on SQLite and eleven times on PostgreSQL.
    """

    kind: str
    #: Exceptions that mean the database is locked or out of reach.
    _unreachable = (peewee.OperationalError, peewee.InterfaceError)

    def __init__(self, peewee_database: Any, described: str) -> None:
        self.peewee = peewee_database
        #: The database's place in words, without a password.
        self.described = described
        self._thread = _Thread()

    # --- running statements ---------------------------------------------------------------------------------------

    def compile(self, query: Any) -> tuple[str, tuple[Any, ...]]:
        """The SQL text of a Peewee query and its parameters."""
        sql, params = self.peewee.get_sql_context().sql(query).query()
        return sql, tuple(params)

    def rows(self, query: Any, **binds: Any) -> list[Row]:
        """The rows of a query or Statement. Outside a transaction a dead connection is replaced once."""
        sql, params = self._bound(query, binds)
        try:
            with peewee_errors:
                return self._run(sql, params, kept=isinstance(query, Statement)).fetchall()  # type: ignore[no-any-return]
        except self._unreachable as error:
            if self.in_transaction:
                raise
            if not self._connection_lost(error):
                raise self.translated(error) from error
        self.close()
        try:
            with peewee_errors:
                return self._run(sql, params, kept=isinstance(query, Statement)).fetchall()  # type: ignore[no-any-return]
        except self._unreachable as error:
            raise self.translated(error) from error

    def row(self, query: Any, **binds: Any) -> Row | None:
        """The first row, or None."""
        found = self.rows(query, **binds)
        return found[0] if found else None

    def scalar(self, query: Any, **binds: Any) -> Any:
        """The first column of the first row, or None."""
        found = self.row(query, **binds)
        return found[0] if found else None

    def total(self, query: Any, **binds: Any) -> int:
        """What a query counts; kept until something is written, by whomever.

        To count 10,000 entries of an index costs as much as all the rest of a request.
        """
        sql, params = self._bound(query, binds)
        thread = self._thread
        counted_in = self._state_of_data()
        if counted_in != thread.counted_in or len(thread.totals) >= _MOST_TOTALS:
            thread.counted_in, thread.totals = counted_in, {}
        key = (sql, str(params))
        total = thread.totals.get(key)
        if total is None:
            total = thread.totals[key] = int(self.scalar(query, **binds))
        return total

    def _state_of_data(self) -> tuple[Any, ...]:
        """What is another when any connection, this one included, has written since; it is asked first."""
        raise NotImplementedError

    def execute(self, query: Any, **binds: Any) -> None:
        """Run a statement that gives no rows.

        In a transaction PostgreSQL may say what is wrong with it only when it answers a later statement, or at the end.
        """
        sql, params = self._bound(query, binds)
        with peewee_errors:
            self._run(sql, params, kept=isinstance(query, Statement))

    def touch(self, query: Any, **binds: Any) -> int:
        """Run a statement that gives no rows; returns how many rows it touched."""
        sql, params = self._bound(query, binds)
        with peewee_errors:
            cursor = self._run(sql, params, kept=isinstance(query, Statement))
            self._settle()
        return int(cursor.rowcount)

    def execute_many(self, query: Any, rows: Sequence[dict[str, Any]]) -> None:
        """Run one statement for each set of binds, in one round trip where the driver can."""
        if len(rows) <= 1:
            for row in rows:
                self.execute(query, **row)
            return
        sql, places = query.text(self) if isinstance(query, Statement) else self.compile(query)
        names = [place.name for place in places]
        cursor = self.peewee.cursor()
        with peewee_errors:
            cursor.executemany(sql, [tuple(row[name] for name in names) for row in rows])

    def insert(self, into: Insert, rows: Sequence[Row]) -> None:
        """Insert rows; each has the values of the Insert's columns, in their order."""
        sql, _ = into.of_values.text(self)
        with peewee_errors:
            if len(rows) == 1:
                self._run(sql, rows[0])
            elif rows:
                # One statement for all would have SQLite keep what undoes it, in a file when there is much.
                self.peewee.cursor().executemany(sql, rows)

    def _bound(self, query: Any, binds: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
        sql, params = query.text(self) if isinstance(query, Statement) else self.compile(query)
        return sql, tuple([self._value(binds[p.name]) if type(p) is Place else p for p in params])

    def _value(self, value: Any) -> Any:
        raise NotImplementedError

    def _run(self, sql: str, params: tuple[Any, ...], *, kept: bool = True) -> Any:
        """Run SQL text; `kept` tells a Statement's from one that was made for this question alone."""
        # The driver's own `execute`: Peewee's would make a cursor, ask its hooks and write its log first.
        return self.peewee.connection().execute(sql, params)

    # --- transactions ---------------------------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside `transact`."""
        return bool(self.peewee.in_transaction())

    def transact(self, work: Callable[[], T]) -> T:
        """Run `work` in one transaction: all of it is durable when this returns, or nothing happened.

        Deadlocks and serialization failures are tried again; a locked or unreachable database raises Unavailable.
        Inside another transaction it is a part of that one, and can fail by itself.
        """
        mark = len(self._thread.committed)
        try:
            if self.in_transaction:
                return self._transact_within(work)
            done = self._transact(work)
        except BaseException:
            del self._thread.committed[mark:]
            raise
        waiting, self._thread.committed = self._thread.committed, []
        for callback in waiting:
            callback()
        return done

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Run `callback` when this thread's transaction is durable, never when it is rolled back.

        What it raises is logged: nothing can be undone any more.
        """
        self._thread.committed.append(partial(_logged, callback))

    def _transact_within(self, work: Callable[[], T]) -> T:
        # What was asked before must not fail in here, nor what is asked in here fail behind it.
        self._settle()
        with self.peewee.atomic():
            try:
                done = work()
                self._settle()
            except BaseException:
                self._give_up()
                raise
            return done

    def _transact(self, work: Callable[[], T]) -> T:
        for attempt in range(_ATTEMPTS):
            done = False
            self._thread.committed.clear()
            try:
                with self._transaction():
                    result = work()
                    done = True
                return result
            except self._unreachable as error:
                lost = self._connection_lost(error)
                if lost:
                    self.close()
                # A connection that is lost in COMMIT may have lost no more than the answer: only the client can find
                # out. Before, nothing has happened.
                again = self._retryable(error) or (lost and not done)
                if not again or attempt + 1 == _ATTEMPTS:
                    raise self.translated(error) from error
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # jitter, not a secret
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _transaction(self) -> AbstractContextManager[Any]:
        """A context that is a transaction."""
        return self.peewee.atomic()  # type: ignore[no-any-return]

    def _settle(self) -> None:
        """Wait for the answers to all statements; what is wrong with one is raised."""

    def _give_up(self) -> None:
        """Make a transaction in which something went wrong take statements again, those that undo it."""

    def _retryable(self, error: Exception) -> bool:
        return False

    def _connection_lost(self, error: Exception) -> bool:
        return False

    def translated(self, error: Exception) -> Exception:
        """The error as the client should see it; what is neither locked nor unreachable stays a fault of ours."""
        return Unavailable("The database cannot be reached or is busy; try again in a moment.")

    def close(self) -> None:
        """Close this thread's connection; the next statement opens a new one."""
        try:
            self.peewee.close()
        except (peewee.PeeweeException, OSError):
            self.peewee._state.reset()

    # --- what differs in SQL --------------------------------------------------------------------------------------

    def contains(self, column: Any, needle: Any) -> Any:
        """An expression: the text column contains the needle, compared exactly."""
        raise NotImplementedError

    def ends_with(self, column: Any, needle: Any) -> Any:
        """An expression: the text column ends with the needle, compared exactly."""
        raise NotImplementedError

    def unindexed(self, column: Any) -> Any:
        """The column, so that SQLite chooses no index for it; PostgreSQL has statistics and chooses by itself."""
        raise NotImplementedError

    def by_code_point(self, text: Any) -> Any:
        """The text, compared and sorted by code points whatever the database's locale is."""
        raise NotImplementedError

    def one_of(self, column: Any, name: str) -> Any:
        """An expression: the column is one of the list bound under `name`."""
        raise NotImplementedError

    def among(self, column: Any, few: Any) -> Any:
        """An expression: the column is one of the few that a query gives, which is run once and first."""
        raise NotImplementedError

    def each(self, name: str, kind: str) -> tuple[Any, Any]:
        """A table of the list bound under `name` and its only column; `kind` is `text` or `bigint`."""
        raise NotImplementedError

    def json_rows(self, *columns: Any) -> Any:
        """An expression: the rows of a query as one text, a JSON array of arrays, in no order."""
        raise NotImplementedError

    def locking(self, query: Any) -> Any:
        """The query, locking the rows it reads until the transaction ends."""
        raise NotImplementedError

    def migrating(self) -> Any:
        """A context in which only one process migrates, in one transaction."""
        raise NotImplementedError

    @contextmanager
    def erasing(self) -> Iterator[None]:
        """A context in which what is deleted leaves no trace in files; PostgreSQL's own vacuum sees to that later."""
        yield

    def not_unique(self, error: peewee.IntegrityError, table: str, column: str) -> bool:
        """Whether the error is a violation of the unique index `table_column`, which ends in that column."""
        raise NotImplementedError

    def exists(self) -> bool:
        """Whether there is a database at all, without making one."""
        raise NotImplementedError


def _logged(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:
        _log.exception("what should follow a transaction failed")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
