"""SQLite: one file, one writer at a time."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import peewee
from peewee import SQL

from .. import deadline
from ..errors import DeadlinePassed, RefusedByRule, Unavailable
from ..obstacles import obstacle
from .batches import Batches, Job
from .database import Database, T
from .runner import peewee_errors
from .sqlite_connections import CHECKED_EVERY, Connections, Failure, Link
from .sqlite_dialect import SqliteDialect
from .sqlite_errors import is_full, rule_of, trouble_of
from .sqlite_file import DatabaseFile
from .sqlite_transaction import Transaction
from .statements import prepared
from .troubles import Trouble, unavailable
from .turns import Turns

#: Troubles that a reader does not notice.
_OF_WRITES = (Trouble.FULL, Trouble.IO, Trouble.MEMORY, Trouble.READ_ONLY)


@prepared
def data_version(db: Database) -> Any:
    """A number that changes when another connection writes."""
    return SQL("PRAGMA data_version")


def _in_time(job: Job) -> None:
    """Runs the work of a job, in the job's context. Raises DeadlinePassed when its deadline is over before it ends."""
    deadline.check()
    job.begun = True
    try:
        job.result = job.work()
    except peewee.OperationalError as error:
        # SQLite was interrupted.
        if deadline.remaining() <= 0:
            raise DeadlinePassed(str(error)) from error
        raise
    deadline.check()


