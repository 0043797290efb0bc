"""Checks that a database is sound: by its own means, and that all that is stored twice or refers to something agrees.

Nothing is changed. Everything is read in chunks, each in a transaction of its own that sees one state: a client that
writes meanwhile makes no finding, and no transaction stays open for longer than a chunk takes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import NamedTuple

from peewee import SQL, fn

from .. import apps
from ..db import Database, DatabaseError, inspection
from ..db.tables import AppRow, JournalRow, MemberRow, ResourceRow
from ..errors import Unavailable
from . import check_directory, check_records, check_tables
from .check_findings import Findings, Kind
from .check_run import Run


class Counts(NamedTuple):
    """How much is checked."""

    apps: int
    resources: int
    memberships: int
    entries: int


class Check:
    """A check of one app, or of the whole database."""

    def __init__(self, db: Database, app: str | None = None, keys: Collection[str] | None = None) -> None:
        """In: slug or name of the app, None for all; the secret keys' fingerprints, None when they are unknown.

        Raises AppError when there is no such app.
        """
        self._run = Run(db, None if app is None else _id_of(db, app), keys)
        if keys is None:
            self._run.notes.append("Tokens were not compared with the secret key, because none is given.")

    @property
    def findings(self) -> Findings:
        """What was found so far."""
        return self._run.findings

    @property
    def notes(self) -> list[str]:
        """What could not be looked at, and what to do about it."""
        return self._run.notes

    @property
    def begins_with(self) -> str:
        """What the database does first, in words: it says nothing meanwhile, and takes some seconds for each 100 MB."""
        size = self._run.db.size()
        if size is None:
            return "PostgreSQL checks constraints and indexes"
        return f"SQLite checks its {max(size // 1_000_000, 1):,} MB"

    def counts(self) -> Counts:
        """Counts what there is to check; zero for a table that cannot be read."""
        run = self._run
        counts = []
        for table in (ResourceRow, MemberRow, JournalRow):
            try:
                counts.append(int(run.db.scalar(run.narrowed(table.select(fn.count(SQL("*"))), table.app_id))))
            except (Unavailable, DatabaseError):
                counts.append(0)
        return Counts(len(run.apps()), *counts)

    def run(self) -> Iterator[int]:
        """Checks everything; yields how many of the rows in `counts` each step has checked."""
        run = self._run
        yield from self._guarded("the database's own check", self._own)
        yield from self._guarded("the apps", partial(check_records.apps, run))
        for id, slug in run.apps():
            yield from self._guarded(f"the resources of {slug}", partial(check_directory.resources, run, id))
        parts: list[tuple[str, Callable[[Run], Iterator[int]]]] = [
            ("the memberships", check_directory.members),
            ("the report", check_records.journal),
            ("the names", check_records.names),
            ("the counts", check_records.tallies),
            ("the tokens", check_records.tokens),
            ("the brakes", check_records.brakes),
            ("refused requests, links and webhooks", check_tables.of_apps),
        ]
        if run.only is None:
            parts += [
                ("the installation", check_tables.installation),
                ("what belongs to no app", check_directory.strays),
            ]
        for name, part in parts:
            yield from self._guarded(name, partial(part, run))

    def _own(self) -> Iterator[int]:
        faults, notes = inspection.faults(self._run.db)
        for fault in faults:
            self._run.found(Kind.DATABASE, fault)
        self._run.notes.extend(notes)
        yield 0

    def _guarded(self, name: str, part: Callable[[], Iterator[int]]) -> Iterator[int]:
        """Goes on with the next part when the database gives up reading one."""
        inspection.take_any_text(self._run.db)
        try:
            yield from part()
        except (Unavailable, DatabaseError) as error:
            reason = error.__cause__ or error
            self._run.found(Kind.UNREADABLE, f"{name}: {' '.join(str(reason).split())[:300]}")
            self._run.db.close()


def _id_of(db: Database, name: str) -> int:
    """The id of an app, by its slug even when its settings cannot be read."""
    id = db.scalar(AppRow.select(AppRow.id).where(AppRow.slug == name, AppRow.deleted_at.is_null()))
    return apps.get(db, name).id if id is None else int(id)
