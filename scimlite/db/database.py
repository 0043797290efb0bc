"""What both databases have in common beside statements: transactions with retries, errors, and the whole of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import peewee

from .. import deadline
from ..errors import DeadlinePassed, Unavailable, Unconfirmed
from ..redaction import error_log
from .runner import Row, Runner
from .troubles import Trouble, unavailable

if TYPE_CHECKING:
    # psycopg takes 0.2 s to load, and SQLite does not need it.
    from .postgresql_session import Session

#: The root of all errors that a database raises.
DatabaseError = peewee.PeeweeException

T = TypeVar("T")

#: Chooses the waits between tries. It is not the global generator, whose numbers belong to the host application, and
#: forked processes do not share its state.
_JITTER = random.SystemRandom()


class Database(Runner):
    """A SQLite file or a PostgreSQL database. Each thread keeps its own connection.

    Connecting anew for each request would cost two to three times the CPU on SQLite and six to eleven times on
    PostgreSQL (docs/adr/0005-a-connection-for-each-thread.md).
    """

    def __init__(self, peewee_database: Any, described: str) -> None:
        super().__init__(peewee_database)
        #: The database's location for messages, without a password.
        self.described = described

    # --- transactions ---------------------------------------------------------------------------------------------

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

    def _recover(self) -> None:
        """After an error, make the connection accept the statements that roll back."""

    def _tries(self, error: Exception, *, committing: bool) -> int:
        """Returns how often in all a transaction may be tried that failed with this error.

        In: `committing`, True when COMMIT was sent. A connection that is lost then may have lost no more than the
        answer; only the client can find out, so the work is not repeated. One that is lost earlier has written nothing.
        """
        return 1

    def translated(self, error: Exception) -> Exception:
        """Returns Unavailable for a database that cannot be used, RefusedByRule for what the operator has forbidden in
        it, else the error itself: a fault of ours."""
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

    def check_place(self) -> None:
        """Raises Unavailable when what was read may come from another database, which took the place of this one."""

    def session(self) -> Session | None:
        """Returns what this thread's connection to a server has; None for a file. Raises Unavailable."""
        return None

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
        """Returns the shell command of the database's own tool that writes a backup; None where `backup` writes it.

        It holds no password, because every user of a machine sees the command lines of all processes.
        """
        return None

    def restore_command(self, source: Path) -> str | None:
        """Returns the shell command that puts such a backup into the database; None as above."""
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
