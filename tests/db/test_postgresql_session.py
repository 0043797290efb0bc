"""What a session of PostgreSQL is asked to be, what it is, and whose word counts: directly and through PgBouncer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from peewee import SQL

from installation import Installation
from pgbouncer import pgbouncer
from postgres_server import empty_database
from scim_client import assert_scim_error
from scimlite.admin import apps
from scimlite.db import Database, migration, open_database
from scimlite.db.postgresql_session import Session
from scimlite.db.tables import AppRow
from scimlite.errors import Unavailable
from scimlite.journal import Origin, Scope

Opener = Callable[..., Database]


@pytest.fixture(scope="module")
def url(postgres_url: str) -> Iterator[str]:
    """An upgraded database of the server, with one app."""
    with empty_database(postgres_url) as url:
        db = open_database(url)
        migration.upgrade(db)
        apps.create(Scope(db, Origin("test")), "App")
        db.close()
        yield url


@pytest.fixture(scope="module")
def pooled_url(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same database by way of PgBouncer, with one connection to PostgreSQL for all."""
    with pgbouncer(url, tmp_path_factory.mktemp("pgbouncer"), default_pool_size="2") as pooled:
        yield pooled


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens databases and closes them at the end."""
    every: list[Database] = []

    def open_one(url: str, **options: Any) -> Database:
        every.append(open_database(url, **options))
        return every[-1]

    yield open_one
    for db in every:
        db.close()


def session_of(db: Database) -> Session:
    session = db.session()
    assert session is not None
    return session


def has(db: Database, name: str) -> Any:
    """The setting as it holds in a transaction."""
    return db.transact(lambda: db.scalar(SQL("SELECT current_setting(%s)", (name,))))


class TestTheOperatorsWord:
    """What the URL or libpq's environment says comes first."""

    def test_without_a_word_it_is_what_scimlite_asks_for(self, url: str, opened: Opener) -> None:
        session = session_of(opened(url, busy_timeout=1.5))
        assert session.parameters == {"connect_timeout": "5", "tcp_user_timeout": "20000"}
        assert {each.name: each.has for each in session.settings}["lock_timeout"] == "1500"
        assert {each.name: each.has for each in session.settings}["plan_cache_mode"] == "force_generic_plan"
        assert not session.pooled
        assert session.prepare_threshold == 5
        assert session.warnings == []
        for part in ("PostgreSQL ", "connect_timeout=5", "lock_timeout=1500ms", "prepared after 5 uses"):
            assert part in str(session)

    def test_parameters_of_the_url(self, url: str, opened: Opener) -> None:
        options = "options=-c%20lock_timeout%3D3s%20-c%20work_mem%3D5MB"
        db = opened(f"{url}?connect_timeout=11&tcp_user_timeout=12000&{options}")
        session = session_of(db)
        assert session.parameters == {"connect_timeout": "11", "tcp_user_timeout": "12000"}
        assert (has(db, "lock_timeout"), has(db, "work_mem")) == ("3s", "5MB")
        assert has(db, "plan_cache_mode") == "force_generic_plan"
        assert session.warnings == []

    def test_the_environment_of_libpq(self, url: str, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PGCONNECT_TIMEOUT", "9")
        monkeypatch.setenv("PGOPTIONS", "-c plan_cache_mode=auto")
        db = opened(url)
        assert session_of(db).parameters["connect_timeout"] == "9"
        assert has(db, "plan_cache_mode") == "auto"
        assert has(db, "lock_timeout") == "5s"

    @pytest.mark.parametrize(("threshold", "prepared"), [(None, None), (0, 0), (3, 3), ("auto", 5)])
    def test_the_threshold(self, url: str, opened: Opener, threshold: int | str | None, prepared: int | None) -> None:
        assert session_of(opened(url, prepare_threshold=threshold)).prepare_threshold == prepared

    def test_sqlite_has_no_session(self, opened: Opener, tmp_path: Path) -> None:
        assert opened(f"sqlite:///{tmp_path / 'scimlite.db'}").session() is None


class TestPgBouncer:
    """In transaction mode, with the configuration of the page, on a real PgBouncer."""

    def test_the_pooler_is_seen_and_settings_hold_in_transactions(self, pooled_url: str, opened: Opener) -> None:
        db = opened(pooled_url, busy_timeout=1.5)
        session = session_of(db)
        assert session.pooled
        assert session.prepare_threshold is None
        assert session.warnings == []
        assert has(db, "lock_timeout") == "1500ms"
        assert "behind a pooler" in str(session)

    def test_nothing_is_left_on_the_connection_of_others(self, pooled_url: str, url: str, opened: Opener) -> None:
        db = opened(pooled_url, busy_timeout=1.5)
        has(db, "lock_timeout")
        with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as other:
            for _ in range(4):
                row = other.execute("SHOW lock_timeout").fetchone()
                assert row == ("0",)

    def test_a_locked_row_is_not_waited_for_without_an_end(self, pooled_url: str, url: str, opened: Opener) -> None:
        db = opened(pooled_url, busy_timeout=0.3)
        with psycopg.connect(url) as other:
            other.execute("SELECT id FROM app FOR UPDATE")
            with pytest.raises(Unavailable) as raised:
                db.transact(lambda: db.touch(AppRow.update(name=AppRow.name)))
        assert "55P03" in (raised.value.reason or "")

    def test_prepared_statements_that_the_operator_wants_are_503_there(self, pooled_url: str, opened: Opener) -> None:
        db = opened(pooled_url, prepare_threshold=0)
        other = opened(pooled_url, prepare_threshold=0)

        def use(number: int) -> str:
            each = (db, other)[number % 2]
            try:
                for _ in range(20):
                    each.scalar(SQL("SELECT %s::int", (number,)))
            except Unavailable as error:
                return error.reason or ""
            finally:
                each.close()
            return ""

        with ThreadPoolExecutor(4) as pool:
            reasons = set(pool.map(use, range(8)))
        assert all(not reason or "a pooler" in reason for reason in reasons)

    def test_the_service_works_as_without(self, postgres_url: str, tmp_path: Path) -> None:
        with empty_database(postgres_url) as url, pgbouncer(url, tmp_path, default_pool_size="3") as pooled:
            installation = Installation.new(url, tmp_path)
            try:
                installation.start(DATABASE_URL=pooled)
                app = installation.app()

                def provision(number: int) -> list[int]:
                    client = app.client.another()
                    made = client.user(f"user{number}")
                    change = {"op": "replace", "path": "title", "value": "x"}
                    answers = [made, client.patch(f"/Users/{made.id}", change), client.get(f"/Users/{made.id}")]
                    answers.append(client.get(f'/Users?filter=userName%20eq%20"user{number}"'))
                    return [answer.status for answer in answers]

                with ThreadPoolExecutor(8) as pool:
                    assert set(map(tuple, pool.map(provision, range(60)))) == {(201, 200, 200, 200)}
                assert app.client.find("Users")["totalResults"] == 60
                assert "behind a pooler" in installation.log()
                assert_scim_error(app.client.user("user1"), 409, "uniqueness")
            finally:
                installation.stop()


def test_serve_logs_what_the_connection_has(postgres_url: str, tmp_path: Path) -> None:
    with empty_database(postgres_url) as url:
        installation = Installation.new(url, tmp_path)
        try:
            installation.start(workers=1, DATABASE_URL=f"{url}?options=-c%20lock_timeout%3D3s&connect_timeout=7")
            log = installation.log()
            assert "connect_timeout=7; tcp_user_timeout=20000; lock_timeout=3s; plan_cache_mode=force_generic" in log
            assert os.environ.get("PGPASSWORD") is None
            assert url.split("@")[0].rsplit(":", 1)[1] not in log
        finally:
            installation.stop()
