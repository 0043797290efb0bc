"""Tallies: counted in memory, written within seconds and at the end of a process, summed up for a week."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from people import ORIGIN, People
from scimlite import clock
from scimlite.admin import apps, housekeeping
from scimlite.clock import DAY
from scimlite.db import open_database
from scimlite.db.tables import TallyRow
from scimlite.errors import Unavailable
from scimlite.journal import Scope, tallies
from scimlite.journal.tallies import Kind


@pytest.fixture
def people(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    # Nothing is written unless a test says so.
    monkeypatch.setattr(tallies, "WRITE_AFTER", 3600)
    db = open_database(database_url)
    yield People.in_new_app(db)
    tallies.write_all()
    db.close()


def counted(people: People, kind: Kind = Kind.LENIENCY) -> dict[str, int]:
    return tallies.last_week(people.db, people.app.id, kind)


def test_counting_runs_no_statement(people: People) -> None:
    with people.db.counting() as statements:
        for _ in range(1000):
            tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal")
    assert statements == []
    assert counted(people) == {}
    tallies.write_all()
    assert counted(people) == {"bare-literal": 1000}


def test_counts_are_added_to_those_in_the_database(people: People) -> None:
    for times in (2, 3):
        tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal", times)
        tallies.count(people.db, people.app.id, Kind.LENIENCY, "string-boolean")
        tallies.count(people.db, people.app.id, Kind.REFUSED_TOKEN, "expired")
        tallies.write_all()
    assert list(counted(people).items()) == [("bare-literal", 5), ("string-boolean", 2)]
    assert counted(people, Kind.REFUSED_TOKEN) == {"expired": 2}


def test_apps_are_apart(people: People) -> None:
    other = People.in_new_app(people.db, "other")
    tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal")
    tallies.count(people.db, other.app.id, Kind.LENIENCY, "bare-literal", 7)
    tallies.write_all()
    assert (counted(people), counted(other)) == ({"bare-literal": 1}, {"bare-literal": 7})


def test_a_thread_writes_them_by_itself(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "WRITE_AFTER", 0.05)
    tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal")
    tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal")
    deadline = time.monotonic() + 20
    while not counted(people) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert counted(people) == {"bare-literal": 2}


def test_threads_lose_no_count(people: People) -> None:
    def work() -> None:
        for _ in range(500):
            tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal")
        people.db.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tallies.write_all()
    assert counted(people) == {"bare-literal": 2000}


def test_a_week_has_seven_days_and_old_days_are_forgotten(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    for days in (0, 6, 7, tallies.KEPT_DAYS - 1, tallies.KEPT_DAYS):
        monkeypatch.setattr(clock, "now", lambda at=now - days * DAY: at)
        tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal", 2**days)
        tallies.write_all()
    monkeypatch.undo()
    assert counted(people) == {"bare-literal": 2**0 + 2**6}
    assert housekeeping.tidy(people.db).tallies == 1
    assert people.db.scalar(TallyRow.select(TallyRow.day).order_by(TallyRow.day)) == now // DAY - 34


def test_a_database_that_cannot_be_written_gets_them_later(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(work: object) -> None:
        raise Unavailable("locked")

    monkeypatch.setattr(people.db, "transact", locked)
    tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal")
    tallies.write_all()
    tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal")
    monkeypatch.undo()
    tallies.write_all()
    assert counted(people) == {"bare-literal": 2}


def test_counts_of_a_deleted_app_are_left_out(people: People, caplog: pytest.LogCaptureFixture) -> None:
    other = People.in_new_app(people.db, "other")
    for app in (other.app, people.app):
        tallies.count(people.db, app.id, Kind.LENIENCY, "bare-literal")
    apps.delete(Scope(people.db, ORIGIN), other.app.slug)
    tallies.write_all()
    assert counted(people) == {"bare-literal": 1}
    assert counted(other) == {}
    assert caplog.records == []


def test_counts_of_an_app_that_never_was_cost_no_other_count(people: People, caplog: pytest.LogCaptureFixture) -> None:
    for app_id in (people.app.id + 1000, people.app.id):
        tallies.count(people.db, app_id, Kind.LENIENCY, "bare-literal")
    tallies.write_all()
    assert counted(people) == {"bare-literal": 1}
    assert caplog.records == []


def test_memory_is_bounded(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "_MOST_COUNTERS", 2)
    for name in ("a", "b", "c", "a"):
        tallies.count(people.db, people.app.id, Kind.LENIENCY, name)
    tallies.write_all()
    assert counted(people) == {"a": 2, "b": 1}


def test_a_process_writes_the_rest_when_it_ends(people: People, database_url: str) -> None:
    program = (
        "import sys; from scimlite.db import open_database; from scimlite.journal import tallies\n"
        f"tallies.count(open_database(sys.argv[1]), {people.app.id}, tallies.Kind.LENIENCY, 'bare-literal', 3)\n"
    )
    subprocess.run([sys.executable, "-c", program, database_url], check=True, timeout=60)
    assert counted(people) == {"bare-literal": 3}


def test_a_forked_process_leaves_the_counts_to_its_parent(people: People) -> None:
    tallies.count(people.db, people.app.id, Kind.LENIENCY, "bare-literal")
    people.db.close()
    child = os.fork()
    if child == 0:  # pragma: no cover  # the child's own coverage is not collected
        tallies.write_all()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert counted(people) == {}
    tallies.write_all()
    assert counted(people) == {"bare-literal": 1}
