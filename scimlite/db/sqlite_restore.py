"""Puts a backup in the place of a SQLite file while nobody uses the file; at each moment one of both is there."""

from __future__ import annotations

import fcntl
import glob
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import OperatorError
from . import sqlite_copy

#: The first bytes of a SQLite file, and of a dump by pg_dump.
_MAGIC, _PG_DUMP = b"SQLite format 3\0", b"PGDMP"
#: The file beside the database that `scimlite serve` holds a lock on.
_LOCK = "-serving"
_ADVICE = "Nothing was changed; take another backup."


class InUseError(OperatorError):
    """Another process uses the database."""


class UnusableError(OperatorError):
    """A file is no backup that can be restored."""


# --- who uses the database ----------------------------------------------------------------------------------------


def hold(database: Path) -> int:
    """Notes that this process serves the database, until it and the processes that it forks have ended.

    Returns the descriptor of the lock, -1 where there are no locks. Raises InUseError while the database is restored.
    """
    try:
        descriptor = os.open(f"{database}{_LOCK}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InUseError(f"{database} is being restored: start the service again when that has ended.") from None
    except OSError:
        # What is wrong with the folder is said when the database is opened.
        return -1
    return descriptor


@contextmanager
def unserved(database: Path) -> Iterator[None]:
    """A context in which no service can start on the database. Raises InUseError when one runs."""
    descriptor = os.open(f"{database}{_LOCK}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InUseError(f"A service runs on {database}: stop it first.") from None
    finally:
        os.close(descriptor)


# --- the backup ---------------------------------------------------------------------------------------------------


@contextmanager
def prepared(file: Path, database: Path) -> Iterator[Path]:
    """A checked copy of a backup beside the database; it is removed in the end, unless it was put in place.

    Raises UnusableError when the file is no SQLite database, DamagedError, NoRoomError, and OSError.
    """
    with file.open("rb") as opened:
        magic = opened.read(len(_MAGIC))
    if magic.startswith(_PG_DUMP):
        raise UnusableError(f"{file} is a dump of PostgreSQL, which pg_restore restores into a PostgreSQL database.")
    if magic != _MAGIC:
        raise UnusableError(f"{file} is no SQLite database.")
    if database.exists() and file.samefile(database):
        raise UnusableError(f"{file} is the database itself.")
    # Nobody else restores now: what is here was left by one that was killed.
    for left in database.parent.glob(f".{glob.escape(database.name[:200])}.*.partial*"):
        left.unlink(missing_ok=True)
    with sqlite_copy.temporary(database) as copy, closing(_opened(file)) as source:
        sqlite_copy.copy_into(source, copy, str(file), _ADVICE)
        yield copy


def _opened(file: Path) -> Any:
    """A connection that reads a backup, or a file that was copied together with its WAL."""
    connection = sqlite_copy.read_only(file)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        wal = file.with_name(f"{file.name}-wal")
        if sqlite_copy.is_damage(error):
            raise sqlite_copy.DamagedError(str(file), [str(error)], _ADVICE) from None
        if wal.exists() and wal.stat().st_size:
            raise UnusableError(
                f"{file} cannot be read with the changes in {wal.name}: copy both into a folder that you can write, "
                "and restore from there."
            ) from None
        # In a folder that cannot be written, a file in WAL mode can be read only as one that nobody writes.
        return sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)
    return connection


# --- putting it in place ------------------------------------------------------------------------------------------


def swap(database: Path, copy: Path) -> Path | None:
    """Puts a finished copy in the database's place; returns where the former file is kept, None when there was none.

    At each moment one of both is there, whole. Raises InUseError when another process has the database open.
    """
    sqlite_copy.flush(copy)
    if not database.exists():
        _remove_logs(database)
        os.replace(copy, database)
        sqlite_copy.flush(database.parent)
        return None
    found = database.stat()
    os.chmod(copy, found.st_mode & 0o777)
    if os.geteuid() == 0:
        # Restored by root, the file stays that of the user who runs the service.
        os.chown(copy, found.st_uid, found.st_gid)
    kept = _dated(database)
    with _alone(database):
        # Where the file was damaged, its log could not be moved into it, and is kept with it.
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.link(f"{database}{suffix}", f"{kept}{suffix}")
        sqlite_copy.flush(database.parent)
        # Before the new file is there: SQLite would take the log for its own.
        _remove_logs(database)
        os.replace(copy, database)
        sqlite_copy.flush(database.parent)
    return kept


def _remove_logs(database: Path) -> None:
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)


def _dated(database: Path) -> Path:
    """A name for the former file that nothing has yet."""
    stamp = time.strftime("%Y-%m-%dT%H%M%S")
    names = [f"{database.name}.before-{stamp}{more}" for more in ("", *(f"-{number}" for number in range(2, 1000)))]
    return next(path for name in names if not (path := database.with_name(name)).exists())


@contextmanager
def _alone(database: Path) -> Iterator[None]:
    """A context in which no other connection is open to a file, whose log has been moved into it.

    Raises InUseError. A damaged file cannot be locked by SQLite's own means, so nobody can use it either.
    """
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            # Leaving the WAL mode needs the file for this connection alone, also from those that are idle.
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if not sqlite_copy.is_damage(error):
                raise InUseError(
                    f"Another process has {database} open ({error}): stop the service, and what else uses it, first."
                ) from None
        yield
