"""The report is answered from indexes: what it costs depends on what is shown, not on how long the journal is."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from peewee import fn

import databases
from people import ORIGIN
from scimlite import journal
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.db import Database, migration
from scimlite.db.tables import JournalRow
from scimlite.journal import Action, Actor, Entry, Origin, Outcome, Scope, entries, report, summary
from scimlite.journal.report import Record
from scimlite.journal.selection import Selection, parts

ROWS = 20_000
SECOND = 1_000_000
START = 1_700_000_000 * SECOND
#: Index entries and rows that showing fifty may touch on PostgreSQL, and instructions of SQLite's machine.
MOST_TOUCHED, MOST_STEPS = 1000, 10_000
SHOWN = 51
CLIENT = Origin("idp/1.0", "default", "0123456789abcdef", actor=Actor.SCIM)
BUSY, ORDINARY = "busy@example.com", "user1001@example.com"


@pytest.fixture(scope="module", params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database for the whole file, which runs once with each kind."""
    with databases.opened(request.param, request, tmp_path_factory.mktemp("journal")) as db:
        yield db


@dataclass
class Story:
    """A journal of two apps: one user whom it is mostly about, many others, a few deletions and failures long ago."""

    db: Database
    large: int
    small: int
    records: list[Record]


@pytest.fixture(scope="module")
def story(database: Database) -> Story:
    migration.upgrade(database)
    made = [apps.create(Scope(database, ORIGIN), slug, slug) for slug in ("large", "small")]
    large, small = (app.id for app in made)
    scopes = {
        (is_small, client): Workspace(database, origin, made[is_small])
        for is_small in (False, True)
        for client, origin in enumerate((ORIGIN, CLIENT))
    }

    def work() -> None:
        rows = [
            tuple(
                entries._columns(
                    scopes[number % 10 == 3, number % 2], entry(number), at(number), status(number)
                ).values()
            )
            for number in range(ROWS)
        ]
        database.insert(entries._insert_entries, rows)
        # Somebody who was deleted and created again has two ids; everybody has one in each app.
        for name, ids in ((BUSY, [id_of(BUSY), id_of("twice")]), (ORDINARY, [id_of(ORDINARY)])):
            for each in ids:
                journal.add_names(scopes[False, 0], each, [name])

    database.transact(work)
    if database.kind == "postgresql":
        database.peewee.execute_sql("ANALYZE")
    return Story(database, large, small, list(report.iterate(database, Selection())))


def at(number: int) -> int:
    """When an entry was made: three in each moment."""
    return START + number // 3 * SECOND


def status(number: int) -> int | None:
    """What the client got, where it was refused or failed."""
    made = entry(number)
    if made.outcome == Outcome.OK:
        return None
    return 500 if made.outcome == Outcome.FAILED else 409 if made.action == Action.CREATED else 400


def entry(number: int) -> Entry:
    name = BUSY if number % 4 == 0 else "twice" if number % 1000 == 5 else f"user{number % 2000}@example.com"
    user = (id_of(name), name)
    if number < 60:
        return Entry(Action.DELETED, user=user)
    if 100 <= number < 110:
        return Entry(Action.UPDATED, Outcome.FAILED, user=user)
    if number % 50 == 7:
        return Entry(Action.CREATED, Outcome.REFUSED, user=(None, name), detail=f"“{name}” is taken.")
    if number % 500 == 11:
        return Entry(Action.UPDATED, Outcome.REFUSED, user=user, detail="No.")
    return Entry(Action.UPDATED if number % 3 else Action.MEMBER_ADDED, user=user)


def id_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def work_of(db: Database, run: Callable[[], Any]) -> int:
    """What the database does for it: SQLite's steps; PostgreSQL's entries of indexes and rows of the journal."""
    if db.kind == "sqlite":
        return _steps(db, run)
    touched = (
        "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) + pg_stat_get_xact_tuples_returned(indrelid)"
        " FROM pg_index WHERE indrelid = 'journal'::regclass GROUP BY indrelid"
    )

    def measured() -> int:
        before = db.peewee.execute_sql(touched).fetchone()[0]
        run()
        return int(db.peewee.execute_sql(touched).fetchone()[0] - before)

    return db.transact(measured)


def _steps(db: Database, run: Callable[[], Any]) -> int:
    steps = itertools.count()
    connection = db.peewee.connection()
    connection.set_progress_handler(lambda: next(steps) < 0, 100)
    try:
        run()
    finally:
        connection.set_progress_handler(None, 0)
    return next(steps) * 100


