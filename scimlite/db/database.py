"""What both databases have in common: running statements, transactions with retries, and kept totals."""

from __future__ import annotations

import random
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import peewee

from .. import deadline
from ..errors import DeadlinePassed, Unavailable, Unconfirmed
from ..redaction import error_log
from .dialect import Dialect
from .statements import Insert, Place, Statement
from .troubles import Trouble, unavailable

if TYPE_CHECKING:
    # psycopg takes 0.2 s to load, and SQLite does not need it.
    from .postgresql_session import Session

#: Turns the drivers' exceptions into Peewee's, as `execute_sql` does; Peewee has no `executemany` of its own.
peewee_errors: Any = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in its type information

#: The root of all errors that a database raises.
DatabaseError = peewee.PeeweeException

T = TypeVar("T")
Row = tuple[Any, ...]

#: Chooses the waits between tries. It is not the global generator, whose numbers belong to the host application, and
#: forked processes do not share its state.
_JITTER = random.SystemRandom()
#: Totals kept for each thread; a client that reads page by page asks for the same total again and again.
_MOST_TOTALS = 100


class _Thread(threading.local):
    """The state of one thread: its callbacks, its kept totals and its recorded statements."""

    def __init__(self) -> None:
        #: Callbacks that run once the thread's transaction is durable.
        self.committed: list[Callable[[], None]] = []
        #: The state of the data in which `totals` were counted.
        self.counted_in: tuple[Any, ...] = ()
        #: Totals by text and parameters of their queries.
        self.totals: dict[tuple[str, str], int] = {}
        #: The open pipeline of PostgreSQL, in a transaction.
        self.pipeline: Any = None
        #: True once COMMIT was sent.
        self.committing = False
        #: Texts of the statements that run inside `counting`; None outside.
        self.statements: list[str] | None = None


