"""Where a database stands against the migrations that this version of scimlite brings, and bringing it there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from ..errors import Unavailable
from . import Database

_DIRECTORY = str(Path(__file__).parent / "migrations")


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
    except (peewee.DatabaseError, peewee.InterfaceError) as error:
        raise _unusable(db, error) from error
    return SchemaStatus(
        [m.name for m in found if m.applied and m.path],
        [m.name for m in found if not m.applied],
        [m.name for m in found if not m.path],
    )


def _unusable(db: Database, error: Exception) -> Exception:
    """The error for an operator, who may know which database it is and what its driver says."""
    if not isinstance(db.translated(error), Unavailable):
        return error
    reason = db.obstacle() or " ".join(str(error).split()) or "no reason is known"
    return Unavailable(f"{db.described} cannot be used: {reason}.")


def upgrade(db: Database) -> list[str]:
    """Applies what is pending, in one transaction and under a lock; returns the names applied.

    Raises Unavailable when the database cannot be made or reached.
    """
    try:
        db.create()
    except OSError as error:
        reason = db.obstacle() or error.strerror
        raise Unavailable(f"{db.described} cannot be used: {reason}.") from error
    try:
        with db.migrating():
            return list(_runner(db).up())
    except (peewee.DatabaseError, peewee.InterfaceError) as error:
        raise _unusable(db, error) from error


def advice(db: Database, status: SchemaStatus) -> str:
    """What an operator should do about a database that is not current."""
    if status.unknown:
        return f"{db.described} was made by a newer scimlite ({', '.join(status.unknown)}): install that version."
    if status.empty:
        return f"There is no scimlite database in {db.described}. Run `scimlite db upgrade` to make one there."
    pending = ", ".join(status.pending)
    return f"{db.described} needs an upgrade ({pending}): run `scimlite db upgrade`, or `scimlite serve --upgrade`."


def ping(db: Database) -> None:
    """Asks the database for something; raises Unavailable when it does not answer."""
    db.scalar(peewee.Select(columns=[peewee.SQL("1")]))