QUESTIONS: dict[str, dict[str, Any]] = {
    "everything": {},
    "a user": {"user": ORDINARY},
    "a user with a long history": {"user": BUSY},
    "nobody": {"user": "nobody@example.com"},
    "an app": {"app": "large"},
    "an app that has little": {"app": "small"},
    "an app since then": {"app": "small", "since": ROWS - 900},
    "apps of the same name": {"app": "both"},
    "a user in an app since then": {"user": ORDINARY, "app": "large", "since": ROWS // 2},
    "a user with a long history in an app": {"user": BUSY, "app": "large", "until": ROWS // 2},
    "what happened long ago": {"action": "deleted"},
    "what happened long ago in an app": {"action": "deleted", "app": "small"},
    "what never happened": {"action": "purged"},
    "what never happened in an app since then": {"action": "purged", "app": "large", "since": 90},
    "refused": {"outcome": "refused"},
    "refused in an app": {"outcome": "refused", "app": "small"},
    "failed": {"outcome": "failed"},
    "failed in an app": {"outcome": "failed", "app": "large"},
    "refused, of one action": {"outcome": "refused", "action": "created", "app": "small"},
}


def selection(story: Story, question: dict[str, Any]) -> Selection:
    """The question as the report asks it; times are numbers of entries."""
    wanted = dict(question)
    if app := wanted.pop("app", None):
        wanted["app_ids"] = {"large": [story.large], "small": [story.small], "both": [story.large, story.small]}[app]
    for bound in {"since", "until"} & wanted.keys():
        wanted[bound] = at(wanted[bound])
    return Selection(**wanted)


questions = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)


@questions
def test_the_newest_entries_cost_what_is_shown(story: Story, question: dict[str, Any]) -> None:
    wanted = selection(story, question)
    most = MOST_STEPS if story.db.kind == "sqlite" else MOST_TOUCHED
    assert work_of(story.db, lambda: report.read(story.db, wanted, limit=SHOWN)) <= most


def test_the_test_would_notice_a_scan(story: Story) -> None:
    most = MOST_STEPS if story.db.kind == "sqlite" else MOST_TOUCHED
    unindexed = report.joined().where(JournalRow.client_request_id == "none")
    assert work_of(story.db, lambda: story.db.rows(unindexed)) > most


def test_a_long_history_is_read_once(story: Story) -> None:
    """Not once again for each page of it."""
    wanted = Selection(user=BUSY)
    once = work_of(story.db, lambda: report.read(story.db, wanted))
    assert work_of(story.db, lambda: list(report.iterate(story.db, wanted))) <= 1.5 * once


def test_following_a_long_history_costs_what_is_new(story: Story) -> None:
    wanted = Selection(user=BUSY, since=at(ROWS - 30))
    most = MOST_STEPS if story.db.kind == "sqlite" else MOST_TOUCHED
    assert work_of(story.db, lambda: report.unseen(story.db, wanted, ())) <= most


def expected(story: Story, wanted: Selection) -> list[Record]:
    """The rows of a selection, as its words mean them."""
    ids = {BUSY: {id_of(BUSY), id_of("twice")}, ORDINARY: {id_of(ORDINARY)}}.get(wanted.user or "", set())
    names = {story.large: "large", story.small: "small"}
    return [
        row
        for row in story.records
        if (wanted.user is None or (row.user_id in ids if row.user_id else row.user == wanted.user))
        and (wanted.app_ids is None or row.app in [names[id] for id in wanted.app_ids])
        and (wanted.since is None or row.at >= wanted.since)
        and (wanted.until is None or row.at < wanted.until)
        and wanted.action in (None, row.action)
        and wanted.outcome in (None, row.outcome)
    ]


@questions
def test_what_is_found_is_what_was_asked_for(story: Story, question: dict[str, Any]) -> None:
    wanted = selection(story, question)
    rows = expected(story, wanted)
    assert list(report.iterate(story.db, wanted)) == rows
    assert report.read(story.db, wanted) == rows
    assert report.read(story.db, wanted, limit=7) == rows[-7:]
    assert report.unseen(story.db, wanted, [row.id for row in rows[1:]]) == rows[:1]


@pytest.mark.parametrize("many", [0, 10**9], ids=["user by user", "entry by entry"])
@questions
def test_a_summary_counts_what_is_found(
    story: Story, question: dict[str, Any], many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both ways to count users, whichever so few entries would take.
    monkeypatch.setattr(summary, "_MANY", many)
    for outcome in (None, *map(str, Outcome)):
        wanted = selection(story, question)
        wanted = wanted if outcome is None else replace(wanted, outcome=outcome)
        rows = expected(story, wanted)
        found = summary.summarize(story.db, wanted)
        assert found.entries == len(rows)
        assert found.actions == Counter((row.action, row.outcome) for row in rows)
        assert found.users == len({row.user_id for row in rows if row.user_id})
        assert sum(each.count for each in found.reasons) == sum(row.outcome != "ok" for row in rows)
        served = [row.at for row in rows if row.request_id]
        assert (found.first_contact, found.last_contact) == ((served[0], served[-1]) if served else (None, None))


@pytest.mark.parametrize("wanted", [{"action": "updated"}, {"outcome": "refused"}], ids=str)
def test_a_summary_counts_in_an_index_alone(story: Story, wanted: dict[str, Any]) -> None:
    if story.db.kind != "sqlite":
        pytest.skip("PostgreSQL chooses by what it knows of so small a table.")
    count = JournalRow.select(JournalRow.action, fn.count(JournalRow.id))
    for part in parts(story.db, Selection(app_id=story.large, since=START, **wanted), count):
        sql, params = story.db.compile(part.group_by(JournalRow.action))
        plan = [row[3] for row in story.db.peewee.execute_sql(f"EXPLAIN QUERY PLAN {sql}", params)]
        assert "USING COVERING INDEX journal_" in plan[0]
