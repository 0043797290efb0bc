"""Pages and charts of the report: each entry once, in both directions, with work that has a limit."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator

import pytest

import databases
from people import ORIGIN
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.clock import DAY
from scimlite.db import Database, migration
from scimlite.journal import Action, Actor, Entry, Origin, Outcome, Scope, entries, histogram, paging, report
from scimlite.journal.paging import Place
from scimlite.journal.selection import Selection

ROWS = 1000
START = 1_700_000_000_000_000
ORIGINS = [
    Origin("idp/1.0", "default", f"{1:016x}", actor=Actor.SCIM, address="192.0.2.7"),
    Origin("cli:ann", actor=Actor.CLI, uid=1000),
]


@pytest.fixture(scope="module", params=databases.KINDS)
def db(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with databases.opened(request.param, request, tmp_path_factory.mktemp("paging")) as db:
        migration.upgrade(db)
        made = [apps.create(Scope(db, ORIGIN), slug, slug) for slug in ("first", "second")]
        chance = random.Random(7)

        def work() -> None:
            rows = []
            for number in range(ROWS):
                origin = ORIGINS[number % 7 == 0]
                place = Workspace(db, origin, made[number % 10 == 3])
                outcome = chance.choices(list(Outcome), [90, 8, 2])[0]
                action = chance.choice([Action.UPDATED, Action.UPDATED, Action.CREATED])
                user = (f"00000000-0000-0000-0000-{number % 9:012}", f"user{number % 9}")
                made_entry = Entry(action, outcome, user=user)
                # Three entries in each moment, 50 days in all.
                columns = entries._columns(place, made_entry, START + number // 3 * (DAY * 3 // 20), None)
                rows.append(tuple(columns.values()))
            db.insert(entries._insert_entries, rows)

        db.transact(work)
        yield db


SELECTIONS = {
    "everything": Selection(),
    "an app": Selection(app_ids=[1]),
    "two apps": Selection(app_ids=[1, 2]),
    "no app": Selection(app_ids=[]),
    "a user": Selection(user="00000000-0000-0000-0000-000000000002"),
    "a user in an app": Selection(user="00000000-0000-0000-0000-000000000002", app_ids=[2]),
    "nobody": Selection(user="nobody"),
    "refused": Selection(outcome="refused"),
    "failed in an app": Selection(outcome="failed", app_ids=[2]),
    "ok": Selection(outcome="ok"),
    "created and failed": Selection(action="created", outcome="failed"),
    "a command": Selection(actor="cli"),
    "an address": Selection(address="192.0.2.7"),
    "a client": Selection(client="ANN"),
    "an unknown client": Selection(client="nobody"),
    "a time": Selection(since=START + 10 * DAY, until=START + 20 * DAY, app_ids=[1]),
}
selections = pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS)


@pytest.fixture(params=[paging.MOST_LOOKED_AT, 40], ids=["at ease", "at the limit"])
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many entries a page looks at: also so few that it has to stop."""
    monkeypatch.setattr(paging, "MOST_LOOKED_AT", request.param)


@selections
@pytest.mark.usefixtures("most")
def test_every_entry_is_on_one_page_in_both_directions(db: Database, selection: Selection) -> None:
    wanted = report.read(db, selection)[::-1]
    found, before = [], None
    for _ in range(ROWS):
        page = paging.page(db, selection, 30, before=before)
        assert len(page.records) <= 30
        found += page.records
        before = page.older
        if before is None:
            break
    assert before is None
    assert found == wanted
    if not wanted:
        return
    after: Place | None = Place(wanted[-1].at, wanted[-1].id)
    back = [wanted[-1]]
    for _ in range(ROWS):
        page = paging.page(db, selection, 30, after=after)
        after = page.newer
        # The page of the newest entries has some that were seen already.
        back += [row for row in page.records[::-1] if (row.at, row.id) > (back[-1].at, back[-1].id)]
        if after is None:
            break
    assert after is None
    assert back == wanted[::-1]


def test_a_page_that_could_not_be_filled_says_how_far_it_looked(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_LOOKED_AT", 40)
    page = paging.page(db, Selection(client="nobody"), 30)
    assert page.records == []
    assert page.older is not None
    assert page.looked_until == page.older.at
    assert paging.page(db, Selection(), 30).looked_until is None


@pytest.mark.parametrize("text", ["", ".", "1", "1.", ".1", "-1.1", "1.x", "١.١", f"{10**18}.1", "1.1.1"])
def test_a_text_that_is_no_place(text: str) -> None:
    assert Place.of(text) is None


def test_a_place_as_text() -> None:
    assert Place.of(str(Place(START, 17))) == Place(START, 17)


@selections
def test_a_chart_counts_what_is_found(db: Database, selection: Selection) -> None:
    rows = report.read(db, selection)
    found = histogram.count_by_time(db, selection)
    if not rows:
        assert found is None or sum(map(sum, found.counts.values())) == 0
        return
    assert found is not None
    assert found.since is None
    assert len(found.begins) <= 62
    assert all(later - begin == found.step for begin, later in itertools.pairwise(found.begins))
    counted = Counter((row.at // found.step * found.step, row.outcome) for row in rows)
    for outcome, values in found.counts.items():
        assert values == [counted[begin, outcome] for begin in found.begins]


@pytest.mark.parametrize("name", ["everything", "refused", "an address"])
def test_a_chart_of_too_much_counts_the_newest(db: Database, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram, "_MOST_IN_INDEX", 30)
    monkeypatch.setattr(histogram, "_MOST_READ", 30)
    found = histogram.count_by_time(db, SELECTIONS[name])
    assert found is not None
    assert found.since is not None
    newest = [row for row in report.read(db, SELECTIONS[name]) if row.at >= found.since]
    assert 0 < len(newest) <= 30
    assert sum(map(sum, found.counts.values())) == len(newest)


@pytest.mark.parametrize(("days", "step"), [(0.5, DAY // 24), (10, DAY), (300, 7 * DAY)])
def test_the_bars_fit_the_time(db: Database, days: float, step: int) -> None:
    newest = report.read(db, Selection(), limit=1)[0].at
    found = histogram.count_by_time(db, Selection(since=newest - int(days * DAY)))
    assert found is not None
    assert found.step <= step