class Database(Dialect):
    """A SQLite file or a PostgreSQL database. Each thread keeps its own connection.

    Connecting anew for each request would cost two to three times the CPU on SQLite and six to eleven times on
    PostgreSQL (docs/adr/0005-a-connection-for-each-thread.md).
    """

    kind: str
    #: All errors of a driver; `translated` tells those of a database that cannot be used from faults of ours.
    _unreachable: tuple[type[Exception], ...] = (peewee.DatabaseError, peewee.InterfaceError)

    def __init__(self, peewee_database: Any, described: str) -> None:
        self.peewee = peewee_database
        #: The database's location for messages, without a password.
        self.described = described
        self._thread = _Thread()

    # --- running statements ---------------------------------------------------------------------------------------

    def compile(self, query: Any) -> tuple[str, tuple[Any, ...]]:
        """Returns the SQL text of a Peewee query and its parameters."""
        sql, params = self.peewee.get_sql_context().sql(query).query()
        return sql, tuple(params)

    def rows(self, query: Any, **binds: Any) -> list[Row]:
        """Returns the rows of a query or Statement as tuples, for requests; `records` gives them names.

        Outside a transaction a lost connection is replaced once.
        """
        sql, params = self._bound(query, binds)
        kept = isinstance(query, Statement)
        try:
            with peewee_errors:
                return self._run(sql, params, kept=kept).fetchall()  # type: ignore[no-any-return]  # the driver's
        except self._unreachable as error:
            self._replace_connection(error)
        rows: list[Row] = self._read_again(sql, params, kept, _rows_of)
        return rows

    def records(self, query: Any, **binds: Any) -> list[Any]:
        """Returns the rows of a query or Statement as named tuples: `record.name` instead of `row[3]`.

        The names are those of the selected columns; an expression needs an alias that is a Python name. For commands,
        reports and everything else that runs once in a while: compared with `rows`, a query costs 1 us more and each
        row 0.3 us. What runs for every request reads `rows` and unpacks the tuples.
        """
        sql, params = self._bound(query, binds)
        kept = isinstance(query, Statement)
        try:
            with peewee_errors:
                return _records_of(self._run(sql, params, kept=kept))
        except self._unreachable as error:
            self._replace_connection(error)
        records: list[Any] = self._read_again(sql, params, kept, _records_of)
        return records

    def _replace_connection(self, error: Exception) -> None:
        """Closes a lost connection, so that the next statement opens another one; raises the error in other cases."""
        if self.in_transaction:
            raise error
        if not self._connection_lost(error):
            self._fail(error)
        self.close()

    def _read_again(self, sql: str, params: tuple[Any, ...], kept: bool, fetch: Callable[[Any], Any]) -> Any:
        """Reads on the new connection; a second failure is final."""
        try:
            with peewee_errors:
                return fetch(self._run(sql, params, kept=kept))
        except self._unreachable as error:
            self._fail(error)

    def row(self, query: Any, **binds: Any) -> Row | None:
        """Returns the first row, or None."""
        rows = self.rows(query, **binds)
        return rows[0] if rows else None

    def scalar(self, query: Any, **binds: Any) -> Any:
        """Returns the first column of the first row, or None."""
        row = self.row(query, **binds)
        return row[0] if row else None

    def total(self, query: Any, **binds: Any) -> int:
        """Returns the number that a counting query gives; this thread keeps it until any connection commits a write.

        Counting 10,000 entries of an index costs as much as all the rest of a request
        (docs/adr/0004-kept-totals.md).
        """
        sql, params = self._bound(query, binds)
        thread = self._thread
        # Read before the total: a write in between then makes the next call count again.
        state = self._state_of_data()
        if state != thread.counted_in or len(thread.totals) >= _MOST_TOTALS:
            thread.counted_in, thread.totals = state, {}
        key = (sql, str(params))
        total = thread.totals.get(key)
        if total is None:
            total = thread.totals[key] = int(self.scalar(query, **binds))
        return total

    def _state_of_data(self) -> tuple[Any, ...]:
        """Returns a marker that changes whenever any connection writes. Read it before the data it guards."""
        raise NotImplementedError

    def execute(self, query: Any, **binds: Any) -> None:
        """Runs a statement that returns no rows.

        In a transaction PostgreSQL may raise the statement's error only with a later statement or at the end.
        """
        sql, params = self._bound(query, binds)
        with peewee_errors:
            self._run(sql, params, kept=isinstance(query, Statement))

    def touch(self, query: Any, **binds: Any) -> int:
        """Runs a statement that returns no rows; returns the number of rows it changed."""
        sql, params = self._bound(query, binds)
        with peewee_errors:
            cursor = self._run(sql, params, kept=isinstance(query, Statement))
            self._settle()
        return int(cursor.rowcount)

    def execute_many(self, query: Any, rows: Sequence[dict[str, Any]]) -> None:
        """Runs one statement for each set of binds, in one round trip where the driver can."""
        if len(rows) <= 1:
            for row in rows:
                self.execute(query, **row)
            return
        sql, places = query.text(self) if isinstance(query, Statement) else self.compile(query)
        names = [place.name for place in places]
        self._run_many(sql, [tuple(row[name] for name in names) for row in rows])

    def insert(self, into: Insert, rows: Sequence[Row]) -> None:
        """Inserts rows; each has the values of the Insert's columns, in their order."""
        sql, _ = into.of_values.text(self)
        if len(rows) == 1:
            with peewee_errors:
                self._run(sql, rows[0])
        elif rows:
            # One statement for all rows would have SQLite keep a statement journal, in a file when it is large.
            self._run_many(sql, rows)

    def _bound(self, query: Any, binds: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """Returns the text of a query and its parameters, with binds in the places."""
        sql, params = query.text(self) if isinstance(query, Statement) else self.compile(query)
        return sql, tuple([self._value(binds[p.name]) if type(p) is Place else p for p in params])

    def _value(self, value: Any) -> Any:
        """Returns a bound value in the form that the driver takes."""
        raise NotImplementedError

    def _run(self, sql: str, params: tuple[Any, ...], *, kept: bool = True) -> Any:
        """Runs SQL text and returns the cursor; `kept` is False for text that was built for this one execution."""
        statements = self._thread.statements
        if statements is not None:
            statements.append(sql)
        return self._send(sql, params, kept)

    def _send(self, sql: str, params: tuple[Any, ...], kept: bool) -> Any:
        # The driver's own `execute`: Peewee's would make a cursor, ask its hooks and write its log first.
        return self.peewee.connection().execute(sql, params)

    def _run_many(self, sql: str, rows: Sequence[Row]) -> None:
        statements = self._thread.statements
        if statements is not None:
            statements.append(sql)
        with peewee_errors:
            self.peewee.cursor().executemany(sql, rows)

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """Records the statements that run for this thread inside the block: `with db.counting() as statements:`.

        The list holds the SQL texts in their order, once for `execute_many` and `insert`, and twice for a transaction
        that was tried twice; without BEGIN, COMMIT and savepoints. A block around another one records both.
        """
        outer = self._thread.statements
        statements: list[str] = []
        self._thread.statements = statements
        try:
            yield statements
        finally:
            self._thread.statements = outer
            if outer is not None:
                outer += statements

    # --- transactions ---------------------------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """True inside `transact`."""
        return bool(self.peewee.in_transaction())

    def transact(self, work: Callable[[], T]) -> T:
        """Runs `work` in one transaction and returns its result: all of it is durable then, or nothing happened.

        `work` may run several times, and in another thread: deadlocks and serialization failures are tried again.
        Raises Unavailable when the database is locked or out of reach. A call inside another transaction is a part of
        that transaction (a savepoint), and can fail by itself.
        """
        mark = len(self._thread.committed)
        try:
            if self.in_transaction:
                return self._transact_within(work)
            deadline.check()
            result = self._transact(work)
        except BaseException:
            del self._thread.committed[mark:]
            raise
        callbacks, self._thread.committed = self._thread.committed, []
        for callback in callbacks:
            callback()
        return result

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once the transaction is durable, in the thread that called `transact`; not after a rollback.

        An exception of the callback is logged: nothing can be undone any more.
        """
        self._thread.committed.append(partial(_logged, callback))

    def _transact_within(self, work: Callable[[], T]) -> T:
        # Errors of earlier statements must not surface inside the savepoint, nor errors of `work` after it.
        self._settle()
        with self._savepoint():
            try:
                result = work()
                self._settle()
            except BaseException:
                self._recover()
                raise
            return result

    def _transact(self, work: Callable[[], T]) -> T:
        attempt = 0
        while True:
            self._thread.committed.clear()
            self._thread.committing = False
            try:
                with self._transaction():
                    result = work()
                return result
            except self._unreachable as error:
                attempt += 1
                committing = self._thread.committing
                last = attempt >= self._tries(error, committing=committing)
                lost = self._connection_lost(error)
                if lost:
                    self.close()
                if last or deadline.remaining() <= 0:
                    self._fail(error, unconfirmed=lost and committing)
                time.sleep(deadline.at_most(_JITTER.uniform(0, 0.02 * 2 ** (attempt - 1))))

    def _transaction(self) -> AbstractContextManager[Any]:
        """Returns a context that is one transaction of this thread's connection."""
        return self.peewee.atomic()  # type: ignore[no-any-return]

    def _savepoint(self) -> AbstractContextManager[Any]:
        """Returns a context that is a part of the transaction of this thread's connection."""
        return self.peewee.atomic()  # type: ignore[no-any-return]

    def _settle(self) -> None:
        """Waits for the answers to all statements that were sent; raises the error of the first that failed."""

    def _recover(self) -> None:
        """After an error, make the connection accept the statements that roll back."""

    def _tries(self, error: Exception, *, committing: bool) -> int:
        """Returns how often in all a transaction may be tried that failed with this error.

        In: `committing`, True when COMMIT was sent. A connection that is lost then may have lost no more than the
        answer; only the client can find out, so the work is not repeated. One that is lost earlier has written nothing.
        """
        return 1

    def _connection_lost(self, error: Exception) -> bool:
        """True when this thread's connection can no longer be used."""
        return False

    def translated(self, error: Exception) -> Exception:
        """Returns Unavailable for a database that cannot be used, else the error itself: a fault of ours."""
        return unavailable(Trouble.UNREACHABLE)

    def _fail(self, error: Exception, *, unconfirmed: bool = False) -> NoReturn:
        """Raises the error in the form that callers get; `unconfirmed`, when COMMIT was sent and not answered."""
        translated = self.translated(error)
        if isinstance(translated, Unavailable):
            if unconfirmed:
                translated = Unconfirmed(translated.reason)
            elif deadline.remaining() <= 0:
                translated = DeadlinePassed(translated.reason)
        if translated is error:
            raise error
        raise translated from error

    def check_health(self) -> None:
        """Raises Unavailable, whose reason an operator understands, when the database cannot be read or written."""
        self.scalar(peewee.Select(columns=[peewee.SQL("1")]))

    def session(self) -> Session | None:
        """Returns what this thread's connection to a server has; None for a file. Raises Unavailable."""
        return None

    def close(self) -> None:
        """Closes this thread's connection; the next statement opens a new one."""
        try:
            self.peewee.close()
        except (peewee.PeeweeException, OSError):
            self.peewee._state.reset()

    def observe(self, told: Callable[[str, float], None]) -> None:
        """Has `told` called with `read` or `write` and the seconds of each read by itself and of each transaction.

        The functions are replaced, so that nobody pays for a question at each statement who wants no figures.
        """
        rows, transact = self.rows, self.transact

        def timed_rows(query: Any, **binds: Any) -> list[Row]:
            if self.in_transaction:
                return rows(query, **binds)
            began = time.perf_counter()
            try:
                return rows(query, **binds)
            finally:
                told("read", time.perf_counter() - began)

        def timed_transact(work: Callable[[], T]) -> T:
            if self.in_transaction:
                return transact(work)
            began = time.perf_counter()
            try:
                return transact(work)
            finally:
                told("write", time.perf_counter() - began)

        self.rows, self.transact = timed_rows, timed_transact  # type: ignore[method-assign]

    # --- the database as a whole ----------------------------------------------------------------------------------

    def exists(self) -> bool:
        """True when there is a database to connect to; creates nothing."""
        raise NotImplementedError

    def obstacle(self) -> str | None:
        """Returns why this user cannot use the database's file, and what to do; None when nothing is in the way."""
        return None

    def create(self) -> None:
        """Creates the empty database where scimlite does that itself: the file of SQLite. Raises OSError."""

    def folders(self) -> list[Path]:
        """Returns the folders of this machine whose disks the database fills; none for a server."""
        return []

    def remains(self) -> list[Path]:
        """Returns where files would be that a database leaves behind when it is taken away."""
        return []

    def size(self) -> int | None:
        """Returns the bytes on this machine's disk, 0 when there is no file yet; None on a server."""
        return None

    def wal_size(self) -> int | None:
        """Returns the bytes of SQLite's write-ahead log; None on a server."""
        return None

    def hold(self) -> None:
        """Notes that this process serves the database as long as this object lives, so that nobody replaces its file.

        Raises OperatorError while the file is being replaced.
        It does nothing for a server, which guards its database by itself.
        """

    def dump_command(self, target: Path) -> str | None:
        """Returns the shell command of the database's own tool that writes a backup; None where `backup` writes it."""
        return None

    def backup(self, target: Path) -> None:
        """Copies the database to a new file while it is in use; the copy is one consistent state.

        Raises FileExistsError rather than overwrite a file, OSError when the file cannot be written, Unavailable when
        the database cannot be read, and NotImplementedError where `dump_command` names another tool.
        """
        raise NotImplementedError(f"{self.described} is backed up with the database's own tool: see dump_command.")

    def migrating(self) -> AbstractContextManager[None]:
        """Returns a context in which only one process migrates, in one transaction."""
        raise NotImplementedError

    @contextmanager
    def erasing(self) -> Iterator[None]:
        """A context in which deleted rows leave no trace in files. PostgreSQL removes them later, in its own vacuum."""
        yield


def refusal(error: Exception) -> str | None:
    """Returns what a database says with an error, on one line; None for an error that is no database's."""
    return " ".join(str(error).split()) if isinstance(error, DatabaseError) else None


def _logged(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:
        error_log.exception("A callback that follows a transaction failed")


def _rows_of(cursor: Any) -> list[Row]:
    rows: list[Row] = cursor.fetchall()
    return rows


def _records_of(cursor: Any) -> list[Any]:
    # In PostgreSQL's pipeline the description arrives with the rows.
    rows = cursor.fetchall()
    record = _record(tuple([column[0] for column in cursor.description]))
    return [record._make(row) for row in rows]


@lru_cache(maxsize=500)
def _record(names: tuple[str, ...]) -> Any:
    """The named tuple of rows with these columns; raises ValueError for a column without a Python name."""
    return namedtuple("Record", names)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yields the items in lists of at most `size`."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
