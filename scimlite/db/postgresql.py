"""PostgreSQL through psycopg 3, whose transactions travel in a pipeline."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import peewee
import psycopg
from peewee import SQL, fn
from psycopg import ClientCursor

from .. import deadline
from ..errors import DeadlinePassed, RefusedByRule
from ..redaction import error_log
from .database import Database, T, chunks
from .growth import Growth
from .postgresql_session import Connection, DeadlineError, Session, connect, describe, set_settings, wanted
from .runner import Row, peewee_errors
from .sqlstates import OURS, OVERDUE, OWN, State, state_of
from .statements import Insert, Slot, prepared
from .tables import TABLES
from .troubles import Trouble, unavailable
from .turns import in_child
from .waiters import GRACE, Waiters

#: Rows of one INSERT statement.
_MOST_ROWS = 2000
#: Characters kept of what a rule of the operator's own says.
_LONGEST_REASON = 500
#: A function, in the context of an error; a block without a name is no trigger.
_FUNCTION = re.compile(r"^PL/\w+ function (?!inline_code_block)([^ (]+)", re.MULTILINE)
#: A password in a URL, of the user or as a parameter, with what stays of the text around it.
_PASSWORD = re.compile(r"(?<=//)([^:/?#@]*):[^/?#@]*(?=@)|([?&])password=[^&#]*&?")
#: The key of the advisory lock around migrations: a number that other software on the same server hardly takes.
_MIGRATION_LOCK = 76_437_644


@prepared
def snapshot(db: Database) -> Any:
    """Which transactions this one sees, as text."""
    return peewee.Select(columns=[fn.pg_current_snapshot().cast("TEXT")])


@prepared
def health(db: Database) -> Any:
    """Whether transactions only read, and whether the role may write to all tables; names every column of every table.

    A table or a column that is missing, and a table that may not be read, are errors.
    """
    rights = " AND ".join(f"has_table_privilege(name, '{right}')" for right in ("INSERT", "UPDATE", "DELETE"))
    names = ", ".join(f"('{table._meta.table_name}')" for table in TABLES)
    return peewee.Select(
        columns=[
            SQL("current_setting('transaction_read_only')::BOOLEAN"),
            SQL(f"(SELECT bool_and({rights}) FROM (VALUES {names}) AS tables (name))"),
            *[fn.EXISTS(table.select(*table._meta.sorted_fields)) for table in TABLES],
        ]
    )


@prepared
def waiting_sessions(db: Database) -> Any:
    """How many sessions of this role have waited for a lock for a while."""
    return SQL(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user "
        f"AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - INTERVAL '{0.9 * GRACE} s'"
    )


def _function(cause: Any) -> str | None:
    """The function that an error of the driver comes from; None when it comes from a statement of ours."""
    diagnosis = getattr(cause, "diag", None)
    found = _FUNCTION.search(getattr(diagnosis, "context", None) or "")
    return found[1] if found else None


class _Connections(peewee.PostgresqlDatabase):
    """Peewee's database, whose connections are opened by `postgresql_session.connect`."""

    def __init__(self, url: str, settings: Callable[[], dict[str, str]], prepare_threshold: int | str | None) -> None:
        super().__init__(url, prefer_psycopg3=True)
        self._settings = settings
        self._prepare_threshold = prepare_threshold

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Opens this thread's connection; returns False when it has one and `reuse_if_open` is true.

        Peewee's own function holds a lock meanwhile: each thread would wait for the connections of all others.
        """
        state: Any = self._state  # type: ignore[attr-defined]  # not in its type information
        if not state.closed:
            return bool(super().connect(reuse_if_open))
        with peewee_errors:
            connection = self._connect()
        state.reset()
        state.set_connection(connection)
        self.server_version = connection.info.server_version
        return True

    def _connect(self) -> Connection:
        return connect(self.database, self._settings(), self._prepare_threshold)


class PostgresDatabase(Database):
    """PostgreSQL through psycopg 3."""

    kind = "postgresql"
    _takes_lists = True

    def __init__(
        self,
        url: str,
        described: str,
        *,
        busy_timeout: float,
        request_timeout: float,
        prepare_threshold: int | str | None,
        most_waiters: int,
    ) -> None:
        self._url = url
        self._settings = partial(wanted, busy_timeout, request_timeout)
        self._request_timeout = request_timeout
        super().__init__(_Connections(url, self._settings, prepare_threshold), described)
        self._waiters = Waiters(most_waiters, self._has_waiting_sessions)
        in_child(self._waiters.reset)
        self._growth = Growth(self)
        in_child(self._growth.reset)

    def exists(self) -> bool:
        return True

    def dump_command(self, target: Path) -> str | None:
        return f"pg_dump --format=custom --file={shlex.quote(str(target))} {self._public_url}{self._password_hint}"

    def restore_command(self, source: Path) -> str | None:
        options = "--clean --if-exists --no-owner --single-transaction"
        return f"pg_restore {options} --dbname={self._public_url} {shlex.quote(str(source))}{self._password_hint}"

    @property
    def _public_url(self) -> str:
        return shlex.quote(_PASSWORD.sub(lambda found: found[1] or found[2] or "", self._url))

    @property
    def _password_hint(self) -> str:
        """A comment for the shell, where the URL has a password."""
        return "" if _PASSWORD.search(self._url) is None else "  # the password from ~/.pgpass or PGPASSFILE"

    def check_health(self) -> None:
        ((read_only, may_write, *_),) = self.rows(health)
        if read_only:
            # The next connection may find the primary, where the URL has several hosts.
            self.close()
            raise unavailable(Trouble.READ_ONLY)
        if not may_write:
            raise unavailable(Trouble.BROKEN, "the role lacks a privilege")

    def session(self) -> Session:
        def work() -> Session:
            with peewee_errors:
                return describe(self.peewee.connection(), self._settings())

        self.close()
        # A new connection, as a request has it.
        with deadline.within(self._request_timeout):
            session = self.transact(work)
        self.close()
        return session

    # --- running statements ---------------------------------------------------------------------------------------

    def _send(self, sql: str, params: tuple[Any, ...], kept: bool) -> Any:
        # Queries of reports are sent with the values in the text, because their plans depend on the values.
        # Peewee's `connection` asks by two calls whether there is one.
        connection = self.peewee._state.conn or self.peewee.connection()
        return connection.execute(sql, params) if kept else ClientCursor(connection).execute(sql, params)

    def insert(self, into: Insert, rows: Sequence[Row]) -> None:
        if len(rows) <= 1:
            super().insert(into, rows)
            return
        # One statement for all rows: a statement for each row would cost each time as much again.
        sql = into.of_arrays.text(self).sql
        for chunk in chunks(rows, _MOST_ROWS):
            with peewee_errors:
                self._run(sql, tuple([list(column) for column in zip(*chunk, strict=True)]))

    def _state_of_data(self) -> tuple[Any, ...]:
        # Every transaction that writes has a number, and the snapshot shows which numbers are visible. It does not
        # show this transaction's own writes, so inside a transaction nothing is kept.
        return (object(),) if self.in_transaction else (self.scalar(snapshot),)

    # --- transactions ---------------------------------------------------------------------------------------------

    def _transact(self, work: Callable[[], T]) -> T:
        with self._waiters.place():
            result = super()._transact(work)
        self._growth.note()
        return result

    def _has_waiting_sessions(self) -> bool:
        """True when sessions in this database, of whatever process, have waited for locks for a while."""
        return bool(self.scalar(waiting_sessions))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # In a pipeline a statement travels with the next one that is waited for: fewer round trips and shorter locks
        # (docs/adr/0002-postgresql-pipeline.md).
        connection = self.peewee.connection()
        try:
            with peewee_errors:
                with connection.pipeline() as self._thread.pipeline:
                    connection.begin()
                    if connection.local:
                        set_settings(connection, connection.local, local=True)
                    self.peewee.push_transaction(self.peewee.transaction())
                    try:
                        yield
                    except BaseException:
                        self._recover()
                        raise
                    finally:
                        self.peewee.pop_transaction()
                # The pipeline ends when all is answered.
                self._thread.pipeline = None
                self._commit(connection)
        except BaseException:
            # The driver's own rollback: it also forgets statements that were to be prepared and then were not.
            if not connection.closed:
                with peewee_errors:
                    connection.rollback()
            raise
        finally:
            self._thread.pipeline = None

    def _commit(self, connection: Connection) -> None:
        """Commits, alone, and only while the deadline has not passed by the clock of the server.

        A COMMIT that travelled with statements which wait for a lock, or one that a frozen server or the network held
        back, would be carried out after the deadline (docs/adr/0010-deadlines.md).
        """
        deadline.check()
        commit = b"COMMIT"
        if deadline.is_set():
            # The server began the transaction before now. Two statements in one message: one trip, and an error in the
            # first is the end.
            seconds = b"%.3f" % deadline.remaining()
            commit = b"SELECT 1 / (clock_timestamp() < now() + INTERVAL '%b s')::INTEGER; COMMIT" % seconds
        self._thread.committing = True
        try:
            connection.command(commit)
        except psycopg.errors.DivisionByZero:
            self._thread.committing = False
            raise DeadlinePassed("COMMIT came too late to the server") from None

    def _settle(self) -> None:
        if self._thread.pipeline is not None:
            with peewee_errors:
                self._thread.pipeline.sync()

    def _recover(self) -> None:
        # After an error a pipeline accepts no statement until it is synchronised.
        try:
            self._settle()
        except peewee.PeeweeException:
            error_log.debug("The pipeline failed after another error, which is raised", exc_info=True)

    # --- errors ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _cause(error: BaseException | None) -> Any:
        """Returns the driver's error behind Peewee's, or None."""
        while error is not None and not hasattr(error, "sqlstate"):
            error = error.__cause__ or error.__context__
        return error

    def _state(self, error: Exception) -> State:
        """Returns what an error means."""
        cause = self._cause(error)
        if isinstance(cause, DeadlineError):
            return OVERDUE
        sqlstate = getattr(cause, "sqlstate", None)
        if not sqlstate and not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
            # The driver was given something that it cannot send, or Peewee something that it cannot say.
            return OURS
        state = state_of(sqlstate or "")
        # A code that PostgreSQL raises too, but in a function: scimlite has none.
        return OWN if state is OURS and _function(cause) is not None else state

    def _tries(self, error: Exception, *, committing: bool) -> int:
        state = self._state(error)
        return state.tries if state.rolled_back or not committing else 1

    def _connection_lost(self, error: Exception) -> bool:
        connection = self.peewee._state.conn
        return connection is None or connection.closed or self._state(error).lost

    def translated(self, error: Exception) -> Exception:
        state = self._state(error)
        cause = self._cause(error)
        if state.own:
            rule = _function(cause) or cause.diag.constraint_name or "unnamed"
            said = " ".join((cause.diag.message_primary or "").split())[:_LONGEST_REASON]
            return RefusedByRule(said, f"{cause.sqlstate} {type(cause).__name__}, {rule}")
        if state.trouble is None:
            return error
        # Without a code it is about the connection: the text says which, and holds no stored value.
        if cause.sqlstate:
            code = f"{cause.sqlstate} {type(cause).__name__}"
        else:
            # Without the quotation marks around host, role and database, in which the log would hide the cause.
            code = " ".join(re.sub("[\"']", "", str(cause)).split())[:300]
        return unavailable(state.trouble, f"{state.words or state.trouble.value} ({code})")

    def not_unique(self, error: peewee.IntegrityError, table: str, column: str) -> bool:
        diagnosis = getattr(self._cause(error), "diag", None)
        return getattr(diagnosis, "constraint_name", None) == f"{table}_{column}"

    # --- expressions ----------------------------------------------------------------------------------------------

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
        # As an array: for a join the planner would not know how few values there are.
        return peewee.Expression(column, "=", fn.ANY(fn.ARRAY(few)))

    def bound_list(self, name: str, kind: str) -> tuple[Any, Any]:
        return fn.unnest(peewee.NodeList((Slot(name), SQL(f"::{kind}[]")))).alias("each"), SQL("each")

    def json_rows(self, *columns: Any) -> Any:
        return fn.json_agg(fn.json_build_array(*columns)).cast("TEXT")

    def locking(self, query: Any) -> Any:
        # NO KEY, so that rows which only refer to the locked one (members, values) can still be inserted.
        return query.for_update("FOR NO KEY UPDATE")

    # --- migrations -----------------------------------------------------------------------------------------------

    @contextmanager
    def migrating(self) -> Iterator[None]:
        with self.peewee.atomic():
            self.peewee.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            yield
