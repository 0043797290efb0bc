"""Every wait for the database ends at the deadline, and nothing of what was given up is applied afterwards."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from peewee import SQL

from installation import Installation
from postgres_server import PostgresServer, empty_database
from scim_client import Answer, ScimClient, assert_scim_error
from scimlite import deadline
from scimlite.admin import apps
from scimlite.db import Database, migration, open_database, postgresql_session
from scimlite.db.tables import AppRow
from scimlite.errors import DeadlinePassed, Unavailable, Unconfirmed
from scimlite.journal import Origin, Scope
from tcp_forwarder import Forwarder

Work = Callable[[], Any]


@contextmanager
def takes(least: float, most: float) -> Iterator[None]:
    """Checks how many seconds the block takes."""
    began = time.monotonic()
    yield
    assert least <= time.monotonic() - began <= most


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """An installation's database with one app, for work that may take a second."""
    db = open_database(database_url, request_timeout=1.0)
    migration.upgrade(db)
    apps.create(Scope(db, Origin("test")), "App")
    db.close()
    yield db
    db.close()


def name(db: Database) -> str:
    """The app's name as another connection reads it."""
    found: str = db.scalar(AppRow.select(AppRow.name))
    return found


def renaming(db: Database, to: str) -> Work:
    """Work that changes the app's name."""
    return lambda: db.touch(AppRow.update(name=to))


def endless(db: Database) -> Any:
    """A query that takes longer than any test."""
    if db.kind == "postgresql":
        return SQL("SELECT pg_sleep(60)")
    return SQL("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")


class TestStatements:
    """A statement that takes too long, on both databases."""

    def test_a_query_ends_at_the_deadline(self, db: Database) -> None:
        with deadline.within(0.5), takes(0.4, 1.5), pytest.raises(DeadlinePassed) as raised:
            db.scalar(endless(db))
        assert int(raised.value.headers["Retry-After"]) >= 1
        # The thread goes on.
        assert name(db) == "App"

    def test_a_transaction_ends_at_the_deadline_and_leaves_nothing(self, db: Database) -> None:
        def work() -> None:
            db.touch(AppRow.update(name="Half"))
            db.scalar(endless(db))

        with deadline.within(0.5), takes(0.4, 1.5), pytest.raises(DeadlinePassed):
            db.transact(work)
        assert name(db) == "App"
        with deadline.within(5):
            db.transact(renaming(db, "Next"))
        assert name(db) == "Next"

    def test_work_that_ends_too_late_is_not_committed(self, db: Database) -> None:
        def work() -> None:
            db.touch(AppRow.update(name="Late"))
            time.sleep(0.4)

        with deadline.within(0.3), pytest.raises(DeadlinePassed):
            db.transact(work)
        assert name(db) == "App"

    def test_after_the_deadline_nothing_begins(self, db: Database) -> None:
        with deadline.within(0.0), takes(0, 0.3), pytest.raises(DeadlinePassed):
            db.transact(renaming(db, "Never"))
        assert name(db) == "App"

    def test_without_a_deadline_nothing_is_cut(self, db: Database) -> None:
        slow = "SELECT pg_sleep(1.5)" if db.kind == "postgresql" else None
        if slow is None:
            rows = (
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000) SELECT count(*) FROM n"
            )
            assert db.scalar(SQL(rows)) == 3_000_000
        else:
            db.rows(SQL(slow))


