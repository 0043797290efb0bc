"""Pruning: old entries go in steps, the journal says that they went, and nothing is said when nothing went."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from people import ORIGIN, People
from scimlite.apps.workspace import Workspace
from scimlite.clock import now
from scimlite.db import open_database
from scimlite.journal import Action, Entry, pruning, record, report
from scimlite.journal.selection import Selection


@pytest.fixture
def people(database_url: str) -> Iterator[People]:
    db = open_database(database_url)
    yield People.in_new_app(db)
    db.close()


def test_nothing_to_prune_leaves_no_entry(people: People) -> None:
    latest = report.latest_id(people.db)
    assert list(pruning.prune(Workspace(people.db, ORIGIN, people.app), 1)) == []
    assert report.latest_id(people.db) == latest


def test_steps_delete_the_oldest_first(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_CHUNK", 2)
    workspace, start = Workspace(people.db, ORIGIN, people.app), now() - 1_000_000
    for number in range(5):
        entry = Entry(Action.UPDATED, detail=f"change {number}")
        people.db.transact(partial(record, workspace, [entry], at=start - 10 + number))
    assert list(pruning.prune(workspace, start - 7)) == [2, 1]
    left = report.iterate(people.db, Selection(action=Action.UPDATED))
    assert [row.detail for row in left] == ["change 3", "change 4"]