class SqliteDatabase(SqliteDialect, Database):
    """SQLite in WAL mode: one writer at a time, readers never wait, acknowledged writes survive a power cut.

    Threads that write at the same time share a transaction (docs/adr/0001-shared-transactions.md).
    """

    kind = "sqlite"
    _takes_lists = False

    #: SQLITE_CORRUPT and the like are DatabaseErrors, SQLITE_NOMEM is a MemoryError.
    _unreachable = (peewee.DatabaseError, peewee.InterfaceError, MemoryError)

    def __init__(self, path: Path, *, busy_timeout: float = 5.0, most_waiters: int = 2) -> None:
        self.path = path
        self._file = DatabaseFile(path)
        self._link = Link()
        super().__init__(Connections(self._file, self._link, busy_timeout), f"SQLite file {path}")
        self._batches = Batches(Turns(self._file.path.parent).turn, self._carry_out, busy_timeout, most_waiters)
        #: How the last write failed, None when it succeeded.
        self._failure: Failure | None = None

    # --- the file -------------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        return os.path.exists(self.path)

    def obstacle(self) -> str | None:
        return obstacle(self.path.absolute())

    def create(self) -> None:
        # Only the owner may read it; SQLite gives its WAL files the same mode.
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.exists():
            self._file.set_remains_aside()
        # A file that exists is not opened: closing it would give up the locks of this process's connections.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def folders(self) -> list[Path]:
        return [self.path.absolute().parent]

    def remains(self) -> list[Path]:
        # When the file itself is there, its -wal file belongs to it.
        return [] if self.exists() else [self._file.wal]

    def size(self) -> int | None:
        # With the pages in the WAL that are not yet moved into the file.
        return (self.path.stat().st_size if self.path.exists() else 0) + self.wal_size()

    def wal_size(self) -> int:
        try:
            return self._file.wal.stat().st_size
        except OSError:
            # SQLite removes it with its last connection.
            return 0

    def hold(self) -> None:
        from . import sqlite_restore

        if (descriptor := sqlite_restore.hold(self.path.absolute())) >= 0:
            # Processes that are forked have it too, and the lock ends with the last of them.
            weakref.finalize(self, os.close, descriptor)

    def backup(self, target: Path) -> None:
        from . import sqlite_copy

        try:
            with peewee_errors:
                sqlite_copy.write(self.peewee.connection(), target, self.described)
        except peewee.DatabaseError as error:
            raise self.translated(error) from error

    # --- running statements ---------------------------------------------------------------------------------------

    def _state_of_data(self) -> tuple[Any, ...]:
        # The pragma reports writes of other connections, total_changes those of this one.
        version = self.scalar(data_version)
        connection = self.peewee.connection()
        return connection, version, connection.total_changes

    def _send(self, sql: str, params: tuple[Any, ...], kept: bool) -> Any:
        if self._link.check_at < time.monotonic():
            self._check_file()
        # Peewee's `connection` asks by two calls whether there is one.
        return (self.peewee._state.conn or self.peewee.connection()).execute(sql, params)

    def _check_file(self) -> None:
        """Raises Unavailable when the file or its WAL is not the one that this thread's connection uses.

        While it is not, every statement checks.
        """
        try:
            self._file.check(self._link.beside)
        except Unavailable:
            self._link.check_at = 0.0
            if self._link.beside is not None and not self.in_transaction and self._file.wal_is_taken_away:
                # This connection still has the WAL, and what was acknowledged is safe once it is in the file.
                self.peewee.connection().execute("PRAGMA wal_checkpoint(FULL)").fetchall()
            raise
        self._link.check_at = time.monotonic() + CHECKED_EVERY

    def check_place(self) -> None:
        self._check_file()

    def close(self) -> None:
        super().close()
        # The last connection that is closed removes the WAL, and the next one makes another.
        self._link.beside = None

    # --- transactions ---------------------------------------------------------------------------------------------

    def _transact(self, work: Callable[[], T]) -> T:
        if self._link.erasing:
            return super()._transact(work)
        job = Job(work, self._thread.statements)
        try:
            self._batches.run(job)
        except Unavailable:
            # It may have been the deadline that ended the waiting.
            deadline.check()
            raise
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
        except DeadlinePassed:
            # That of one job, not of all.
            return False
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
            job.context.run(_in_time, job)
            job.committed = thread.committed
        finally:
            thread.committed, thread.statements = committed, statements

    def _transaction(self) -> Transaction:
        return Transaction(self.peewee, self._acknowledge, self.close)

    def _acknowledge(self) -> None:
        """Follows each COMMIT: it is acknowledged only when it went into the file that is there."""
        self._check_file()
        self._failure = None

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        connection = self.peewee.connection()
        try:
            with self.peewee.atomic():
                yield
        except Exception as error:
            if connection.in_transaction:
                raise
            # SQLite rolled back the whole transaction, so that Peewee's return to the savepoint failed.
            self._fail(error)

    # --- errors and health ----------------------------------------------------------------------------------------

    def translated(self, error: Exception) -> Exception:
        found = trouble_of(error, self._file.path)
        if found is None:
            rule = rule_of(error)
            return error if rule is None else RefusedByRule(*rule)
        trouble, code = found
        reason = f"{trouble} ({code})"
        if trouble in _OF_WRITES:
            self._failure = Failure(trouble, reason)
        return unavailable(trouble, reason)

    def check_health(self) -> None:
        # Reads, and checks the file whenever the last check was.
        self._link.check_at = 0.0
        super().check_health()
        failure = self._failure
        if failure is None and not is_full(self._file.path):
            return
        if failure is not None and failure.is_fresh(self._file.path):
            raise unavailable(failure.trouble, failure.reason)
        # Another write may succeed by now. This one changes no row, and costs a page of the WAL.
        kept = SQL(f"PRAGMA user_version = {self.scalar(SQL('PRAGMA user_version'))}")
        self.transact(lambda: self.execute(kept))

    # --- migrations and erasure -----------------------------------------------------------------------------------

    @contextmanager
    def migrating(self) -> Iterator[None]:
        # Rebuilding a table (peewee's migrate drops and renames) must not cascade, and this pragma works only outside
        # a transaction.
        self.peewee.execute_sql("PRAGMA foreign_keys=OFF")
        try:
            with self._transaction():
                yield
        finally:
            self.peewee.execute_sql("PRAGMA foreign_keys=ON")

    @contextmanager
    def erasing(self) -> Iterator[None]:
        # The pragma belongs to this thread's connection, so this thread's transactions must run on it.
        self.peewee.execute_sql("PRAGMA secure_delete=ON")
        self._link.erasing = True
        try:
            yield
        finally:
            self._link.erasing = False
            self.peewee.execute_sql("PRAGMA secure_delete=OFF")
        # The WAL holds pages as they were; a reader that is busy at this moment leaves them to a later checkpoint.
        self.peewee.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
