"""What SQLite's result codes mean: one table from code to trouble.

Source: https://www.sqlite.org/rescode.html. The driver maps most codes to OperationalError, some to DatabaseError and
SQLITE_NOMEM to MemoryError, so that the code says more than the class.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from .troubles import Trouble

#: The trouble of each code; an extended code that is not here means what its primary code (the lowest byte) means.
#: Codes that are missing are faults of ours, such as SQLITE_ERROR (wrong SQL), SQLITE_CONSTRAINT and SQLITE_MISUSE.
_TROUBLES = {
    sqlite3.SQLITE_BUSY: Trouble.BUSY,
    sqlite3.SQLITE_LOCKED: Trouble.BUSY,
    sqlite3.SQLITE_PROTOCOL: Trouble.BUSY,
    sqlite3.SQLITE_SCHEMA: Trouble.BUSY,
    sqlite3.SQLITE_INTERRUPT: Trouble.BUSY,
    sqlite3.SQLITE_CANTOPEN: Trouble.UNREACHABLE,
    sqlite3.SQLITE_PERM: Trouble.UNREACHABLE,
    sqlite3.SQLITE_AUTH: Trouble.UNREACHABLE,
    sqlite3.SQLITE_NOLFS: Trouble.FULL,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_READONLY_DBMOVED: Trouble.REPLACED,
    sqlite3.SQLITE_IOERR: Trouble.IO,
    sqlite3.SQLITE_IOERR_NOMEM: Trouble.MEMORY,
    sqlite3.SQLITE_NOMEM: Trouble.MEMORY,
    sqlite3.SQLITE_CORRUPT: Trouble.BROKEN,
    sqlite3.SQLITE_NOTADB: Trouble.BROKEN,
    sqlite3.SQLITE_FORMAT: Trouble.BROKEN,
}
#: What a trigger with RAISE and a CHECK constraint raise: scimlite has neither.
_RULES = (sqlite3.SQLITE_CONSTRAINT_TRIGGER, sqlite3.SQLITE_CONSTRAINT_CHECK)
#: SQLITE_ERROR has one meaning that is no fault of ours, a database without its tables; only the message tells.
_MISSING = ("no such table", "no such column")
#: Troubles that a full disk can look like: SQLite makes the -wal and -shm files, which fails with CANTOPEN or IOERR.
_MAYBE_FULL = (Trouble.IO, Trouble.UNREACHABLE)
#: Bytes; with less, SQLite cannot lengthen the -shm file, which grows by 32 KiB.
_LEAST = 64 * 1024


def trouble_of(error: BaseException, file: Path) -> tuple[Trouble, str] | None:
    """Returns what an error means, and SQLite's name of its code or, when it is damaged, what is; None for ours.

    In: an error of Peewee or the driver; the database's file. An error that hides another one, such as a ROLLBACK that
    failed because SQLite had rolled back already, means what the hidden one means.
    """
    for cause in _chain(error):
        if isinstance(cause, MemoryError):
            return Trouble.MEMORY, "SQLITE_NOMEM"
        code = getattr(cause, "sqlite_errorcode", None)
        if code is None:
            continue
        trouble = _TROUBLES.get(code) or _TROUBLES.get(code & 0xFF)
        if trouble is None and code == sqlite3.SQLITE_ERROR and str(cause).startswith(_MISSING):
            trouble = Trouble.BROKEN
        if trouble in _MAYBE_FULL and is_full(file):
            trouble = Trouble.FULL
        if trouble is not None:
            return trouble, str(cause) if trouble is Trouble.BROKEN else getattr(cause, "sqlite_errorname", "")
        if code != sqlite3.SQLITE_ERROR:
            return None
    return None


def rule_of(error: BaseException) -> tuple[str, str] | None:
    """Returns what a rule of the operator's own says and SQLite's name of the code; None for other errors."""
    for cause in _chain(error):
        if getattr(cause, "sqlite_errorcode", None) in _RULES:
            return str(cause), getattr(cause, "sqlite_errorname", "")
    return None


def is_full(file: Path, least: int = _LEAST) -> bool:
    """True when the file system of a file has less than `least` bytes for this user, or no inodes for more files."""
    try:
        found = os.statvfs(file.parent)
    except OSError:
        return False
    # A part of most file systems is kept for root.
    blocks, inodes = (found.f_bfree, found.f_ffree) if os.geteuid() == 0 else (found.f_bavail, found.f_favail)
    return blocks * found.f_frsize < least or (found.f_files > 0 and inodes == 0)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error and what caused it, the newest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        # Peewee wraps the driver's error, and keeps it as its context.
        error = error.__cause__ or error.__context__
