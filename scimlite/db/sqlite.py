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
from .batches import Batches, Job
from .database import Database, T, peewee_errors
from .statements import Slot, prepared
from .turns import Turns


@prepared
def _DATA_VERSION(db: Database) -> Any:
    return SQL("PRAGMA data_version")


class _Writing(threading.local):
    """Whether what a thread writes needs its own connection."""

    def __init__(self) -> None:
        self.alone = False


class SqliteDatabase(Database):
    """SQLite in WAL mode: one writer at a time, readers never wait, acknowledged writes survive a power cut.

    Threads that write at the same time share a transaction.
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
        self._writing = _Writing()

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
            with peewee_errors:
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

    def _transact(self, work: Callable[[], T]) -> T:
        if self._writing.alone:
            return super()._transact(work)
        job = Job(work)
        self._batches.run(job)
        if job.error is not None:
            raise job.error
        self._thread.committed += job.committed
        return job.result  # type: ignore[no-any-return]  # what `work` returned

    def _carry_out(self, jobs: Sequence[Job]) -> None:
        """Run jobs in one transaction; when one of them fails, each in one of its own: none is lost with another."""
        if len(jobs) > 1 and self._carry_out_together(jobs):
            return
        for job in jobs:
            try:
                super()._transact(partial(self._do, job))
            except Exception as error:
                job.error = error
            else:
                job.error = None

    def _carry_out_together(self, jobs: Sequence[Job]) -> bool:
        """Whether all of them have ended: they are durable, or there is no database for any of them."""
        ended: Exception | None = None
        try:
            super()._transact(partial(self._do_all, jobs))
        except Unavailable as error:
            ended = error
        except Exception:
            # Whose fault it was will be seen when each is tried by itself.
            return False
        for job in jobs:
            job.error = ended
        return True

    def _do_all(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._do(job)

    def _do(self, job: Job) -> None:
        # The leader's own are not to be mixed with those of the threads that it works for.
        committed, self._thread.committed = self._thread.committed, []
        try:
            job.result = job.work()
            job.committed = self._thread.committed
        finally:
            self._thread.committed = committed

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
        # A switch of this thread's connection, which no other thread's may then write for.
        self.peewee.execute_sql("PRAGMA secure_delete=ON")
        self._writing.alone = True
        try:
            yield
        finally:
            self._writing.alone = False
            self.peewee.execute_sql("PRAGMA secure_delete=OFF")
        # The WAL holds pages as they were; a reader that is busy at this moment leaves that to a later checkpoint.
        self.peewee.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def not_unique(self, error: peewee.IntegrityError, table: str, column: str) -> bool:
        return str(error).startswith("UNIQUE constraint failed") and str(error).endswith(f"{table}.{column}")
