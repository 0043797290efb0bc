"""Where a database stands against the migrations that this version of scimlite brings, and bringing it there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peewee
from playhouse.migrations import Runner

from ..errors import OperatorError, Unavailable
from . import Database, refusal

_DIRECTORY = str(Path(__file__).parent / "migrations")
#: The table in which the runner notes what it applied; the column `checksum` is ours (migration 0013).
TABLE = "schema_migration"


class ChangedMigrationError(OperatorError):
    """Migrations that this version brings differ from those that were applied under the same names."""

    def __init__(self, db: Database, names: list[str]) -> None:
        super().__init__(
            f"{db.described} was made by other migrations than those of this version: {', '.join(names)} "
            f"{'was' if len(names) == 1 else 'were'} changed after being applied. Install the version that made the "
            "database, or restore a backup of a released version."
        )


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Names of the migrations that were applied, that are to come, and that only a newer scimlite knows."""

    applied: list[str]
    pending: list[str]
    unknown: list[str]

    @property
    def empty(self) -> bool:
        """Whether nothing was ever applied."""
        return not self.applied

    @property
    def current(self) -> bool:
        """Whether the database is exactly what this version expects."""
        return not self.pending and not self.unknown


def _runner(db: Database) -> Runner:
    return Runner(db.peewee, _DIRECTORY)


def status(db: Database) -> SchemaStatus:
    """Compares the database with the migrations; reads only. Raises Unavailable when it cannot be reached."""
    if not db.exists():
        obstacle = db.obstacle()
        if obstacle is not None:
            raise Unavailable(f"{db.described} cannot be used: {obstacle}.")
        return SchemaStatus([], [migration.name for migration in _runner(db).migrations()], [])
    try:
        found = _runner(db).status()
    except (peewee.DatabaseError, peewee.InterfaceError, MemoryError, Unavailable) as error:
        raise _unusable(db, error) from error
    return SchemaStatus(
        [m.name for m in found if m.applied and m.path],
        [m.name for m in found if not m.applied],
        [m.name for m in found if not m.path],
    )


def _unusable(db: Database, error: Exception) -> Exception:
    """The error for an operator, who may know which database it is and what its driver says."""
    translated = db.translated(error)
    if not isinstance(translated, Unavailable) and refusal(error) is None:
        return translated
    reason = (
        db.obstacle() or getattr(translated, "reason", None) or " ".join(str(error).split()) or "no reason is known"
    )
    return Unavailable(f"{db.described} cannot be used: {reason}.")


def upgrade(db: Database) -> list[str]:
    """Applies what is pending, in one transaction and under a lock; returns the names applied.

    Raises Unavailable when the database cannot be made or reached, and ChangedMigrationError when it was made by other
    migrations.
    """
    try:
        db.create()
    except OSError as error:
        reason = db.obstacle() or error.strerror
        raise Unavailable(f"{db.described} cannot be used: {reason}.") from error
    except Unavailable as error:
        raise _unusable(db, error) from error
    try:
        with db.migrating():
            names = changed(db)
            if names:
                raise ChangedMigrationError(db, names)
            applied = list(_runner(db).up())
            _note_checksums(db)
            return applied
    except (peewee.DatabaseError, peewee.InterfaceError, MemoryError, Unavailable) as error:
        raise _unusable(db, error) from error


def checksums() -> dict[str, str]:
    """The SHA-256 of each migration of this version, by its name."""
    found = _files()
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}


def _files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(Path(_DIRECTORY).glob("[0-9]*.py"))}


def changed(db: Database) -> list[str]:
    """The names of applied migrations whose text is another one now; reads only.

    A migration that was applied before checksums were noted has none until the next upgrade, and is not compared.
    """
    if not db.exists() or not _has_checksums(db):
        return []
    rows = db.peewee.execute_sql(f"SELECT name, checksum FROM {TABLE} WHERE checksum IS NOT NULL").fetchall()
    present = checksums()
    return sorted(name for name, noted in rows if name in present and present[name] != noted)


def _note_checksums(db: Database) -> None:
    """Notes the checksums of applied migrations that have none yet."""
    if not _has_checksums(db):
        return
    mark = db.peewee.param
    query = f"UPDATE {TABLE} SET checksum = {mark} WHERE name = {mark} AND checksum IS NULL"
    for name, checksum in checksums().items():
        db.peewee.execute_sql(query, (checksum, name))


def _has_checksums(db: Database) -> bool:
    database: Any = db.peewee
    return TABLE in database.get_tables() and "checksum" in {column.name for column in database.get_columns(TABLE)}


def advice(db: Database, status: SchemaStatus) -> str:
    """What an operator should do about a database that is not current."""
    if status.unknown:
        return f"{db.described} was made by a newer scimlite ({', '.join(status.unknown)}): install that version."
    if status.empty:
        return f"There is no scimlite database in {db.described}. Run `scimlite db upgrade` to make one there."
    pending = ", ".join(status.pending)
    return f"{db.described} needs an upgrade ({pending}): run `scimlite db upgrade`, or `scimlite serve --upgrade`."
