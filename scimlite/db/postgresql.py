"""PostgreSQL through psycopg 3, whose transactions travel in a pipeline."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import peewee
from peewee import SQL, fn
from psycopg import ClientCursor

from .database import Database, Row, chunks, peewee_errors
from .statements import Insert, Slot, prepared

_log = logging.getLogger("scimlite.error")

#: Rows that one INSERT of PostgreSQL brings.
_MOST_ROWS = 2000
#: PostgreSQL SQLSTATEs after which the same transaction may succeed: serialization failure, deadlock.
_RETRYABLE = {"40001", "40P01"}
#: Seconds to wait for a PostgreSQL server that does not answer.
_CONNECT_TIMEOUT = 5
#: Any number that other software on the same server is unlikely to take: the lock around migrations.
_MIGRATION_LOCK = 76_437_644


@prepared
def _SNAPSHOT(db: Database) -> Any:
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
            with peewee_errors, connection.pipeline() as self._thread.pipeline:
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
                with peewee_errors:
                    connection.rollback()
            raise
        finally:
            self._thread.pipeline = None

    def _settle(self) -> None:
        if self._thread.pipeline is not None:
            with peewee_errors:
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
            with peewee_errors:
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
