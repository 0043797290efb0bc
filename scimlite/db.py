"""Connections and transactions, and every difference between SQLite and PostgreSQL."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
import peewee
from peewee import SQL, fn
from psycopg import ClientCursor

from .errors import Unavailable

#: Turns the drivers' exceptions into Peewee's, as `execute_sql` does; Peewee has no `executemany` of its own.
_peewee_errors: Any = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in its type information

_log = logging.getLogger("scimlite.error")

#: Whatever a database may raise.
DatabaseError = peewee.PeeweeException

T = TypeVar("T")
Row = tuple[Any, ...]

#: How often a transaction is tried again after a deadlock or a serialization failure.
_ATTEMPTS = 6
#: Rows that one INSERT of PostgreSQL brings.
_MOST_ROWS = 2000
#: Totals kept for each thread; a client that reads page by page asks for the same one again and again.
_MOST_TOTALS = 100
#: PostgreSQL SQLSTATEs after which the same transaction may succeed: serialization failure, deadlock.
_RETRYABLE = {"40001", "40P01"}
#: Seconds to wait for a PostgreSQL server that does not answer.
_CONNECT_TIMEOUT = 5
#: Any number that other software on the same server is unlikely to take: the lock around migrations.
_MIGRATION_LOCK = 76_437_644


class Slot(peewee.ColumnBase):
    """A place in a prepared statement whose value comes with each execution."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __sql__(self, ctx: Any) -> Any:
        return ctx.value(self.place(), converter=False)

    def typed(self) -> Any:
        """The slot as text, where PostgreSQL could not tell the type from its surroundings."""
        return peewee.Cast(self, "TEXT")

    def place(self) -> _Place:
        """What stands among the parameters until a value is bound."""
        return _Place(self.name)


class _Place:
    """Stands in a parameter list for the value bound under `name`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Outer(peewee.ColumnBase):
    """A column of a table of the query around, inside a CTE: there Peewee knows the CTE's own tables only."""

    def __init__(self, field: Any) -> None:
        self._column = field.column

    def __sql__(self, ctx: Any) -> Any:
        table = ctx.alias_manager.get(self._column.source, any_depth=True)
        return ctx.sql(peewee.Entity(table, self._column.name))


class Statement:
    """A query written once as a Peewee expression and kept as SQL text for each database.

    Building a query costs ten times as much as running its text, so everything on a hot path is a Statement.
    """

    def __init__(self, build: Callable[[Database], Any]) -> None:
        self._build = build
        self._texts: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def text(self, db: Database) -> tuple[str, tuple[Any, ...]]:
        """The SQL text for this kind of database and its parameters, bound later where they are places."""
        text = self._texts.get(db.kind)
        if text is None:
            text = self._texts[db.kind] = db.compile(self._build(db))
        return text


def prepared(build: Callable[[Database], Any]) -> Statement:
    """Decorator: a function that builds a Peewee query, with Slots for its values, becomes a Statement."""
    return Statement(build)


@prepared
def _DATA_VERSION(db: Database) -> Any:
    return SQL("PRAGMA data_version")


@prepared
def _SNAPSHOT(db: Database) -> Any:
    return peewee.Select(columns=[fn.pg_current_snapshot().cast("TEXT")])


