"""Reads apps, entries of the journal, names, counts, tokens and brakes in chunks, and compares them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import peewee

from ..apps import App
from ..db import chunks, inspection
from ..db.tables import AliasRow, AppRow, BrakeRow, DepartureRow, JournalRow, ResourceRow, TallyRow, TokenRow
from ..journal import Action
from ..scim import core
from . import check_brake, check_entries, check_tables, check_values
from .check_entries import Subject
from .check_findings import Kind
from .check_rows import Facts
from .check_run import Run

#: Ids bound in one statement.
_IDS = 500


class _About(NamedTuple):
    """What entries, names and tokens refer to."""

    facts: Facts
    #: The resources by the id that clients see, and the ids of those that were purged or erased.
    subjects: dict[str, Subject]
    ended: set[str]
    #: The ids of apps that are not deleted, and of those of which no entry was ever pruned.
    living: set[int]
    whole: set[int]


def _about(run: Run, ids: Sequence[str | None]) -> _About:
    known = check_tables.facts(run)
    living = {id for (id,) in run.db.rows(AppRow.select(AppRow.id).where(AppRow.deleted_at.is_null()))}
    wanted = sorted({id for id in ids if isinstance(id, str)})
    query = ResourceRow.select(ResourceRow.uuid, ResourceRow.app_id, ResourceRow.type, ResourceRow.created_at)
    subjects: dict[str, Subject] = {}
    for some in chunks(wanted, _IDS):
        for uuid, *subject in run.db.rows(
            query.where(ResourceRow.app_id.in_(list(known.slugs)), ResourceRow.uuid.in_(some))
        ):
            subjects[uuid] = Subject(*subject)
    return _About(known, subjects, _ended(run, [id for id in wanted if id not in subjects]), living, run.whole())


def _ended(run: Run, ids: Sequence[str]) -> set[str]:
    """Those of some ids that an entry says were purged or erased."""
    found: set[str] = set()
    ends = (Action.PURGED.value, Action.ERASED.value)
    for some in chunks(ids, _IDS):
        for column in (JournalRow.user_uuid, JournalRow.group_uuid):
            query = JournalRow.select(column).where(column.in_(some), JournalRow.action.in_(ends))
            found |= {row[0] for row in run.db.rows(query)}
    return found


def apps(run: Run) -> Iterator[int]:
    """The apps themselves, deleted ones too."""
    query = AppRow.select(*check_values.columns(AppRow)).order_by(AppRow.id)
    with inspection.one_state(run.db):
        rows = run.db.rows(run.narrowed(query, AppRow.id))
        known = check_tables.facts(run)
    record = check_values.record(AppRow)
    for row in map(record._make, rows):
        sound = check_tables.judge(run, AppRow, Kind.APPS, row, known)
        if sound and row.deleted_at is None:
            sound = run.parse(row)
        if not sound:
            run.unreadable.add(row.id)
    yield 0


def journal(run: Run) -> Iterator[int]:
    def gather(rows: list[Any]) -> _About:
        return _about(run, [id for row in rows for id in (row.user_uuid, row.group_uuid)])

    for rows, about in check_tables.chunks(run, JournalRow, gather):
        for row in rows:
            if check_tables.judge(run, JournalRow, Kind.JOURNAL, row, about.facts):
                run.add_all(check_entries.entry_problems(row, about.facts.slugs, about))
        yield len(rows)


def names(run: Run) -> Iterator[int]:
    """The names under which the report finds users."""
    for rows, about in check_tables.chunks(run, AliasRow, lambda rows: _about(run, [row.user_uuid for row in rows])):
        sound = [row for row in rows if check_tables.judge(run, AliasRow, Kind.NAMES, row, about.facts)]
        strangers = [row for row in sound if row.user_uuid not in about.subjects]
        # A purge keeps the names of whom the journal knows; the app, and entries, may have gone since.
        journalled = _journalled(run, [row.user_uuid for row in strangers])
        lost = [
            row
            for row in strangers
            if row.user_uuid not in journalled and row.app_id in about.whole and row.app_id in about.living
        ]
        of_others = [row for row in sound if _is_of_another(row, about.subjects.get(row.user_uuid))]
        for row in (*lost, *of_others):
            place = check_values.place(AliasRow, row, about.facts.slugs.get(row.app_id, "no app"))
            run.found(Kind.NAMES, f"{place}: user_uuid: there is no such user in the app")
        yield 0


def _is_of_another(row: Any, subject: Subject | None) -> bool:
    return subject is not None and (subject.app_id, subject.type) != (row.app_id, core.USER.name)


def _journalled(run: Run, ids: Sequence[str]) -> set[str]:
    """Those of some ids that the journal knows."""
    query = JournalRow.select(JournalRow.user_uuid).distinct()
    return {row[0] for some in chunks(ids, _IDS) for row in run.db.rows(query.where(JournalRow.user_uuid.in_(some)))}


def tallies(run: Run) -> Iterator[int]:
    for rows, known in check_tables.chunks(run, TallyRow, lambda rows: check_tables.facts(run)):
        for row in rows:
            if check_tables.judge(run, TallyRow, Kind.TALLIES, row, known):
                run.add_all(check_entries.tally_problems(row, known.slugs.get(row.app_id, "no app"), known.now))
        yield 0


def tokens(run: Run) -> Iterator[int]:
    for rows, about in check_tables.chunks(run, TokenRow, lambda rows: _about(run, [row.subject for row in rows])):
        for row in rows:
            if check_tables.judge(run, TokenRow, Kind.TOKENS, row, about.facts):
                slug = about.facts.slugs.get(row.app_id, "no app")
                run.add_all(check_entries.subject_problems(row, slug, about))
        yield 0


def brakes(run: Run) -> Iterator[int]:
    def gather(rows: list[Any]) -> tuple[Facts, list[App | None]]:
        return check_tables.facts(run), [run.app(row.app_id) for row in rows]

    for rows, (known, apps) in check_tables.chunks(run, BrakeRow, gather):
        for row, app in zip(rows, apps, strict=True):
            if check_tables.judge(run, BrakeRow, Kind.BRAKES, row, known) and app is not None:
                with inspection.one_state(run.db):
                    run.add_all(check_brake.problems(run.db, app))
        yield 0
    for rows, known in check_tables.chunks(run, DepartureRow, lambda rows: check_tables.facts(run)):
        for row in rows:
            check_tables.judge(run, DepartureRow, Kind.BRAKES, row, known)
        yield 0
    departures = (
        DepartureRow.select(DepartureRow.app_id, DepartureRow.kind, DepartureRow.resource_id)
        .join(ResourceRow, peewee.JOIN.LEFT_OUTER, on=(ResourceRow.id == DepartureRow.resource_id))
        .where(
            ResourceRow.id.is_null()
            | (ResourceRow.app_id != DepartureRow.app_id)
            | (ResourceRow.type != core.USER.name)
        )
    )
    slugs = run.slugs()
    for app_id, kind, row in run.db.rows(run.narrowed(departures, DepartureRow.app_id)):
        slug = slugs.get(app_id, "no app")
        run.found(Kind.BRAKES, f"departure row {app_id}/{kind} of {slug}: resource_id: {row} is no user of the app")
    yield 0
