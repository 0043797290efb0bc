"""SQLite: one file, one writer at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import peewee
from peewee import SQL, fn

from ..errors import Unavailable
from ..obstacles import obstacle
from .batches import Batches, Job
from .database import Database, T, peewee_errors
from .statements import Slot, prepared
from .turns import Turns

#: Parts of SQLite's messages that mean the database is locked or out of reach.
_UNAVAILABLE = (
    "locked",
    "busy",
    "unable to open",
    "disk i/o",
    "readonly",
    "full",
    "not a database",
    "no such table",
    "malformed",
)


@prepared
def data_version(db: Database) -> Any:
    """A number that changes when another connection writes."""
    return SQL("PRAGMA data_version")


class _Erasing(threading.local):
    """True in `on` while the thread's connection overwrites what it deletes."""

    def __init__(self) -> None:
        self.on = False


class SqliteDatabase(Database):
    """SQLite in WAL mode: one writer at a time, readers never wait, acknowledged writes survive a power cut.

    Threads that write at the same time share a transaction (docs/adr/0001-shared-transactions.md).
    """

    kind = "sqlite"

    def __init__(self, path: Path, *, busy_timeout: float = 5.0) -> None:
        self.path = path
        pragmas = {"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1, "cache_size": -16000}
        super().__init__(
            peewee.SqliteDatabase(str(path), pragmas=pragmas, timeout=busy_timeout, lock_type="IMMEDIATE"),
            f"SQLite file {path}",
        )
        self._batches = Batches(Turns(path.absolute().parent).turn, self._carry_out, busy_timeout)
        self._erasing = _Erasing()

    # --- the file -------------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        return os.path.exists(self.path)

    def obstacle(self) -> str | None:
        return obstacle(self.path.absolute())

    def create(self) -> None:
        # Only the owner may read it; SQLite gives its WAL files the same mode.
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    def size(self) -> int | None:
        # With the pages in the WAL that are not yet moved into the file.
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def backup(self, target: Path) -> None:
        from . import sqlite_copy

        try:
            with peewee_errors:
                sqlite_copy.write(self.peewee.connection(), target, self.described)
        except peewee.DatabaseError as error:
            raise self.translated(error) from error

    # --- running statements ---------------------------------------------------------------------------------------

    def _value(self, value: Any) -> Any:
        return orjson.dumps(value).decode() if type(value) is list else value

    def _state_of_data(self) -> tuple[Any, ...]:
        # The pragma reports writes of other connections, total_changes those of this one.
        connection = self.peewee.connection()
        return connection, self.scalar(data_version), connection.total_changes

    # --- transactions ---------------------------------------------------------------------------------------------

    def _transact(self, work: Callable[[], T]) -> T:
        if self._erasing.on:
            return super()._transact(work)
        job = Job(work, self._thread.statements)
        self._batches.run(job)
        if job.error is not None:
            raise job.error
        self._thread.committed += job.committed
        return job.result  # type: ignore[no-any-return]  # what `work` returned

    def _carry_out(self, jobs: Sequence[Job]) -> None:
        """Runs jobs in one transaction; when one of them fails, runs each in a transaction of its own.

        Sets the result or the error of each job.
        """
        if len(jobs) > 1 and self._carry_out_together(jobs):
            return
        for job in jobs:
            try:
                super()._transact(partial(self._run_job, job))
            except Exception as error:
                job.error = error
            else:
                job.error = None

    def _carry_out_together(self, jobs: Sequence[Job]) -> bool:
        """Returns True when all jobs have ended: they are durable, or the database is unavailable for all of them."""
        error: Exception | None = None
        try:
            super()._transact(partial(self._run_jobs, jobs))
        except Unavailable as unavailable:
            error = unavailable
        except Exception:
            # Which job failed shows when each runs by itself.
            return False
        for job in jobs:
            job.error = error
        return True

    def _run_jobs(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._run_job(job)

    def _run_job(self, job: Job) -> None:
        """Runs the work of a job with the callbacks and the statement list of the thread that asked for it."""
        thread = self._thread
        committed, statements = thread.committed, thread.statements
        thread.committed, thread.statements = [], job.statements
        try:
            job.result = job.context.run(job.work)
            job.committed = thread.committed
        finally:
            thread.committed, thread.statements = committed, statements

    def translated(self, error: Exception) -> Exception:
        text = str(error).lower()
        return super().translated(error) if any(words in text for words in _UNAVAILABLE) else error

    def not_unique(self, error: peewee.IntegrityError, table: str, column: str) -> bool:
        return str(error).startswith("UNIQUE constraint failed") and str(error).endswith(f"{table}.{column}")

    # --- expressions ----------------------------------------------------------------------------------------------

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

    def bound_list(self, name: str, kind: str) -> tuple[Any, Any]:
        return fn.json_each(Slot(name)).alias("each"), SQL("each.value")

    def json_rows(self, *columns: Any) -> Any:
        return fn.json_group_array(fn.json_array(*columns))

    def locking(self, query: Any) -> Any:
        return query

    # --- migrations and erasure -----------------------------------------------------------------------------------

    @contextmanager
    def migrating(self) -> Iterator[None]:
        # Rebuilding a table (peewee's migrate drops and renames) must not cascade, and this pragma works only outside
        # a transaction.
        self.peewee.execute_sql("PRAGMA foreign_keys=OFF")
        try:
            with self.peewee.atomic("IMMEDIATE"):
                yield
        finally:
            self.peewee.execute_sql("PRAGMA foreign_keys=ON")

    @contextmanager
    def erasing(self) -> Iterator[None]:
        # The pragma belongs to this thread's connection, so this thread's transactions must run on it.
        self.peewee.execute_sql("PRAGMA secure_delete=ON")
        self._erasing.on = True
        try:
            yield
        finally:
            self._erasing.on = False
            self.peewee.execute_sql("PRAGMA secure_delete=OFF")
        # The WAL holds pages as they were; a reader that is busy at this moment leaves them to a later checkpoint.
        self.peewee.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
