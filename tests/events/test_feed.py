"""The feed: events in an order that loses none, whatever ran beside, and cursors that say when they are of no use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
import pytest

from people import ORIGIN, People
from scimlite.admin import apps as admin_apps
from scimlite.admin import erasure, mapping
from scimlite.apps.workspace import Workspace
from scimlite.clock import now
from scimlite.db import Database, feed_order, open_database
from scimlite.db.feed_order import BEGINNING, Place
from scimlite.db.tables import JournalRow
from scimlite.errors import CursorExpired, InvalidCursor, InvalidValue
from scimlite.events import cursors, document, epoch, feed, types
from scimlite.journal import Action, Entry, pruning, record


@pytest.fixture
def people(database_url: str) -> Iterator[People]:
    db = open_database(database_url)
    yield People.in_new_app(db)
    db.close()


def told(workspace: Workspace, after: Place = BEGINNING, **options: Any) -> list[document.Event]:
    """Every event behind a place."""
    found: list[document.Event] = []
    more = True
    while more:
        page = feed.read(workspace, after, options.get("limit", 100), options.get("types", ()))
        found += page.events
        after, more = page.end, page.more
    return found


def test_nothing_is_lost_whoever_commits_first(people: People, database_url: str) -> None:
    """Eight writers, whose transactions end in another order than they began; a reader follows them."""
    workspace = people.workspace
    stop = threading.Event()
    read: list[str] = []
    by_id: list[int] = []

    def write(number: int) -> None:
        db = open_database(database_url)
        scope = Workspace(db, ORIGIN, people.app)

        def work() -> None:
            record(scope, [Entry(Action.UPDATED, user=(f"writer-{number}", None))])
            if number % 2:
                db.scalar(JournalRow.select(JournalRow.id).limit(1))

        for _ in range(60):
            db.transact(work)
        db.close()

    def follow() -> None:
        db = open_database(database_url)
        scope = Workspace(db, ORIGIN, people.app)
        place, last = BEGINNING, 0
        while True:
            finished = stop.is_set()
            page = feed.read(scope, place, 100)
            read.extend(event.id for event in page.events)
            place = page.end
            # The control: what a reader gets that goes by ids.
            rows = db.rows(JournalRow.select(JournalRow.id).where(JournalRow.id > last).order_by(JournalRow.id))
            by_id.extend(row[0] for row in rows)
            last = by_id[-1] if by_id else 0
            if finished and not page.more:
                break
        db.close()

    reader = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    expected = [row[0] for row in workspace.db.rows(JournalRow.select(JournalRow.id).where(JournalRow.action == "updated"))]
    assert sorted(read) == sorted(f"evt_1_{id}" for id in expected)
    assert len(set(read)) == len(read) == 480