class TestLocks:
    """A lock that somebody holds, for longer than the deadline."""

    def test_a_writer_that_waited_in_vain_writes_nothing_later(self, database_url: str) -> None:
        db = open_database(database_url, busy_timeout=30, request_timeout=1.0)
        migration.upgrade(db)
        apps.create(Scope(db, Origin("test")), "App")
        db.close()
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            db.touch(AppRow.update(name="Holder"))
            held.set()
            release.wait(20)

        def holder() -> None:
            db.transact(hold)
            db.close()

        def writer(number: int) -> None:
            with deadline.within(0.6), takes(0.4, 2.0), pytest.raises(DeadlinePassed):
                db.transact(renaming(db, f"Writer {number}"))
            db.close()

        thread = threading.Thread(target=holder)
        thread.start()
        try:
            assert held.wait(10)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(writer, range(4)))
        finally:
            release.set()
            thread.join()
        time.sleep(0.5)
        assert name(db) == "Holder"
        db.transact(renaming(db, "Next"))
        assert name(db) == "Next"
        db.close()

    def test_another_program_holds_sqlite(self, tmp_path: Path) -> None:
        db = open_database(f"sqlite:///{tmp_path / 'scimlite.db'}", busy_timeout=30, request_timeout=1.0)
        migration.upgrade(db)
        apps.create(Scope(db, Origin("test")), "App")
        other = sqlite3.connect(tmp_path / "scimlite.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with deadline.within(0.5), takes(0.4, 1.5), pytest.raises(DeadlinePassed):
            db.transact(renaming(db, "Never"))
        other.execute("ROLLBACK")
        other.close()
        assert name(db) == "App"
        db.transact(renaming(db, "Next"))
        assert name(db) == "Next"
        db.close()

    def test_a_job_that_is_overdue_takes_no_other_with_it(self, tmp_path: Path) -> None:
        db = open_database(f"sqlite:///{tmp_path / 'scimlite.db'}", busy_timeout=30)
        migration.upgrade(db)
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            release.wait(20)

        def adding(seconds: float) -> Callable[[], None]:
            def work() -> None:
                apps.create(Scope(db, Origin("test")), f"App {seconds}")
                if seconds < 5:
                    time.sleep(seconds)

            def run() -> None:
                with deadline.within(seconds):
                    db.transact(work)

            return run

        def closing(run: Callable[[], None]) -> type[BaseException] | None:
            try:
                run()
            except DeadlinePassed as error:
                return type(error)
            finally:
                db.close()
            return None

        with ThreadPoolExecutor(4) as pool:
            holder = pool.submit(closing, lambda: db.transact(hold))
            assert held.wait(10)
            # Both wait, so that they share a transaction.
            writers = [pool.submit(closing, adding(seconds)) for seconds in (1.0, 20.0)]
            time.sleep(0.3)
            release.set()
            assert [each.result(20) for each in (holder, *writers)] == [None, DeadlinePassed, None]
        assert [row[0] for row in db.rows(AppRow.select(AppRow.name))] == ["App 20.0"]
        db.close()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL of these tests alone, because they freeze it."""
    if os.environ.get("SCIMLITE_TEST_PG_URL"):
        pytest.skip("A server that SCIMLITE_TEST_PG_URL names is not ours to freeze.")
    server = PostgresServer.in_new_folder()
    try:
        server.url()
        yield server
    finally:
        server.stop()


class TestPostgresConnections:
    """A server that does not answer: frozen, behind a network that holds bytes, or not there."""

    @pytest.fixture
    def url(self, server: PostgresServer) -> Iterator[str]:
        """An upgraded database with one app."""
        with empty_database(server.url()) as url:
            db = open_database(url)
            migration.upgrade(db)
            apps.create(Scope(db, Origin("test")), "App")
            db.close()
            yield url

    def test_a_commit_that_the_network_held_is_not_applied_later(self, url: str) -> None:
        plain = open_database(url)
        with Forwarder.to(url) as forwarder:
            db = open_database(forwarder.url(url), request_timeout=1.0)
            forwarder.hold_at(b"COMMIT")
            with deadline.within(1.0), takes(0.8, 2.0), pytest.raises(Unconfirmed) as raised:
                db.transact(renaming(db, "Late"))
            assert "may have been made" in raised.value.detail
            assert forwarder.holds
            forwarder.flow()
            time.sleep(0.5)
            db.close()
        assert name(plain) == "App"
        plain.close()

    def test_statements_that_the_network_held_are_not_applied_later(self, url: str) -> None:
        plain = open_database(url)
        with Forwarder.to(url) as forwarder:
            db = open_database(forwarder.url(url), request_timeout=1.0)
            with deadline.within(5):
                assert name(db) == "App"
            forwarder.hold()
            with deadline.within(0.5), takes(0.4, 1.5), pytest.raises(DeadlinePassed):
                db.transact(renaming(db, "Late"))
            forwarder.flow()
            time.sleep(0.5)
            # A slow network is no trouble as long as there is time.
            forwarder.delay = 0.05
            with deadline.within(10):
                db.transact(renaming(db, "In time"))
            db.close()
        assert name(plain) == "In time"
        plain.close()

    def test_a_server_that_accepts_and_says_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            several = f"127.0.0.1:{port},127.0.0.1:{port},127.0.0.1:{port}"
            for hosts in (f"127.0.0.1:{port}", several):
                db = open_database(f"postgresql://user:password@{hosts}/name", request_timeout=1.0)
                with deadline.within(0.7), takes(0.6, 1.5), pytest.raises(DeadlinePassed):
                    db.scalar(SQL("SELECT 1"))
                db.close()

    def test_a_command_ends_when_its_server_is_frozen(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not before: a server that works for it for a long time answers others."""
        monkeypatch.setattr(postgresql_session, "_PATIENCE", 0.5)
        monkeypatch.setattr(postgresql_session, "_SIGN_OF_LIFE", 1.0)
        plain = open_database(url)
        with Forwarder.to(url) as forwarder:
            db = open_database(forwarder.url(url) + "?connect_timeout=2")
            assert db.scalar(SQL("SELECT 'done' FROM pg_sleep(2)")) == "done"
            forwarder.hold()
            with takes(1, 8), pytest.raises(Unavailable) as raised:
                db.transact(renaming(db, "Late"))
            assert "no sign of life" in str(raised.value.reason)
            with takes(0, 8), pytest.raises(Unavailable):
                name(db)
            forwarder.flow()
            time.sleep(0.5)
            assert name(db) == "App"
            forwarder.hold_at(b"COMMIT")
            with takes(1, 8), pytest.raises(Unconfirmed):
                db.transact(renaming(db, "Nobody knows"))
            forwarder.flow()
            db.close()
        assert name(plain) in ("App", "Nobody knows")
        plain.close()

    def test_another_host_of_the_url_takes_over_from_a_frozen_one(self, url: str) -> None:
        login, rest = url.split("@")
        with Forwarder.to(url) as leader:
            hosts = f"127.0.0.1:{leader.port},{rest}"
            db = open_database(f"{login}@{hosts}?connect_timeout=2&target_session_attrs=read-write")
            with deadline.within(5):
                assert name(db) == "App"
            leader.hold()
            with deadline.within(0.5), takes(0.4, 1.5), pytest.raises(DeadlinePassed):
                db.transact(renaming(db, "Lost"))
            # The frozen one gets as long as connect_timeout says.
            with deadline.within(10), takes(1.5, 5):
                db.transact(renaming(db, "By the other"))
            leader.flow()
            time.sleep(0.3)
            assert name(db) == "By the other"
            db.close()

    def test_the_server_stops_working_for_a_client_that_gave_up(self, url: str) -> None:
        db = open_database(url, request_timeout=30.0)
        with deadline.within(0.5), pytest.raises(DeadlinePassed):
            db.scalar(SQL("SELECT pg_sleep(60)"))
        with psycopg.connect(url, autocommit=True) as other:
            query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%'"
            end = time.monotonic() + 5
            while other.execute(query).fetchone() != (0,):
                assert time.monotonic() < end
                time.sleep(0.1)
        db.close()

    def test_settings_of_a_session_follow_the_deadline(self, url: str) -> None:
        settings = ("statement_timeout", "lock_timeout", "client_connection_check_interval")
        query = SQL("SELECT " + ", ".join(f"current_setting('{setting}')" for setting in settings))
        db = open_database(url, busy_timeout=30, request_timeout=10)
        assert db.row(query) == ("0", "30s", "0")
        db.close()
        with deadline.within(10):
            assert db.row(query) == ("10s", "10s", "1s")
        db.close()


class TestFrozen:
    """The service while all processes of its PostgreSQL are stopped."""

    def test_every_request_is_answered_and_nothing_is_applied_later(
        self, server: PostgresServer, tmp_path: Any
    ) -> None:
        with empty_database(server.url()) as url:
            installation = Installation.new(url, tmp_path, REQUEST_TIMEOUT="2")
            try:
                installation.start(workers=1, threads=12)
                self._freeze_in_the_middle(server, installation)
            finally:
                installation.stop()

    def _freeze_in_the_middle(self, server: PostgresServer, installation: Installation) -> None:
        app = installation.app()
        app.client.user("before").ok(201)
        ledger: dict[str, Answer] = {}
        stop = threading.Event()

        def write(writer: int) -> None:
            client, number = app.client.another(), 0
            while not stop.is_set():
                number += 1
                user = f"writer{writer}-{number}"
                with takes(0, 3.5):
                    ledger[user] = client.user(user)

        with ThreadPoolExecutor(7) as pool:
            writers = [pool.submit(write, number) for number in range(6)]
            time.sleep(0.7)
            with server.frozen():
                with takes(1.2, 3):
                    answer = ScimClient(installation.url).get("/healthz")
                assert_scim_error(answer, 503)
                time.sleep(1.5)
                stop.set()
                for each in writers:
                    each.result(20)
        # Whatever the server had in its buffers, it has done by now.
        time.sleep(1.5)
        stored = {user["userName"] for user in app.client.find("Users", count=1000)["Resources"]}
        failed = {user for user, answer in ledger.items() if answer.status != 201}
        assert len(failed) >= 6
        for user in failed:
            assert_scim_error(ledger[user], 503)
            assert int(ledger[user].headers["retry-after"]) >= 1
        unknown = {user for user in failed if "may have been made" in ledger[user].json["detail"]}
        assert stored - unknown == {"before", *ledger} - failed
        app.client.another().user("after").ok(201)
        ScimClient(installation.url).get("/healthz").ok(200)


def test_a_bulk_request_stops_at_the_deadline(database_url: str, tmp_path: Any) -> None:
    installation = Installation.new(database_url, tmp_path, REQUEST_TIMEOUT="2")
    try:
        installation.start(workers=1)
        app = installation.app(passwords="hash")
        app.client.user("first", password="Tr0ub4dor&3").ok(201)
        operations = [
            {
                "method": "POST",
                "path": "/Users",
                "bulkId": str(number),
                "data": {"userName": f"u{number}", "password": "Tr0ub4dor&3"},
            }
            for number in range(400)
        ]
        with takes(1, 6):
            results = app.client.post("/Bulk", {"Operations": operations}).ok(200).json["Operations"]
        done = [number for number, result in enumerate(results) if result["status"] == "201"]
        assert [result["status"] for result in results] == ["201"] * len(done) + ["503"] * (400 - len(done))
        assert 0 < len(done) < 400
        assert app.client.find("Users")["totalResults"] == 1 + len(done)
    finally:
        installation.stop()
