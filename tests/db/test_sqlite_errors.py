"""Each of SQLite's troubles, brought about for real, is Unavailable with the reason; faults of ours are not."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import peewee
import pytest
from peewee import SQL

from scimlite.admin import apps
from scimlite.db import Database, migration, open_database
from scimlite.db.tables import AliasRow, AppRow
from scimlite.errors import Unavailable
from scimlite.journal import Origin, Scope


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scimlite.db"


@pytest.fixture
def db(path: Path) -> Database:
    db = open_database(f"sqlite:///{path}", busy_timeout=0.1)
    migration.upgrade(db)
    apps.create(Scope(db, Origin("test")), "App")
    return db


def fill(db: Database) -> None:
    app = db.scalar(AppRow.select(AppRow.id))
    for number in range(200):
        db.execute(AliasRow.insert(app_id=app, user_uuid="x" * 2000, name=str(number)))


def full(db: Database) -> None:
    pages = db.scalar(peewee.SQL("PRAGMA page_count"))
    db.peewee.execute_sql(f"PRAGMA max_page_count = {pages + 3}")


def read_only(db: Database) -> None:
    db.peewee.execute_sql("PRAGMA query_only = 1")


def locked(db: Database) -> None:
    # Left to the garbage collector of the test's process.
    other = sqlite3.connect(db.path, isolation_level=None)  # type: ignore[attr-defined]  # SQLite's
    other.execute("BEGIN IMMEDIATE")
    db.other = other  # type: ignore[attr-defined]


def damaged(db: Database) -> None:
    db.peewee.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()
    path: Path = db.path  # type: ignore[attr-defined]  # SQLite's
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (full, "the disk is full (SQLITE_FULL)"),
        (read_only, "it is read-only (SQLITE_READONLY)"),
        (locked, "it is busy (SQLITE_BUSY)"),
        (damaged, "it is damaged (database disk image is malformed)"),
    ],
)
@pytest.mark.parametrize("nested", [False, True], ids=["alone", "in a savepoint"])
def test_a_write_in_trouble(db: Database, trouble: Callable[[Database], None], reason: str, nested: bool) -> None:
    before = db.row(AppRow.select()) if trouble is not damaged else None
    trouble(db)

    def write() -> None:
        if nested:
            db.transact(lambda: fill(db))
        else:
            fill(db)

    with pytest.raises(Unavailable) as raised:
        db.transact(write)
    assert raised.value.reason == reason
    assert raised.value.headers["Retry-After"]
    assert not db.in_transaction
    if before is not None:
        assert db.row(AppRow.select()) == before
        assert db.rows(AliasRow.select()) == []
    db.close()


@pytest.mark.parametrize("statement", ["SELECT nothing FROM", "SELECT * FROM nowhere"])
def test_what_is_wrong_with_a_statement(db: Database, statement: str) -> None:
    ours = statement.endswith("FROM")
    with pytest.raises(peewee.OperationalError if ours else Unavailable):
        db.rows(peewee.SQL(statement))
    with pytest.raises(peewee.OperationalError if ours else Unavailable):
        db.transact(lambda: db.rows(peewee.SQL(statement)))
    db.close()


def test_a_constraint_is_no_trouble_and_keeps_its_own_cause(db: Database) -> None:
    with pytest.raises(peewee.IntegrityError) as raised:
        db.transact(lambda: db.execute(AppRow.insert(slug="app", name="Twin")))
    assert raised.value.__cause__ is not raised.value
    db.check_health()
    db.close()


def test_no_memory(path: Path, db: Database) -> None:
    # In a process of its own, as the limit holds for all of a process and for good.
    db.close()
    program = """if True:
        import sys
        from peewee import SQL
        from scimlite.db import open_database
        from scimlite.errors import Unavailable
        db = open_database(f"sqlite:///{sys.argv[1]}")
        used = db.scalar(SQL("PRAGMA page_count"))
        db.peewee.execute_sql("PRAGMA hard_heap_limit = 2000000")
        for run in (db.rows, lambda query: db.transact(lambda: db.rows(query))):
            try:
                run(SQL("SELECT zeroblob(100000000) || 'x'"))
            except Unavailable as error:
                print(error.reason)
        print(db.rows(SQL("SELECT 1")))
        """
    ran = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["there is not enough memory (SQLITE_NOMEM)"] * 2 + ["[(1,)]"]


def test_a_file_that_is_not_there_is_not_made(path: Path) -> None:
    db = open_database(f"sqlite:///{path}")
    with pytest.raises(Unavailable) as raised:
        db.rows(AppRow.select())
    assert raised.value.reason == "it cannot be reached (SQLITE_CANTOPEN)"
    assert not path.exists()


def test_the_health_remembers_a_write_that_failed_until_one_succeeds(db: Database) -> None:
    db.check_health()
    read_only(db)
    with pytest.raises(Unavailable):
        db.transact(lambda: fill(db))
    assert len(db.rows(AppRow.select())) == 1
    with pytest.raises(Unavailable) as raised:
        db.check_health()
    assert raised.value.reason == "it is read-only (SQLITE_READONLY)"
    db.peewee.execute_sql("PRAGMA query_only = 0")
    db.transact(lambda: fill(db))
    db.check_health()
    db.close()


def test_a_checkpoint_that_a_reader_holds_back_is_no_damage(tmp_path: Path) -> None:
    """Its file is shorter than its header says: the newest pages wait in the WAL, because they were written again."""
    path = tmp_path / "scimlite.db"
    db = open_database(f"sqlite:///{path}")
    db.create()
    with closing(sqlite3.connect(path, isolation_level=None)) as other, closing(sqlite3.connect(path)) as reader:
        other.execute("PRAGMA journal_mode=WAL").fetchall()
        other.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")
        db.transact(lambda: db.execute(SQL("INSERT INTO t (x) VALUES ('a')")))
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for _ in range(3):
            db.transact(lambda: db.execute(SQL("INSERT INTO t (x) VALUES (printf('%.20000c', 'x'))")))
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM t").fetchall()
            other.execute("UPDATE t SET x = printf('%.20000c', 'y') WHERE id = (SELECT max(id) FROM t)")
            other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            header = path.read_bytes()[:100]
            assert path.stat().st_size < 4096 * int.from_bytes(header[28:32], "big")
            db.transact(lambda: db.execute(SQL("INSERT INTO t (x) VALUES ('b')")))
            db.scalar(SQL("SELECT count(*) FROM t"))
            reader.rollback()
            other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            db.transact(lambda: db.execute(SQL("INSERT INTO t (x) VALUES ('c')")))
    db.close()
