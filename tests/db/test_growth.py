"""A directory that grows from nothing stays as quick as it was, whatever was planned while it was empty."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from peewee import SQL

from people import People
from scimlite.db import Database, open_database
from scimlite.db.growth import Growth
from scimlite.db.tables import TABLES

#: Enough for plans to be kept, and for each table of a user to have many pages.
FEW, MANY = 20, 400
READ = SQL("SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::BIGINT FROM pg_stat_xact_user_tables")


@pytest.fixture
def people(database_url: str) -> Iterator[People]:
    """An empty app, in a database that nobody else analyzes."""
    db = open_database(database_url)
    people = People.in_new_app(db)
    if db.kind == "postgresql":
        for table in TABLES:
            db.peewee.execute_sql(f"ALTER TABLE {table._meta.table_name} SET (autovacuum_enabled = false)")
    yield people
    db.close()


def add_and_find(people: People, number: int) -> None:
    name = f"user{number}@example.com"
    people.add("Users", {"userName": name, "externalId": str(number), "emails": [{"value": name}]})
    assert people.names("Users", f'userName eq "{name}"') == [name]


def cost(db: Database, work: Callable[[], None]) -> int:
    """The rows that PostgreSQL reads for it, those of its checks of foreign keys included; SQLite's instructions."""
    if db.kind == "postgresql":
        before = db.scalar(READ) or 0

        def measured() -> int:
            work()
            return int(db.scalar(READ))

        return db.transact(measured) - before
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 10
        return 0

    connection = db.peewee.connection()
    connection.set_progress_handler(count, 10)
    try:
        work()
    finally:
        connection.set_progress_handler(None, 0)
    return steps


def is_analyzed(db: Database) -> bool:
    """Whether PostgreSQL knows how large the table of users is by now."""
    pages = db.scalar(SQL("SELECT relpages FROM pg_class WHERE oid = 'resource'::regclass"))
    return bool(pages * 2 > db.scalar(SQL("SELECT pg_relation_size('resource') / 8192")))


def test_what_a_user_costs_does_not_grow_with_the_users(people: People) -> None:
    for number in range(FEW):
        add_and_find(people, number)
    first = cost(people.db, lambda: add_and_find(people, FEW))
    for number in range(FEW + 1, MANY):
        add_and_find(people, number)
    if people.db.kind == "postgresql":
        until = time.monotonic() + 30
        while not is_analyzed(people.db) and time.monotonic() < until:
            time.sleep(0.1)
    assert cost(people.db, lambda: add_and_find(people, MANY)) < 4 * first


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
class TestGrowth:
    """Which tables of PostgreSQL are analyzed, and when."""

    def test_a_table_is_analyzed_when_it_has_doubled(self, people: People) -> None:
        growth = Growth(people.db)
        assert growth.analyze() == []
        add = "INSERT INTO alias SELECT 1, 'name ' || i, repeat('x', 30) || i FROM generate_series(%s::INTEGER, %s) i"
        people.db.peewee.execute_sql(add, (1, 1000))
        assert growth.analyze() == ["alias"]
        assert growth.analyze() == []
        people.db.peewee.execute_sql(add, (1001, 1100))
        assert growth.analyze() == []
        people.db.peewee.execute_sql(add, (1101, 2100))
        assert growth.analyze() == ["alias"]

    def test_tables_of_another_role_are_left_alone(self, people: People) -> None:
        role = "scimlite_test_without_tables"
        execute = people.db.peewee.execute_sql
        execute("INSERT INTO alias SELECT 1, 'name ' || i, 'user ' || i FROM generate_series(1, 1000) i")
        execute(f"CREATE ROLE {role}")
        try:
            execute(f"SET ROLE {role}")
            assert Growth(people.db).analyze() == []
            execute("RESET ROLE")
            assert Growth(people.db).analyze() == ["alias"]
        finally:
            execute("RESET ROLE")
            execute(f"DROP ROLE {role}")
