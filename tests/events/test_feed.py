"""The feed: events in an order that loses none, whatever ran beside, and cursors that say when they are of no use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import feeds
from people import ORIGIN, People
from scimlite.admin import erasure
from scimlite.apps.workspace import Workspace
from scimlite.clock import now
from scimlite.db import Database, feed_order, open_database
from scimlite.db.feed_order import BEGINNING, Place
from scimlite.db.tables import JournalRow
from scimlite.errors import CursorExpired, InvalidCursor
from scimlite.events import cursors, document, epoch, feed, types
from scimlite.journal import Action, Entry, pruning, record, report


@pytest.fixture
def people(database_url: str) -> Iterator[People]:
    db = open_database(database_url)
    yield People.in_new_app(db)
    db.close()


def read_page(people: People, after: Place, limit: int) -> feed.Page:
    """One page of the feed, once all is in it."""
    feeds.settle(people.db)
    return feed.read(people.workspace, after, limit)


def told(workspace: Workspace, after: Place = BEGINNING, **options: Any) -> list[document.Event]:
    """Every event behind a place."""
    feeds.settle(workspace.db)
    found: list[document.Event] = []
    more = True
    while more:
        page = feed.read(workspace, after, options.get("limit", 100), options.get("types", ()))
        found += page.events
        after, more = page.end, page.more
    return found


def test_nothing_is_lost_when_transactions_end_in_another_order(people: People, database_url: str) -> None:
    """One takes its id first and ends last. Who goes by ids, the control, does not see it on PostgreSQL."""
    if people.db.kind == "sqlite":
        pytest.skip("SQLite has one writer at a time.")
    place, last = newest_place(people), report.latest_id(people.db)
    begun, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        db = open_database(database_url)

        def work() -> None:
            record(Workspace(db, ORIGIN, people.app), [Entry(Action.UPDATED, user=("slow", None))])
            # What was sent arrives with the first statement that is waited for.
            db.scalar(JournalRow.select(JournalRow.id).limit(1))
            begun.set()
            go_on.wait(30)

        db.transact(work)
        db.close()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert begun.wait(30)
    note(people, "quick")
    first = feed.read(people.workspace, place, 100)
    by_id = newer(people.db, last)
    go_on.set()
    slow.join()
    assert [event.lane for event in first.events + told(people.workspace, first.end)] == ["slow", "quick"]
    # The control: "quick" was seen, and "slow" has a lower id.
    assert by_id
    assert newer(people.db, by_id[-1]) == []


def note(people: People, *lanes: str, at: int | None = None) -> None:
    """An entry about each of these ids."""
    entries = [Entry(Action.UPDATED, user=(lane, None)) for lane in lanes]
    people.db.transact(lambda: record(people.workspace, entries, at=at))


def newest_place(people: People) -> Place:
    feeds.settle(people.db)
    return feed_order.end(people.db)


def newer(db: Database, id: int) -> list[int]:
    """The ids of entries behind one."""
    return [
        row[0] for row in db.rows(JournalRow.select(JournalRow.id).where(JournalRow.id > id).order_by(JournalRow.id))
    ]


def test_eight_writers(people: People, database_url: str) -> None:
    def write(number: int) -> None:
        db = open_database(database_url)
        for _ in range(20):
            db.transact(
                lambda: record(Workspace(db, ORIGIN, people.app), [Entry(Action.UPDATED, user=(f"{number}", None))])
            )
        db.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    read, place = [], BEGINNING
    running = True
    while running:
        # Before the page: what ends after it is on the next one.
        running = any(writer.is_alive() for writer in writers)
        if not running:
            feeds.settle(people.db)
        more = True
        while more:
            page = feed.read(people.workspace, place, 7)
            read += [event.id for event in page.events]
            place, more = page.end, page.more
    assert len(set(read)) == len(read) == 160


def test_other_apps_are_passed_over(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_order, "_WINDOW", 10)
    other = People.in_new_app(people.db, "other")
    place = newest_place(people)
    note(people, "mine")
    note(other, *map(str, range(95)))
    note(people, "mine too")
    feeds.settle(people.db)
    found, pages = [], 0
    more = True
    while more:
        page = feed.read(people.workspace, place, 10)
        found += [event.lane for event in page.events]
        place, more, pages = page.end, page.more, pages + 1
    assert found == ["mine", "mine too"]
    # SQLite looks at so many at a time, four times a page.
    assert pages == (3 if people.db.kind == "sqlite" else 1)


def test_a_large_event_is_cut_and_says_so(people: People) -> None:
    id = people.add("Users", {"userName": "ann", "title": "t" * 4000, "displayName": "d" * 100})
    people.put("Users", "ann", {"userName": "ann", "title": "n" * 20_000, "displayName": "d" * 5000})
    created, updated = told(people.workspace, types=("user.created", "user.updated"))
    for event in (created, updated):
        assert len(document.to_json(event)) <= document.LARGEST
        assert event.truncated
        assert event.data.user is not None
        assert event.data.user.id == id
        assert event.data.user.name == "ann"
    assert updated.data.changed == ["displayName", "title"]


def test_an_erased_person_is_an_id(people: People) -> None:
    id = people.add("Users", {"userName": "ann", "title": "Dr"})
    people.put("Users", "ann", {"userName": "ann", "title": "Prof"})
    erasure.erase(people.workspace, id, "ann")
    events = told(people.workspace)
    assert [event.type for event in events] == ["user.created", "user.updated", "user.deleted"]
    for event in events:
        told_now = document.as_data(event)["data"]
        assert told_now == {"user": {"id": id, "active": False, "ended": "erased"}}


def test_every_type_has_an_event() -> None:
    """Each type that the documentation lists is made by some act, but for the one that a test of a webhook sends."""
    made = {
        types.type_of(action, user, group)
        for action in Action
        for user, group in (("user", None), ("user", "group"), (None, "group"), (None, None))
    }
    assert made - {None} == set(types.TYPES) - {types.TEST}


# --- cursors ------------------------------------------------------------------------------------------------------


def test_a_cursor_expires_when_what_is_behind_it_is_pruned(people: People) -> None:
    start = now() - 1_000_000
    note(people, "a", at=start)
    early = read_page(people, BEGINNING, 1).cursor
    note(people, "b", "c", at=start + 1)
    late = read_page(people, BEGINNING, 100).cursor
    assert sum(pruning.prune(people.workspace, start + 2)) == 3
    with pytest.raises(CursorExpired):
        feed.place_of(people.workspace, early)
    assert feed.read(people.workspace, feed.place_of(people.workspace, late), 10).events == []
    note(people, "d")
    assert [event.lane for event in feed.read(people.workspace, feed.place_of(people.workspace, late), 10).events] == [
        "d"
    ]


def test_the_newest_entry_stays(people: People) -> None:
    """SQLite would give its id, which is a place in the feed, to the next entry."""
    note(people, "last")
    latest = report.latest_id(people.db)
    list(pruning.prune(people.workspace, now() + 1_000_000))
    assert report.latest_id(people.db) > latest
    note(people, "next")
    assert [event.lane for event in told(people.workspace)][-1] == "next"


def test_a_new_epoch_ends_all_cursors(people: People) -> None:
    note(people, "a")
    cursor = read_page(people, BEGINNING, 10).cursor
    assert epoch.settle(people.db) is False
    number = epoch.current(people.db).epoch
    assert epoch.begin(people.workspace) > number
    with pytest.raises(CursorExpired):
        feed.place_of(people.workspace, cursor)
    assert [event.lane for event in told(people.workspace)] == ["a"]


def test_numbers_of_another_server_begin_anew(people: People) -> None:
    """As after a dump was restored: what is there has greater numbers than the server has given."""
    if people.db.kind == "sqlite":
        pytest.skip("SQLite numbers no transactions.")
    note(people, "a", "b")
    people.db.execute(JournalRow.update(tx=JournalRow.tx + 1_000_000_000))
    note(people, "c")
    assert epoch.settle(people.db) is True
    assert [event.lane for event in told(people.workspace)] == ["a", "b", "c"]
    assert epoch.settle(people.db) is False


@pytest.mark.parametrize("text", ["", "a", "AQAAAA", "é", "=" * 40, "A" * 5000])
def test_what_is_no_cursor(people: People, text: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors.from_text(text, people.app.id, epoch.current(people.db))
