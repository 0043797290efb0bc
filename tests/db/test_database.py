"""The database as its callers see it: statements counted, rows with names, cached statements, drivers loaded late."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from peewee import SQL, fn

from scimlite.admin import apps
from scimlite.db import Database, Insert, Slot, StatementCache, migration, open_database, prepared
from scimlite.db.tables import AliasRow, AppRow
from scimlite.errors import ScimError
from scimlite.journal import Origin, Scope


@prepared
def one_app(db: Database) -> Any:
    return AppRow.select(AppRow.id, AppRow.slug, AppRow.name).where(AppRow.slug == Slot("slug"))


@prepared
def rename(db: Database) -> Any:
    return AppRow.update(name=Slot("name")).where(AppRow.slug == Slot("slug"))


insert_names = Insert(AliasRow, ["app_id", "user_uuid", "name"])


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """An installation's database with two apps."""
    db = open_database(database_url, busy_timeout=5.0)
    migration.upgrade(db)
    for name in ("First", "Second"):
        apps.create(Scope(db, Origin("test")), name)
    yield db
    db.close()


class TestCounting:
    """`with db.counting() as statements` records what runs for this thread."""

    def test_every_way_to_run_a_statement_counts_once(self, db: Database) -> None:
        app = db.scalar(one_app, slug="first")
        ways: list[Callable[[], object]] = [
            lambda: db.rows(one_app, slug="first"),
            lambda: db.row(AppRow.select(AppRow.id)),
            lambda: db.records(one_app, slug="first"),
            lambda: db.execute(rename, name="Other", slug="first"),
            lambda: db.touch(rename, name="Other", slug="first"),
            lambda: db.execute_many(rename, [{"name": "Other", "slug": slug} for slug in ("first", "second")]),
            lambda: db.insert(insert_names, [(app, "id", "one")]),
            lambda: db.insert(insert_names, [(app, "id", "two"), (app, "id", "three")]),
        ]
        for way in ways:
            with db.counting() as statements:
                way()
            assert len(statements) == 1
            assert "app" in statements[0] or "alias" in statements[0]

    def test_a_transaction_counts_wherever_it_runs_and_without_begin_and_commit(self, db: Database) -> None:
        def task(number: int) -> list[str]:
            def work() -> None:
                for _ in range(number):
                    db.execute(rename, name=f"By {number}", slug="first")
                db.transact(lambda: db.row(one_app, slug="second"))

            with db.counting() as statements:
                db.transact(work)
            db.close()
            return statements

        with ThreadPoolExecutor(4) as pool:
            recorded = list(pool.map(task, range(1, 9)))
        for number, statements in enumerate(recorded, start=1):
            assert [sql.split()[0] for sql in statements] == ["UPDATE"] * number + ["SELECT"]

    def test_a_block_around_another_one_records_both(self, db: Database) -> None:
        with db.counting() as outer:
            db.row(one_app, slug="first")
            with db.counting() as inner:
                db.row(one_app, slug="first")
            db.row(one_app, slug="first")
        db.row(one_app, slug="first")
        assert (len(outer), len(inner)) == (3, 1)

    def test_other_threads_and_failed_work_leave_nothing_behind(self, db: Database) -> None:
        def other() -> None:
            db.row(one_app, slug="first")
            db.close()

        def fail() -> None:
            db.row(one_app, slug="first")
            raise ScimError("failed")

        with db.counting() as statements:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            with pytest.raises(ScimError):
                db.transact(fail)
        assert len(statements) == 1


class TestRecords:
    """`db.records` gives rows whose columns have names."""

    def test_columns_are_read_by_name(self, db: Database) -> None:
        records = db.records(AppRow.select(AppRow.slug, fn.length(AppRow.name).alias("length")).order_by(AppRow.id))
        assert [(record.slug, record.length) for record in records] == [("first", 5), ("second", 6)]
        assert records == db.rows(AppRow.select(AppRow.slug, fn.length(AppRow.name)).order_by(AppRow.id))

    def test_statements_take_binds_and_keep_their_class(self, db: Database) -> None:
        (first,) = db.records(one_app, slug="first")
        (second,) = db.records(one_app, slug="second")
        assert type(first) is type(second)
        assert first._replace(id=0)._asdict() == {"id": 0, "slug": "first", "name": "First"}
        assert db.records(one_app, slug="none") == []

    def test_inside_a_transaction(self, db: Database) -> None:
        def work() -> str:
            db.execute(rename, name="Renamed", slug="first")
            name: str = db.records(one_app, slug="first")[0].name
            return name

        assert db.transact(work) == "Renamed"

    def test_an_expression_without_an_alias_is_refused(self, db: Database) -> None:
        with pytest.raises(ValueError, match="identifier"):
            db.records(AppRow.select(fn.coalesce(AppRow.name, SQL("'x'")).alias("a b")))


class TestStatementCache:
    """Statements are built once for each shape."""

    def test_a_shape_is_built_once(self) -> None:
        built = []

        def build() -> str:
            built.append(1)
            return "statement"

        cache: StatementCache[str] = StatementCache()
        assert [cache.get(("sqlite", "shape"), build) for _ in range(3)] == ["statement"] * 3
        assert len(built) == 1

    def test_the_number_of_shapes_is_bounded(self) -> None:
        cache: StatementCache[object] = StatementCache(most=3)
        first = cache.get(0, object)
        for shape in range(1, 3):
            cache.get(shape, object)
        assert cache.get(0, object) is first
        cache.get(3, object)
        assert cache.get(0, object) is not first
        assert len(cache) == 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:s3cret@db.example.com:5432/x", "postgresql://ann@db.example.com:5432/x"),
        ("postgresql://:s3cret@db1,db2:5433/x?sslmode=require", "'postgresql://@db1,db2:5433/x?sslmode=require'"),
        ("postgresql://ann@db/x?password=s3cret&sslmode=require", "'postgresql://ann@db/x?sslmode=require'"),
        ("postgresql://db:5432/x?sslmode=require&password=s3cret", "'postgresql://db:5432/x?sslmode=require&'"),
        ("postgresql:///?service=scimlite", "'postgresql:///?service=scimlite'"),
    ],
)
def test_no_command_for_the_shell_shows_a_password(url: str, shown: str, tmp_path: Path) -> None:
    db = open_database(url)
    for command in (db.dump_command(tmp_path / "x"), db.restore_command(tmp_path / "x")):
        assert command is not None
        assert "s3cret" not in command
        assert f"{shown}" in command
        assert ("~/.pgpass" in command) == ("s3cret" in url)


def test_a_database_says_whether_its_files_are_scimlites(db: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    if db.kind == "sqlite":
        assert (db.size() or 0) > 0
        assert db.dump_command(target) is None
        db.backup(target)
        assert target.stat().st_size > 0
    else:
        assert db.size() is None
        assert f"--file={target}" in (db.dump_command(target) or "")
        with pytest.raises(NotImplementedError, match="own tool"):
            db.backup(target)


@pytest.mark.parametrize(
    ("url", "loaded", "absent"),
    [
        ("sqlite:///some.db", "scimlite.db.sqlite", "scimlite.db.postgresql"),
        ("postgresql://host/some", "scimlite.db.postgresql", "scimlite.db.batches"),
    ],
)
def test_only_the_kind_that_is_used_is_loaded(url: str, loaded: str, absent: str) -> None:
    program = "import sys; from scimlite.db import open_database; open_database(sys.argv[1]); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    modules = ran.stdout.split()
    assert loaded in modules
    assert absent not in modules
