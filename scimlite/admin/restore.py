"""Restores a backup of a SQLite database: it is checked first, and the former file is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..apps import keyring as keyrings
from ..apps.keyring import Keyring, TokenError
from ..db import Database, DatabaseError, feed_order, migration, open_database
from ..errors import OperatorError, Unavailable

#: The migration that made the feed.
_FEED = "0018_feed"


class RestoreError(OperatorError):
    """A backup cannot be restored; the text says why."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A checked backup: how much it holds, and what an operator should know before it is restored."""

    size: int
    apps: int
    users: int
    groups: int
    entries: int
    #: Migrations that `scimlite db upgrade` applies afterwards.
    pending: list[str]
    warnings: list[str] = field(default_factory=list)


class Restoration:
    """A backup that can be put in the place of the database."""

    def __init__(self, database: Path, copy: Path, backup: Backup) -> None:
        self._database = database
        self._copy = copy
        self.backup = backup

    def carry_out(self) -> Path | None:
        """Puts the backup in the database's place; returns where the former file is kept, None when there was none.

        Raises OperatorError when another process has the database open.
        """
        from ..db import sqlite_restore

        return sqlite_restore.swap(self._database, self._copy)


@contextmanager
def prepare(database: Path, file: Path, keyring: Keyring | None) -> Iterator[Restoration]:
    """Checks a backup, while no service can start on the database; nothing of it stays unless it is carried out.

    In: the path of the database, that of the backup, and the secret keys, None when there are none. Raises
    OperatorError when a service runs or the backup cannot be used, and OSError.
    """
    # Imported late, because the module loads the driver of SQLite.
    from ..db import sqlite_restore

    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with sqlite_restore.unserved(database), sqlite_restore.prepared(file, database) as copy:
        yield Restoration(database, copy, _inspected(copy, file, keyring))


def _inspected(copy: Path, file: Path, keyring: Keyring | None) -> Backup:
    db = open_database(f"sqlite:///{copy}")
    try:
        status = migration.status(db)
        if status.empty:
            raise RestoreError(f"{file} is a SQLite database, and none of scimlite: no migration was applied to it.")
        if status.unknown:
            names = ", ".join(status.unknown)
            raise RestoreError(
                f"{file} was made by a newer scimlite ({names}): install that version, and restore then."
            )
        changed = migration.changed(db)
        if changed:
            raise RestoreError(f"{file} was made by other migrations than those of this version: {', '.join(changed)}.")
        if _FEED in status.applied:
            # Its places lead to another past from here on.
            db.transact(partial(feed_order.begin_epoch, db))
        return _backup(db, copy.stat().st_size, status.pending, _key_warnings(db, keyring))
    except (DatabaseError, Unavailable) as error:
        raise RestoreError(f"{file} cannot be used: {' '.join(str(error.__cause__ or error).split())}.") from error
    finally:
        db.close()


def _backup(db: Database, size: int, pending: list[str], warnings: list[str]) -> Backup:
    def count(table: str, where: str = "deleted_at IS NULL") -> int:
        # By plain SQL, because the tables may be those of an earlier version.
        row: Any = db.peewee.execute_sql(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()
        return int(row[0])

    return Backup(
        size=size,
        apps=count("app"),
        users=count("resource", "deleted_at IS NULL AND type = 'User'"),
        groups=count("resource", "deleted_at IS NULL AND type = 'Group'"),
        entries=count("journal", "1 = 1"),
        pending=pending,
        warnings=warnings,
    )


def _key_warnings(db: Database, keyring: Keyring | None) -> list[str]:
    """What is wrong with the secret keys for the valid tokens of a backup."""
    if keyring is None:
        return ["There is no secret key here: put the one in place that was in use, before you start the service."]
    try:
        missing = keyrings.check_keys(db, keyring)
    except TokenError as error:
        return [str(error)]
    return [f"Some tokens need the secret key {key_id}, which is not given." for key_id in missing]
