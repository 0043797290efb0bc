"""Reads entries of the journal, counts, tokens and brakes in chunks, each in one state, and compares them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import peewee

from .. import clock
from ..db import chunks, inspection
from ..db.tables import BrakeRow, DepartureRow, JournalRow, ResourceRow, SigningKeyRow, TallyRow, TokenRow
from ..directory import brakes as brake_kinds
from ..scim import core
from . import check_entries
from .check_entries import Journalled, StoredToken
from .check_findings import Kind
from .check_run import ROWS, Run

#: Ids bound in one statement.
_IDS = 500


def journal(run: Run) -> Iterator[int]:
    after = -(2**62)
    columns = [getattr(JournalRow, name) for name in Journalled._fields]
    query = run.narrowed(JournalRow.select(*columns), JournalRow.app_id).order_by(JournalRow.id).limit(ROWS)
    while True:
        with inspection.one_state(run.db):
            slugs = run.slugs()
            rows = [Journalled(*row) for row in run.db.rows(query.where(JournalRow.id > after))]
            subjects = _subjects(run, list(slugs), rows)
        if not rows:
            return
        now = clock.now()
        for row in rows:
            run.add_all(check_entries.entry_problems(row, slugs, subjects, now))
        after = rows[-1].id
        yield len(rows)


def _subjects(run: Run, apps: list[int], rows: Sequence[Journalled]) -> dict[str, check_entries.Subject]:
    """The resources that entries are about, by the id that clients see; what was purged is not among them."""
    uuids = sorted({uuid for row in rows for uuid in (row.user_uuid, row.group_uuid) if uuid is not None})
    query = ResourceRow.select(ResourceRow.uuid, ResourceRow.app_id, ResourceRow.type, ResourceRow.created_at)
    found: dict[str, check_entries.Subject] = {}
    for some in chunks(uuids, _IDS):
        for uuid, *subject in run.db.rows(query.where(ResourceRow.app_id.in_(apps), ResourceRow.uuid.in_(some))):
            found[uuid] = check_entries.Subject(*subject)
    return found


def tallies(run: Run) -> Iterator[int]:
    query = TallyRow.select(TallyRow.app_id, TallyRow.day, TallyRow.kind, TallyRow.name, TallyRow.times)
    slugs, now = run.slugs(), clock.now()
    for app_id, day, kind, name, times in run.db.rows(run.narrowed(query, TallyRow.app_id)):
        run.add_all(check_entries.tally_problems(day, kind, name, times, slugs.get(app_id, "no app"), now))
    yield 0


def tokens(run: Run) -> Iterator[int]:
    with inspection.one_state(run.db):
        used = {row[0] for row in run.db.rows(SigningKeyRow.select(SigningKeyRow.fingerprint))}
        columns = [getattr(TokenRow, name) for name in StoredToken._fields]
        rows = run.db.rows(run.narrowed(TokenRow.select(TokenRow.app_id, *columns), TokenRow.app_id))
        slugs = run.slugs()
    now = clock.now()
    for app_id, *row in rows:
        slug = slugs.get(app_id, "no app")
        run.add_all(check_entries.token_problems(StoredToken(*row), slug, used, run.keys, now))
    yield 0


def brakes(run: Run) -> Iterator[int]:
    slugs = run.slugs()
    query = BrakeRow.select(BrakeRow.app_id, BrakeRow.kind)
    for app_id, kind in run.db.rows(run.narrowed(query, BrakeRow.app_id)):
        if kind not in brake_kinds.KINDS:
            run.found(Kind.BRAKES, f"{slugs.get(app_id, 'no app')}: there is no brake {kind}")
    departures = (
        DepartureRow.select(DepartureRow.app_id, DepartureRow.kind, DepartureRow.resource_id)
        .join(ResourceRow, peewee.JOIN.LEFT_OUTER, on=(ResourceRow.id == DepartureRow.resource_id))
        .where(
            ResourceRow.id.is_null()
            | (ResourceRow.app_id != DepartureRow.app_id)
            | (ResourceRow.type != core.USER.name)
            | DepartureRow.kind.not_in(brake_kinds.KINDS)
        )
    )
    for app_id, kind, row in run.db.rows(run.narrowed(departures, DepartureRow.app_id)):
        run.found(Kind.BRAKES, f"{slugs.get(app_id, 'no app')}: departure of row {row} ({kind})")
    yield 0
