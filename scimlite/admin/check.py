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
from . import check_directory, check_records
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
        for id, slug in run.apps():
            yield from self._guarded(f"the resources of {slug}", partial(check_directory.resources, run, id))
        yield from self._guarded("the memberships", partial(check_directory.members, run))
        yield from self._guarded("the report", partial(check_records.journal, run))
        yield from self._guarded("the counts", partial(check_records.tallies, run))
        yield from self._guarded("the tokens", partial(check_records.tokens, run))
        yield from self._guarded("the brakes", partial(check_records.brakes, run))
        if run.only is None:
            yield from self._guarded("what belongs to no app", partial(check_directory.strays, run))

    def _own(self) -> Iterator[int]:
        faults, notes = inspection.faults(self._run.db)
        for fault in faults:
            self._run.found(Kind.DATABASE, fault)
        self._run.notes.extend(notes)
        yield 0

    def _guarded(self, name: str, part: Callable[[], Iterator[int]]) -> Iterator[int]:
        """Goes on with the next part when the database gives up reading one."""
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
