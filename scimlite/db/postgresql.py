"""PostgreSQL through psycopg 3, whose transactions travel in a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peewee
from peewee import SQL, fn
from psycopg import ClientCursor

from ..redaction import error_log
from .database import Database, Row, chunks, peewee_errors
from .statements import Insert, Slot, prepared

#: Rows of one INSERT statement.
_MOST_ROWS = 2000
#: PostgreSQL SQLSTATEs after which the same transaction may succeed: serialization failure, deadlock.
_RETRYABLE = {"40001", "40P01"}
#: Seconds to wait for a PostgreSQL server that does not answer.
_CONNECT_TIMEOUT = 5
#: The key of the advisory lock around migrations: a number that other software on the same server hardly takes.
_MIGRATION_LOCK = 76_437_644


@prepared
def snapshot(db: Database) -> Any:
    """Which transactions this one sees, as text."""
    return peewee.Select(columns=[fn.pg_current_snapshot().cast("TEXT")])


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
                        # Planning a look-up takes five times as long as running it, and by its own rule PostgreSQL
                        # goes on planning it each time. The text of a Statement decides about the plan, its values
                        # do not (docs/adr/0003-prepared-texts.md).
                        ("plan_cache_mode", "force_generic_plan"),
                    )
                ),
            ),
            described,
        )

    def exists(self) -> bool:
        return True

    def dump_command(self, target: Path) -> str | None:
        return f'pg_dump --format=custom --file={target} "$SCIMLITE_DATABASE_URL"'

    # --- running statements ---------------------------------------------------------------------------------------

    def _value(self, value: Any) -> Any:
        return value

    def _send(self, sql: str, params: tuple[Any, ...], kept: bool) -> Any:
        # Queries of reports are sent with the values in the text, because their plans depend on the values.
        connection = self.peewee.connection()
        return connection.execute(sql, params) if kept else ClientCursor(connection).execute(sql, params)

    def insert(self, into: Insert, rows: Sequence[Row]) -> None:
        if len(rows) <= 1:
            super().insert(into, rows)
            return
        # One statement for all rows: a statement for each row would cost each time as much again.
        sql, _ = into.of_arrays.text(self)
        for chunk in chunks(rows, _MOST_ROWS):
            with peewee_errors:
                self._run(sql, tuple([list(column) for column in zip(*chunk, strict=True)]))

    def _state_of_data(self) -> tuple[Any, ...]:
        # Every transaction that writes has a number, and the snapshot shows which numbers are visible. It does not
        # show this transaction's own writes, so inside a transaction nothing is kept.
        return (object(),) if self.in_transaction else (self.scalar(snapshot),)

    # --- transactions ---------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # In a pipeline a statement travels with the next one that is waited for, the last ones with COMMIT: fewer
        # round trips and shorter locks (docs/adr/0002-postgresql-pipeline.md).
        connection = self.peewee.connection()
        try:
            with peewee_errors, connection.pipeline() as self._thread.pipeline:
                self.peewee.begin()
                self.peewee.push_transaction(self.peewee.transaction())
                try:
                    yield
                except BaseException:
                    self._recover()
                    raise
                finally:
                    self.peewee.pop_transaction()
                self.peewee.commit()
        except BaseException:
            # The driver's own rollback: it also forgets statements that were to be prepared and then were not.
            if not connection.closed:
                with peewee_errors:
                    connection.rollback()
            raise
        finally:
            self._thread.pipeline = None

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

    def _state(self, error: BaseException) -> str:
        """Returns the SQLSTATE of an error, or an empty string."""
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
        unavailable = not state or state[:2] in ("08", "53", "57", "58") or state in ("55P03", "25006", *_RETRYABLE)
        return super().translated(error) if unavailable else error

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
