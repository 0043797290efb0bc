"""What PostgreSQL's errors mean, each raised by a real server: the class of 503, the retries, the connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import peewee
import psycopg
import pytest
from peewee import SQL

from installation import Installation
from postgres_server import empty_database
from scim_client import Answer, ScimClient, assert_scim_error
from scimlite.db import Database, migration, open_database
from scimlite.db.troubles import Trouble
from scimlite.errors import RefusedByRule, Unavailable

#: Every SQLSTATE below is raised by the server itself, by PL/pgSQL or by the fault in its comment.
TROUBLES = {
    "08006": (Trouble.UNREACHABLE, 6),
    "25006": (Trouble.READ_ONLY, 2),
    "25P03": (Trouble.BUSY, 2),
    "25P04": (Trouble.BUSY, 1),
    "26000": (Trouble.BROKEN, 1),
    "28000": (Trouble.BROKEN, 1),
    "28P01": (Trouble.BROKEN, 1),
    "3D000": (Trouble.BROKEN, 1),
    "3F000": (Trouble.BROKEN, 1),
    "40001": (Trouble.BUSY, 6),
    "40P01": (Trouble.BUSY, 6),
    "42501": (Trouble.BROKEN, 1),
    "42703": (Trouble.BROKEN, 1),
    "42P01": (Trouble.BROKEN, 1),
    "42P05": (Trouble.BROKEN, 1),
    "53000": (Trouble.BUSY, 1),
    "53100": (Trouble.FULL, 1),
    "53200": (Trouble.MEMORY, 1),
    "53300": (Trouble.BUSY, 1),
    "53400": (Trouble.BUSY, 1),
    "55006": (Trouble.BUSY, 1),
    "55P03": (Trouble.BUSY, 1),
    "57014": (Trouble.BUSY, 1),
    "57P01": (Trouble.UNREACHABLE, 6),
    "57P03": (Trouble.UNREACHABLE, 6),
    "57P04": (Trouble.BROKEN, 1),
    "58000": (Trouble.IO, 1),
    "58030": (Trouble.IO, 1),
    "58P01": (Trouble.BROKEN, 1),
    "F0000": (Trouble.BROKEN, 1),
    "XX000": (Trouble.BROKEN, 1),
    "XX001": (Trouble.BROKEN, 1),
    "XX002": (Trouble.BROKEN, 1),
}
#: Faults of ours stay what they are, to be answered with 500.
OURS = ("0A000", "22012", "22P02", "23502", "23505", "25P02", "42601", "42883", "54001")
#: What only the operator's own triggers, functions and constraints raise; any code, when it comes from a function.
OWN = ("09000", "23514", "27000", "38000", "44000", "HV000", "P0001", "P0004", "ZZ999")


@pytest.fixture(scope="module")
def url(postgres_url: str) -> Iterator[str]:
    """An upgraded database of the server."""
    with empty_database(postgres_url) as url:
        db = open_database(url)
        migration.upgrade(db)
        db.close()
        yield url


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """The database, open."""
    db = open_database(url)
    yield db
    db.close()


def raising(db: Database, sqlstate: str, tries: list[str]) -> Callable[[], None]:
    """Work that the server refuses with this SQLSTATE; it notes each time that it is tried."""

    def work() -> None:
        tries.append(sqlstate)
        db.touch(peewee.SQL(f"DO $$ BEGIN RAISE EXCEPTION 'a stored value' USING ERRCODE = '{sqlstate}'; END $$"))

    return work


@pytest.mark.parametrize("sqlstate", TROUBLES)
def test_trouble_is_unavailable_and_says_why(db: Database, sqlstate: str) -> None:
    trouble, most = TROUBLES[sqlstate]
    tries: list[str] = []
    with pytest.raises(Unavailable) as raised:
        db.transact(raising(db, sqlstate, tries))
    assert len(tries) == most
    assert sqlstate in (raised.value.reason or "")
    assert "a stored value" not in f"{raised.value.reason}{raised.value.detail}"
    passing = trouble in (Trouble.BUSY, Trouble.UNREACHABLE)
    assert int(raised.value.headers["Retry-After"]) == (5 if passing else 30)
    # The thread goes on, with this connection or the next one.
    assert db.scalar(SQL("SELECT 1")) == 1


@pytest.mark.parametrize("sqlstate", OURS)
def test_a_fault_of_ours_stays_one(db: Database, sqlstate: str) -> None:
    tries: list[str] = []
    with pytest.raises(peewee.PeeweeException):
        db.transact(raising(db, sqlstate, tries))
    assert len(tries) == 1
    assert db.scalar(SQL("SELECT 1")) == 1


@pytest.mark.parametrize("sqlstate", OWN)
def test_a_rule_of_the_operators_own_is_named(db: Database, sqlstate: str) -> None:
    tries: list[str] = []
    with pytest.raises(RefusedByRule) as raised:
        db.transact(raising(db, sqlstate, tries))
    assert len(tries) == 1
    assert (raised.value.status, raised.value.reason) == (400, "a stored value")
    assert raised.value.rule.startswith(sqlstate)
    assert "a stored value" not in f"{raised.value.detail}{raised.value.rule}"


def test_what_the_driver_cannot_send_is_a_fault_of_ours(db: Database) -> None:
    with pytest.raises(peewee.PeeweeException, match="NUL"):
        db.rows(SQL("SELECT %s", ("a\0b",)))
    assert db.scalar(SQL("SELECT 1")) == 1


@pytest.mark.parametrize("setting", ["statement_timeout", "transaction_timeout"])
def test_a_statement_that_takes_too_long_is_not_tried_again(url: str, db: Database, setting: str) -> None:
    name = url.rsplit("/", 1)[1]
    tried: list[int] = []

    def work() -> None:
        tried.append(1)
        db.row(SQL("SELECT pg_sleep(5)"))

    with psycopg.connect(url, autocommit=True) as operator:
        if setting == "transaction_timeout" and operator.info.server_version < 170000:
            pytest.skip("PostgreSQL has transaction_timeout since version 17")
        operator.execute(f"ALTER DATABASE {name} SET {setting} = '200ms'")
        try:
            with pytest.raises(Unavailable):
                db.transact(work)
        finally:
            operator.execute(f"ALTER DATABASE {name} RESET {setting}")
    assert len(tried) == 1
    assert db.scalar(SQL("SELECT 1")) == 1


def test_a_session_that_is_ended_between_requests_is_replaced(url: str, db: Database) -> None:
    pid = db.scalar(SQL("SELECT pg_backend_pid()"))
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    assert db.scalar(SQL("SELECT 1")) == 1


def _faults(url: str) -> list[tuple[str, str, str, str]]:
    name = url.rsplit("/", 1)[1]
    return [
        # what breaks it, what mends it, what the log says, what reads are answered
        (f"ALTER DATABASE {name} SET default_transaction_read_only = on",
         f"ALTER DATABASE {name} RESET default_transaction_read_only", "it is read-only (25006", "200"),
        ("ALTER TABLE resource RENAME TO hidden", "ALTER TABLE hidden RENAME TO resource", "42P01", "503"),
        ("ALTER TABLE resource RENAME COLUMN document TO hidden",
         "ALTER TABLE resource RENAME COLUMN hidden TO document", "42703", "503"),
        ("REVOKE INSERT, UPDATE ON ALL TABLES IN SCHEMA public FROM limited",
         "GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO limited", "42501", "200"),
    ]  # fmt: skip


def test_requests_get_503_and_health_knows(postgres_url: str, tmp_path: Any) -> None:
    with empty_database(postgres_url) as url:
        installation = Installation.new(url, tmp_path)
        with psycopg.connect(url, autocommit=True) as operator:
            operator.execute("DROP ROLE IF EXISTS limited")
            operator.execute("CREATE ROLE limited LOGIN PASSWORD 'limited'")
            operator.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO limited")
            try:
                limited = "postgresql://limited:limited@" + url.rsplit("@", 1)[1]
                installation.start(workers=1, threads=1, DATABASE_URL=limited)
                client = installation.app().client
                made = client.user("before").ok(201)
                for number, (breaking, mending, reason, reads) in enumerate(_faults(url)):
                    _fault(operator, installation, client, made, breaking, reason, reads)
                    operator.execute(mending)
                    # The setting of a database holds for new connections.
                    _end_sessions(operator)
                    ScimClient(installation.url).get("/healthz").ok(200)
                    client.user(f"after {number}").ok(201)
            finally:
                installation.stop()
                operator.execute("DROP OWNED BY limited")
                operator.execute("DROP ROLE limited")


def _fault(operator: Any, installation: Installation, client: ScimClient, made: Answer, *fault: str) -> None:
    breaking, reason, reads = fault
    operator.execute(breaking)
    _end_sessions(operator)
    seen = len(installation.log())
    answer = client.user("during")
    assert_scim_error(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert reason in installation.log()[seen:]
    assert str(client.get(f"/Users/{made.id}").status) == reads
    assert_scim_error(ScimClient(installation.url).get("/healthz"), 503)
    assert client.get("/Users?filter=userName%20eq%20%22during%22").status in (200, 503)


def _end_sessions(operator: Any) -> None:
    operator.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
