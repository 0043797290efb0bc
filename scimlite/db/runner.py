"""Running statements on a thread's connection: rows as tuples or with names, kept totals, and what was sent."""

from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NoReturn

import orjson
import peewee

from .dialect import Dialect
from .statements import Insert, Statement, text_of

#: Turns the drivers' exceptions into Peewee's, as `execute_sql` does; Peewee has no `executemany` of its own.
peewee_errors: Any = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in its type information

Row = tuple[Any, ...]

#: Totals kept for each thread; a client that reads page by page asks for the same total again and again.
_MOST_TOTALS = 100


class ThreadState(threading.local):
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


class Runner(Dialect):
    """Runs statements; `Database` adds transactions, and each kind of database how it does both."""

    #: `sqlite` or `postgresql`.
    kind: str
    #: True when the driver takes a list as a parameter; without it a list is sent as JSON.
    _takes_lists: bool
    #: All errors of a driver; `translated` tells those of a database that cannot be used from faults of ours.
    _unreachable: tuple[type[Exception], ...] = (peewee.DatabaseError, peewee.InterfaceError)

    def __init__(self, peewee_database: Any) -> None:
        self.peewee = peewee_database
        self._thread = ThreadState()

    @property
    def in_transaction(self) -> bool:
        """True inside `transact`."""
        return bool(self.peewee.in_transaction())

    def close(self) -> None:
        """Closes this thread's connection; the next statement opens a new one."""
        try:
            self.peewee.close()
        except (peewee.PeeweeException, OSError):
            self.peewee._state.reset()

    def _connection_lost(self, error: Exception) -> bool:
        """True when this thread's connection can no longer be used."""
        return False

    def _settle(self) -> None:
        """Waits for the answers to all statements that were sent; raises the error of the first that failed."""

    def _fail(self, error: Exception) -> NoReturn:
        """Raises the error in the form that callers get."""
        raise NotImplementedError

    # --- statements -----------------------------------------------------------------------------------------------

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
            return self._run(sql, params, kept=kept).fetchall()  # type: ignore[no-any-return]  # the driver's
        except Exception as error:
            self._replace_connection(as_peewee(error))
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
            return _records_of(self._run(sql, params, kept=kept))
        except Exception as error:
            self._replace_connection(as_peewee(error))
        records: list[Any] = self._read_again(sql, params, kept, _records_of)
        return records

    def _replace_connection(self, error: Exception) -> None:
        """Closes a lost connection, so that the next statement opens another one; raises the error in other cases."""
        if self.in_transaction or not isinstance(error, self._unreachable):
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
        try:
            self._run(sql, params, kept=isinstance(query, Statement))
        except Exception as error:
            raise_as_peewee(error)

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
        text = query.text(self) if isinstance(query, Statement) else text_of(*self.compile(query))
        self._run_many(text.sql, [text.params(row) for row in rows])

    def insert(self, into: Insert, rows: Sequence[Row]) -> None:
        """Inserts rows; each has the values of the Insert's columns, in their order."""
        sql = into.of_values.text(self).sql
        if len(rows) == 1:
            try:
                self._run(sql, rows[0])
            except Exception as error:
                raise_as_peewee(error)
        elif rows:
            # One statement for all rows would have SQLite keep a statement journal, in a file when it is large.
            self._run_many(sql, rows)

    def _bound(self, query: Any, binds: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """Returns the text of a query and its parameters, with binds in the places."""
        text = query.text(self) if isinstance(query, Statement) else text_of(*self.compile(query))
        params = text.params(binds)
        if not self._takes_lists and list in map(type, params):
            params = tuple([orjson.dumps(param).decode() if type(param) is list else param for param in params])
        return text.sql, params

    def _run(self, sql: str, params: tuple[Any, ...], *, kept: bool = True) -> Any:
        """Runs SQL text and returns the cursor; `kept` is False for text that was built for this one execution."""
        statements = self._thread.statements
        if statements is not None:
            statements.append(sql)
        return self._send(sql, params, kept)

    def _send(self, sql: str, params: tuple[Any, ...], kept: bool) -> Any:
        """Has the driver execute SQL text on this thread's connection.

        By the driver's own `execute`: Peewee's would make a cursor, ask its hooks and write its log first.
        """
        raise NotImplementedError

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


def raise_as_peewee(error: Exception) -> NoReturn:
    """Raises an error of the driver as Peewee's.

    Where a statement runs for every request, this follows `except`: entering `peewee_errors` costs 0.5 us each time.
    """
    with peewee_errors:
        raise error


def as_peewee(error: Exception) -> Exception:
    """Returns an error of the driver as Peewee's, and any other as it is."""
    try:
        raise_as_peewee(error)
    except Exception as translated:
        return translated


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
