"""Databases whose tables are not as the models need them are named, and so are migrations that were changed."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Commands
from postgres_server import free_port
from scimlite import installation
from scimlite.config import Settings
from scimlite.db import Database, constraints, drift, migration
from scimlite.db.tables import TABLES

CHECKSUMS = Path(__file__).parent / "cases" / "migrations.sha256"
NAMES = [table._meta.table_name for table in TABLES]


@pytest.fixture
def command(settings_env: dict[str, str]) -> Commands:
    return Commands(settings_env)


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    opened = installation.database(settings)
    migration.upgrade(opened)
    yield opened
    opened.close()


def test_released_migrations_never_change():
    """A new migration gets a line here, in the form of sha256sum; the lines of others stay as they are."""
    noted = dict(reversed(line.split()) for line in CHECKSUMS.read_text().splitlines())
    present = {f"{name}.py": checksum for name, checksum in migration.checksums().items()}
    missing = [f"{present[name]}  {name}" for name in present if name not in noted]
    assert not missing, f"Add to {CHECKSUMS.name}:\n" + "\n".join(missing)
    assert present == noted, "A migration that was released is never changed: write another one."


def test_a_fresh_database_is_as_the_models_need_it(db):
    assert drift.differences(db) == []
    assert migration.changed(db) == []
    declared = {drift._named(text)[0] for text in (*constraints.INDEXES, *constraints.INDEXES_OF[db.kind])}
    assert set(drift.indexes(db, NAMES)) == declared
    for table in NAMES:
        assert len(drift.foreign_keys(db, table)) == len(constraints.FOREIGN_KEYS.get(table, ())), table


#: What was done to a database, and what is said then; with the kind of database where only one can do it.
CHANGES = [
    ("", ["DROP INDEX refusal_client", "ALTER TABLE refusal DROP COLUMN client_request_id"],
     ["The column refusal.client_request_id is missing.", "The index refusal_client is missing: CREATE INDEX"]),
    ("", ["DROP TABLE tally"], ["The table tally is missing."]),
    ("", ["ALTER TABLE app ADD COLUMN colour TEXT"], ["The column app.colour is not of this version."]),
    ("", ["DROP INDEX value_unique_key"], ["The index value_unique_key is missing: CREATE UNIQUE INDEX"]),
    ("", ["DROP INDEX value_unique_key",
          "CREATE INDEX value_unique_key ON value (app_id, type, path, unique_key) WHERE unique_key IS NOT NULL"],
     ["The index value_unique_key differs; it should be: CREATE UNIQUE INDEX"]),
    ("", ["DROP INDEX app_slug", "CREATE UNIQUE INDEX app_slug ON app (slug)"],
     ["The index app_slug differs; it should be: CREATE UNIQUE INDEX app_slug ON app (slug) WHERE deleted_at IS NULL"]),
    ("", ["CREATE UNIQUE INDEX one_label ON token (label)"], ["The unique index one_label is not of this version."]),
    ("sqlite", ["DROP TABLE password",
                "CREATE TABLE password (resource_id INTEGER, app_id TEXT, hash TEXT NOT NULL, "
                "changed_at INTEGER NOT NULL, PRIMARY KEY (app_id, resource_id))",
                "CREATE INDEX password_app ON password (app_id)"],
     ["The column password.app_id has the type text instead of integer.",
      "The primary key of password is (app_id, resource_id) instead of (resource_id).",
      "The foreign key password (app_id, resource_id) REFERENCES resource (app_id, id) is missing."]),
    ("postgresql", ["ALTER TABLE member DROP CONSTRAINT member_app_id_group_id_fkey"],
     ["The foreign key member (app_id, group_id) REFERENCES resource (app_id, id) is missing."]),
    ("postgresql", ["ALTER TABLE resource ALTER COLUMN document DROP NOT NULL"],
     ["The column resource.document may be NULL."]),
    ("postgresql", ["ALTER TABLE journal ALTER COLUMN detail SET NOT NULL"],
     ["The column journal.detail may not be NULL."]),
    ("postgresql", ["ALTER TABLE journal ALTER COLUMN at TYPE INTEGER"],
     ["The column journal.at has the type integer instead of bigint."]),
    ("postgresql", ["ALTER TABLE value ALTER COLUMN key TYPE TEXT COLLATE \"POSIX\""],
     ["The column value.key has the collation POSIX instead of C."]),
    ("postgresql", ["ALTER TABLE resource ALTER COLUMN name TYPE TEXT COLLATE \"C\""],
     ["The column resource.name has the collation C instead of None."]),
    ("postgresql", ["ALTER TABLE app ALTER COLUMN mapping DROP DEFAULT"],
     ["The column app.mapping has the default None instead of '{}'."]),
    ("postgresql", ["ALTER TABLE resource ALTER COLUMN active SET DEFAULT 1"],
     ["The column resource.active has the default 1 instead of None."]),
    ("postgresql", ["ALTER TABLE journal ALTER COLUMN tx SET DEFAULT 0"],
     ["The column journal.tx has the default 0 instead of pg_current_xact_id()"]),
    ("postgresql", ["ALTER TABLE token ALTER COLUMN id DROP IDENTITY"],
     ["The column token.id has the default None instead of identity."]),
    ("postgresql", ["ALTER TABLE app ADD CONSTRAINT short CHECK (length(name) < 9)"],
     ["The check constraint short of app is not of this version."]),
    ("sqlite", ["DROP TABLE brake",
                "CREATE TABLE brake (app_id INTEGER NOT NULL REFERENCES app (id), kind TEXT NOT NULL COLLATE NOCASE, "
                "tripped_at INTEGER DEFAULT 5, released_at INTEGER, detail TEXT DEFAULT 'a CHECK (, COLLATE RTRIM', "
                "spare INTEGER CHECK (spare > 5), spare_version INTEGER, spare_from INTEGER, spare_until INTEGER, "
                "PRIMARY KEY (app_id, kind), CONSTRAINT \"short\" CHECK (length(detail) < 9))"],
     ["The column brake.kind has the collation NOCASE instead of None.",
      "The column brake.tripped_at has the default 5 instead of None.",
      "The column brake.detail has the default 'a CHECK (, COLLATE RTRIM' instead of None.",
      "The check constraint without a name of brake is not of this version.",
      "The check constraint short of brake is not of this version."]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "statements", "sentences"), CHANGES, ids=lambda value: str(value)[:40])
def test_what_is_missing_or_differs_is_named(db, kind, statements, sentences):
    if kind not in ("", db.kind):
        pytest.skip(f"Only {kind} can be changed like this.")
    for statement in statements:
        db.peewee.execute_sql(statement)
    found = drift.differences(db)
    assert len(found) == len(sentences), found
    for sentence in sentences:
        assert any(text.startswith(sentence) for text in found), found


def test_an_index_of_the_operator_is_no_difference(db):
    db.peewee.execute_sql("CREATE INDEX of_mine ON journal (client)")
    db.peewee.execute_sql("CREATE TABLE notes (text TEXT)")
    assert drift.differences(db) == []


class TestCommands:
    @pytest.fixture
    def of_between(self, db: Database) -> Database:
        """A database of a version between two releases, which is upgraded and lacks a column."""
        db.peewee.execute_sql("DROP INDEX refusal_client")
        db.peewee.execute_sql("ALTER TABLE refusal DROP COLUMN client_request_id")
        db.close()
        return db

    def test_status_and_upgrade_name_it_and_fail(self, of_between, command):
        ran = command("db", "status")
        assert ran.code == 1
        assert "Schema    not as this version needs it\n" in ran.out
        assert "The column refusal.client_request_id is missing." in ran.err
        assert "Restore a backup" in ran.err
        ran = command("db", "status", "--json")
        assert (ran.code, ran.json["current"], len(ran.json["differences"])) == (1, True, 2)
        ran = command("db", "upgrade")
        assert (ran.code, ran.out) == (1, "")
        assert "is not as this version needs it (applied now: nothing)" in ran.err
        assert "The column refusal.client_request_id is missing." in ran.err

    def test_serve_warns_and_serves(self, of_between, command):
        port = free_port()
        with command.started("serve", "--port", str(port), "--workers", "1") as service:
            lines = [service.line("stderr")]
            while "Listening at" not in lines[-1]:
                lines.append(service.line("stderr"))
            # The health may be bad for the same reason.
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                assert answer.status == 200
            assert service.interrupt() == 0
        warned = [line for line in lines if "WARNING the database differs" in line]
        assert [line.partition("needs: ")[2][:45] for line in warned] == [
            "The column refusal.client_request_id is missi",
            "The index refusal_client is missing: CREATE I",
        ]


class TestChecksums:
    def test_each_applied_migration_has_one(self, db):
        rows = db.peewee.execute_sql("SELECT name, checksum FROM schema_migration").fetchall()
        assert dict(tuple(row) for row in rows) == migration.checksums()

    def test_those_applied_before_get_one_with_the_next_upgrade(self, db):
        db.peewee.execute_sql("UPDATE schema_migration SET checksum = NULL")
        assert migration.changed(db) == []
        assert migration.upgrade(db) == []
        rows = db.peewee.execute_sql("SELECT name, checksum FROM schema_migration").fetchall()
        assert dict(tuple(row) for row in rows) == migration.checksums()

    def test_another_one_is_named_and_nothing_is_upgraded_on_it(self, db, command):
        db.peewee.execute_sql("UPDATE schema_migration SET checksum = 'abc' WHERE name = '0007_tallies'")
        db.close()
        for arguments in (("db", "status"), ("db", "upgrade")):
            ran = command(*arguments)
            assert ran.code == 1
            assert "other migrations than those of this version: 0007_tallies was changed after" in ran.err
        assert command("db", "status", "--json").json["changed"] == ["0007_tallies"]
        rows = db.peewee.execute_sql("SELECT checksum FROM schema_migration WHERE name = '0007_tallies'").fetchall()
        assert rows[0][0] == "abc"