class Insert:
    """An INSERT of these columns, for any number of rows: `Database.insert` runs it.

    `finish` gets the Peewee query and may add to it what is to happen with rows that are there already.
    """

    def __init__(self, model: Any, columns: Sequence[str], finish: Callable[[Any], Any] = lambda query: query) -> None:
        fields = [getattr(model, column) for column in columns]
        slots = [Slot(column) for column in columns]
        self.of_values = Statement(lambda db: finish(model.insert_many([slots], fields)))
        #: PostgreSQL takes an array for each column.
        arrays = [peewee.Cast(Slot(field.name), f"{field.field_type}[]") for field in fields]
        unnested = peewee.Select([fn.unnest(*arrays).alias("each")], [SQL("*")])
        self.of_arrays = Statement(lambda db: finish(model.insert_from(unnested, fields)))


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
            with _peewee_errors:
                return self._run(sql, params, kept=isinstance(query, Statement)).fetchall()  # type: ignore[no-any-return]
        except self._unreachable as error:
            if self.in_transaction:
                raise
            if not self._connection_lost(error):
                raise self.translated(error) from error
        self.close()
        try:
            with _peewee_errors:
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
        with _peewee_errors:
            self._run(sql, params, kept=isinstance(query, Statement))

    def touch(self, query: Any, **binds: Any) -> int:
        """Run a statement that gives no rows; returns how many rows it touched."""
        sql, params = self._bound(query, binds)
        with _peewee_errors:
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
        with _peewee_errors:
            cursor.executemany(sql, [tuple(row[name] for name in names) for row in rows])

    def insert(self, into: Insert, rows: Sequence[Row]) -> None:
        """Insert rows; each has the values of the Insert's columns, in their order."""
        sql, _ = into.of_values.text(self)
        with _peewee_errors:
            if len(rows) == 1:
                self._run(sql, rows[0])
            elif rows:
                # One statement for all would have SQLite keep what undoes it, in a file when there is much.
                self.peewee.cursor().executemany(sql, rows)

    def _bound(self, query: Any, binds: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
        sql, params = query.text(self) if isinstance(query, Statement) else self.compile(query)
        return sql, tuple([self._value(binds[p.name]) if type(p) is _Place else p for p in params])

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


class SqliteDatabase(Database):
    """SQLite in WAL mode: one writer at a time, readers never wait, acknowledged writes survive a power cut."""

    kind = "sqlite"

    def __init__(self, path: Path, *, busy_timeout: float = 5.0) -> None:
        self.path = path
        pragmas = {"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1, "cache_size": -16000}
        super().__init__(
            peewee.SqliteDatabase(str(path), pragmas=pragmas, timeout=busy_timeout, lock_type="IMMEDIATE"),
            f"SQLite file {path}",
        )

    def exists(self) -> bool:
        return self.path.exists()

    def create_file(self) -> None:
        """Make an empty database that only its owner can read; SQLite gives its WAL files the same mode."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    def size(self) -> int:
        """Bytes on the disk, with what is not yet moved from the WAL; 0 when there is no file."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def backup(self, target: Path) -> None:
        """Copy the database while it is in use; the copy is one consistent state, readable by its owner only.

        Raises FileExistsError rather than write over a file, Unavailable when either database cannot be used.
        """
        import sqlite3

        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            with _peewee_errors:
                copy = sqlite3.connect(target)
                try:
                    # In one step: between steps a busy writer would make it begin again and again. Readers and
                    # writers are not held up by it, as this is WAL.
                    self.peewee.connection().backup(copy)
                finally:
                    copy.close()
        except BaseException as error:
            target.unlink()
            if isinstance(error, peewee.DatabaseError):
                raise self.translated(error) from error
            raise

    def _value(self, value: Any) -> Any:
        return orjson.dumps(value).decode() if type(value) is list else value

    def _state_of_data(self) -> tuple[Any, ...]:
        # The pragma tells of what other connections did, the connection of what it did itself.
        connection = self.peewee.connection()
        return connection, self.scalar(_DATA_VERSION), connection.total_changes

    def translated(self, error: Exception) -> Exception:
        text = str(error).lower()
        known = ("locked", "busy", "unable to open", "disk i/o", "readonly", "full", "not a database", "no such table")
        return super().translated(error) if any(word in text for word in known) else error

    def contains(self, column: Any, needle: Any) -> Any:
        return fn.instr(column, needle) > 0

    def ends_with(self, column: Any, needle: Any) -> Any:
        return fn.substr(column, fn.length(column) - fn.length(needle) + 1) == needle

    def unindexed(self, column: Any) -> Any:
        return peewee.NodeList((SQL("+"), column), glue="")

    def by_code_point(self, text: Any) -> Any:
        return text

    def one_of(self, column: Any, name: str) -> Any:
        return column.in_(peewee.Select([fn.json_each(Slot(name))], [SQL("value")]))

    def among(self, column: Any, few: Any) -> Any:
        return column.in_(few)

    def each(self, name: str, kind: str) -> tuple[Any, Any]:
        return fn.json_each(Slot(name)).alias("each"), SQL("each.value")

    def json_rows(self, *columns: Any) -> Any:
        return fn.json_group_array(fn.json_array(*columns))

    def locking(self, query: Any) -> Any:
        return query

    @contextmanager
    def migrating(self) -> Iterator[None]:
        # Rebuilding a table must not cascade (peewee's migrate drops and renames), and the switch for that works
        # only outside a transaction.
        self.peewee.execute_sql("PRAGMA foreign_keys=OFF")
        try:
            with self.peewee.atomic("IMMEDIATE"):
                yield
        finally:
            self.peewee.execute_sql("PRAGMA foreign_keys=ON")

    @contextmanager
    def erasing(self) -> Iterator[None]:
        self.peewee.execute_sql("PRAGMA secure_delete=ON")
        try:
            yield
        finally:
            self.peewee.execute_sql("PRAGMA secure_delete=OFF")
        # The WAL holds pages as they were; a reader that is busy at this moment leaves that to a later checkpoint.
        self.peewee.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def not_unique(self, error: peewee.IntegrityError, table: str, column: str) -> bool:
        return str(error).startswith("UNIQUE constraint failed") and str(error).endswith(f"{table}.{column}")


class PostgresDatabase(Database):
    """PostgreSQL through psycopg 3."""

    kind = "postgresql"

    def __init__(self, url: str, described: str, *, busy_timeout: float, prepare_threshold: int | None) -> None:
        super().__init__(
            peewee.PostgresqlDatabase(
                url,
                prefer_psycopg3=True,
                connect_timeout=_CONNECT_TIMEOUT,
                tcp_user_timeout=20_000,
                prepare_threshold=prepare_threshold,
                options=" ".join(
                    f"-c {name}={value}"
                    for name, value in (
                        ("lock_timeout", int(busy_timeout * 1000)),
                        ("timezone", "UTC"),
                        # A look-up is planned five times as long as it is run, and by itself PostgreSQL never finds
                        # that it need not. What matters for a plan is in the text of a Statement, not in values.
                        ("plan_cache_mode", "force_generic_plan"),
                    )
                ),
            ),
            described,
        )

    def exists(self) -> bool:
        return True

    def _state_of_data(self) -> tuple[Any, ...]:
        # Which transactions are visible: whoever writes has a number of its own. Not what this one has written itself.
        return (object(),) if self.in_transaction else (self.scalar(_SNAPSHOT),)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # In a pipeline a statement whose answer nobody waits for travels with the next one, the last ones with COMMIT:
        # fewer round trips, and shorter locks.
        connection = self.peewee.connection()
        try:
            with _peewee_errors, connection.pipeline() as self._thread.pipeline:
                self.peewee.begin()
                self.peewee.push_transaction(self.peewee.transaction())
                try:
                    yield
                except BaseException:
                    self._give_up()
                    raise
                finally:
                    self.peewee.pop_transaction()
                self.peewee.commit()
        except BaseException:
            # The driver's own, for it forgets statements that were to be prepared and then were not.
            if not connection.closed:
                with _peewee_errors:
                    connection.rollback()
            raise
        finally:
            self._thread.pipeline = None

    def _settle(self) -> None:
        if self._thread.pipeline is not None:
            with _peewee_errors:
                self._thread.pipeline.sync()

    def _give_up(self) -> None:
        # After an error a pipeline takes nothing more until it is in step again.
        try:
            self._settle()
        except peewee.PeeweeException:
            _log.debug("given up after another error, which is raised", exc_info=True)

    def insert(self, into: Insert, rows: Sequence[Row]) -> None:
        if len(rows) <= 1:
            super().insert(into, rows)
            return
        # A statement for each row costs as much again for each.
        sql, _ = into.of_arrays.text(self)
        for chunk in chunks(rows, _MOST_ROWS):
            with _peewee_errors:
                self._run(sql, tuple([list(column) for column in zip(*chunk, strict=True)]))

    def _value(self, value: Any) -> Any:
        return value

    def _run(self, sql: str, params: tuple[Any, ...], *, kept: bool = True) -> Any:
        # What the operator asks is sent with the values in the text, for plans of reports depend on them.
        connection = self.peewee.connection()
        return connection.execute(sql, params) if kept else ClientCursor(connection).execute(sql, params)

    @staticmethod
    def _cause(error: BaseException | None) -> Any:
        """The driver's error behind Peewee's, if any."""
        while error is not None and not hasattr(error, "sqlstate"):
            error = error.__cause__ or error.__context__
        return error

    def _state(self, error: BaseException) -> str:
        return getattr(self._cause(error), "sqlstate", None) or ""

    def _retryable(self, error: Exception) -> bool:
        return self._state(error) in _RETRYABLE

    def _connection_lost(self, error: Exception) -> bool:
        connection = self.peewee._state.conn
        return self._state(error)[:2] in ("08", "57") or connection is None or connection.closed

    def translated(self, error: Exception) -> Exception:
        # 55P03 lock_not_available, 53 out of resources, 57 operator intervention, 08 connection, 25006 read only;
        # no SQLSTATE at all: the server was not reached.
        state = self._state(error)
        known = not state or state[:2] in ("08", "53", "57", "58") or state in ("55P03", "25006", *_RETRYABLE)
        return super().translated(error) if known else error

    def contains(self, column: Any, needle: Any) -> Any:
        return fn.strpos(column, needle) > 0

    def ends_with(self, column: Any, needle: Any) -> Any:
        return fn.right(column, fn.length(needle)) == needle

    def unindexed(self, column: Any) -> Any:
        return column

    def by_code_point(self, text: Any) -> Any:
        return peewee.NodeList((text, SQL('COLLATE "C"')), parens=True)

    def one_of(self, column: Any, name: str) -> Any:
        return peewee.Expression(column, "=", fn.ANY(Slot(name)))

    def among(self, column: Any, few: Any) -> Any:
        # An array: of a join the planner would not know how few they are.
        return peewee.Expression(column, "=", fn.ANY(fn.ARRAY(few)))

    def each(self, name: str, kind: str) -> tuple[Any, Any]:
        return fn.unnest(peewee.NodeList((Slot(name), SQL(f"::{kind}[]")))).alias("each"), SQL("each")

    def json_rows(self, *columns: Any) -> Any:
        return fn.json_agg(fn.json_build_array(*columns)).cast("TEXT")

    def locking(self, query: Any) -> Any:
        # NO KEY, so that rows which only refer to the locked one (members, values) can still be inserted.
        return query.for_update("FOR NO KEY UPDATE")

    @contextmanager
    def migrating(self) -> Iterator[None]:
        with self.peewee.atomic():
            self.peewee.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            yield

    def not_unique(self, error: peewee.IntegrityError, table: str, column: str) -> bool:
        diagnosis = getattr(self._cause(error), "diag", None)
        return getattr(diagnosis, "constraint_name", None) == f"{table}_{column}"


def _logged(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:
        _log.exception("what should follow a transaction failed")


def open_database(
    url: str, *, busy_timeout: float = 5.0, prepare_threshold: int | None = 5, described: str | None = None
) -> Database:
    """The database that a URL names: `sqlite:///file` or `postgresql://…`; nothing is connected or made yet."""
    if url.startswith("sqlite:///"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:///")), busy_timeout=busy_timeout)
    return PostgresDatabase(
        url,
        described or "PostgreSQL",
        busy_timeout=busy_timeout,
        prepare_threshold=prepare_threshold,
    )


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
