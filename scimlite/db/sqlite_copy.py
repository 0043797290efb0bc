"""Copies of a SQLite file: written while it is in use, checked, and put in place only when they are whole."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..errors import OperatorError

#: Faults that an error names.
_MOST_NAMED = 3
_ADVICE = "Nothing was written. `scimlite db check` says what is wrong; restore a former backup."
#: File systems without hard links say this when a link is made.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


class DamagedError(OperatorError):
    """A SQLite file is not sound; `faults` are SQLite's own words."""

    def __init__(self, what: str, faults: Sequence[str], advice: str) -> None:
        more = f" and {len(faults) - _MOST_NAMED:,} more" if len(faults) > _MOST_NAMED else ""
        super().__init__(f"{what} is damaged: {'; '.join(faults[:_MOST_NAMED])}{more}. {advice}")
        self.faults = list(faults)


class NoRoomError(OperatorError):
    """There is not enough free space in a folder for a copy."""

    def __init__(self, folder: Path, needed: int) -> None:
        free = shutil.disk_usage(folder).free
        super().__init__(
            f"There is not enough free space in {folder}: the copy needs {needed / 1e6:,.1f} MB, and {free / 1e6:,.1f} "
            "MB are free. Nothing was written."
        )


class CopyError(OperatorError):
    """A copy could not be written for a reason of the file system."""

    def __init__(self, described: str, folder: Path, reason: str) -> None:
        super().__init__(f"{described} cannot be copied to {folder}: {reason}. Nothing was written.")


# --- what is sound ------------------------------------------------------------------------------------------------


def faults(connection: Any, *, thorough: bool = False) -> list[str]:
    """What SQLite finds wrong with a database; `thorough` also compares each index with its table.

    With 100,000 users (340 MB) it takes 4 seconds, thorough ones 7.
    """
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA {'integrity' if thorough else 'quick'}_check")]
        orphans: dict[tuple[str, str], int] = {}
        for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            orphans[table, parent] = orphans.get((table, parent), 0) + 1
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return [str(error)]
        raise
    lines = [line for text in found if text != "ok" for line in text.splitlines()]
    return lines + [f"{count:,} rows of {table} refer to no {parent}" for (table, parent), count in orphans.items()]


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code of an error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """True when SQLite says that the file is damaged, or no database."""
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "unsupported file format" in str(error)


def read_only(path: Path) -> Any:
    """A connection that only reads a file; the caller closes it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


# --- writing a copy -----------------------------------------------------------------------------------------------


def write(source: Any, target: Path, described: str) -> None:
    """Copies a database to a new file, which only the owner may read; the file appears when it is whole and checked.

    In: an open connection to the database, and its name for messages. Raises FileExistsError rather than overwrite a
    file, OSError when the file cannot be written, NoRoomError, and DamagedError when the database is not sound.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    with temporary(target) as copy:
        copy_into(source, copy, described)
        publish(copy, target)


@contextmanager
def temporary(target: Path) -> Iterator[Path]:
    """An empty file beside the target, for the owner alone; what is left of it in the end is removed."""
    path = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.partial")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        yield path
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def copy_into(source: Any, copy: Path, described: str, advice: str = _ADVICE) -> None:
    """Copies a database into an empty file, and checks that the file holds what the database holds.

    In: the name of the database, and what to do when it is damaged, both for messages.
    """
    needed = source.execute("PRAGMA page_count").fetchone()[0] * source.execute("PRAGMA page_size").fetchone()[0]
    if shutil.disk_usage(copy.parent).free < needed:
        raise NoRoomError(copy.parent, needed)
    # One state for the copy and for the rows that are counted; reading the first row fixes it.
    source.execute("BEGIN")
    try:
        wanted = contents(source)
        with closing(sqlite3.connect(copy)) as opened:
            # Written to the disk once, in the end.
            opened.execute("PRAGMA synchronous=OFF")
            # In one step: between steps a busy writer would make it begin again and again. In WAL mode it holds up
            # neither readers nor writers.
            source.backup(opened)
            # A single file, which can be read where nothing can be written.
            opened.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.DatabaseError as error:
        if _code(error) == sqlite3.SQLITE_FULL:
            raise NoRoomError(copy.parent, needed) from None
        if is_damage(error):
            raise DamagedError(described, [str(error)], advice) from None
        if _code(error) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise CopyError(described, copy.parent, str(error)) from None
        raise
    finally:
        if source.in_transaction:
            source.execute("ROLLBACK")
    _verify(copy, wanted, described, advice)


def _verify(copy: Path, wanted: dict[str, Any], described: str, advice: str) -> None:
    with closing(read_only(copy)) as opened:
        found = faults(opened)
        if not found and contents(opened) != wanted:
            found = ["the copy does not hold the rows of the original"]
    if found:
        raise DamagedError(described, found, advice)


def contents(connection: Any) -> dict[str, Any]:
    """The number of rows by table, and the names of the applied migrations."""
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    names = [name for (name,) in connection.execute(tables).fetchall()]
    counts: dict[str, Any] = {
        name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in sorted(names)
    }
    if "schema_migration" in counts:
        rows = connection.execute("SELECT name FROM schema_migration ORDER BY name").fetchall()
        counts["schema_migration"] = [name for (name,) in rows]
    return counts


def publish(copy: Path, target: Path) -> None:
    """Gives a finished file its name, once it is durable. Raises FileExistsError rather than overwrite a file."""
    flush(copy)
    try:
        # Unlike a rename, a link never writes over what appeared meanwhile.
        os.link(copy, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.rename(copy, target)
    flush(target.parent)


def flush(path: Path) -> None:
    """Makes a file, or the names in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
