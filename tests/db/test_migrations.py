"""The migrations make what the models describe, once, and the service starts on nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import scimlite
import scimlite_cli
from commands import COMMAND, Commands
from postgres_server import free_port
from scimlite import installation
from scimlite.admin import apps, schemas
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db import Database, migration, open_database, tables
from scimlite.db.tables import JournalRow, ResourceRow, ValueRow
from scimlite.directory import write
from scimlite.journal import Origin, Scope
from scimlite.scim import core, document, numbers

NEXT = "9999_what_comes_next"


@pytest.fixture
def command(settings_env: dict[str, str]) -> Commands:
    return Commands(settings_env)


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    opened = installation.database(settings)
    yield opened
    opened.close()


@pytest.fixture
def upgraded(db: Database) -> Database:
    migration.upgrade(db)
    return db


def test_tables_are_those_of_the_models(upgraded):
    named = {table._meta.table_name for table in tables.TABLES}
    assert set(upgraded.peewee.get_tables()) == named | {"schema_migration"}


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda table: table._meta.table_name)
def test_columns_are_those_of_the_model(upgraded, table):
    described = {field.column_name: (field.null, kind(field.field_type)) for field in table._meta.sorted_fields}
    found = {
        column.name: (column.null and not column.primary_key, kind(column.data_type))
        for column in upgraded.peewee.get_columns(table._meta.table_name)
    }
    assert found == described
    names = table._meta.primary_key
    key = list(names.field_names) if hasattr(names, "field_names") else [names.column_name]
    assert upgraded.peewee.get_primary_keys(table._meta.table_name) == key


def kind(data_type: str) -> str:
    """`integer` or `text`: SQLite knows no more, and PostgreSQL's sizes are looked at below."""
    return "text" if data_type.upper() == "TEXT" else "integer"


def test_integers_on_postgresql_have_the_size_of_the_model(upgraded):
    if upgraded.kind != "postgresql":
        pytest.skip("An integer of SQLite has any size.")
    for table in tables.TABLES:
        described = {
            field.column_name: {"INT": "integer"}.get(field.field_type, field.field_type.lower())
            for field in table._meta.sorted_fields
            if kind(field.field_type) == "integer"
        }
        columns = upgraded.peewee.get_columns(table._meta.table_name)
        assert {c.name: c.data_type for c in columns if c.name in described} == described


def test_text_that_is_ordered_has_the_same_order_on_both_databases(upgraded):
    if upgraded.kind != "postgresql":
        pytest.skip("SQLite orders by bytes.")
    query = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE collation_name = 'C'"
    found = {row[0] for row in upgraded.peewee.execute_sql(query).fetchall()}
    assert {"value.key", "value.unique_key", "journal.user_key", "alias.name"} <= found


def test_names_begin_with_consecutive_numbers(db):
    names = migration.status(db).pending
    assert [name[:4] for name in names] == [f"{number:04d}" for number in range(1, len(names) + 1)]


def test_upgrade_by_several_processes_at_once_is_done_by_one(command):
    processes = [
        subprocess.Popen(
            [COMMAND, "db", "upgrade"],
            env=command.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    told = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], told
    assert sorted("initialised" in out for out, _ in told) == [False, False, False, True], told
    assert command("db", "status", "--json").ok().json["current"] is True


def test_a_migration_that_fails_leaves_nothing_behind(db, monkeypatch, tmp_path):
    (tmp_path / "0001_half.py").write_text(
        "def up(migrator, db):\n    db.execute_sql('CREATE TABLE half (id INTEGER)')\n    raise ValueError('oh')\n"
    )
    monkeypatch.setattr(migration, "_DIRECTORY", str(tmp_path))
    with pytest.raises(ValueError, match="oh"):
        migration.upgrade(db)
    assert db.peewee.get_tables() == []
    monkeypatch.undo()
    migration.upgrade(db)
    assert migration.status(db).current


def test_values_of_before_are_in_the_index_that_new_ones_are_in(db, monkeypatch, tmp_path):
    """An installation of before migration 0006, with every attribute of a user."""
    migrations = Path(migration._DIRECTORY)
    for path in sorted(migrations.glob("0*.py"))[:5]:
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(migration, "_DIRECTORY", str(tmp_path))
    migration.upgrade(db)
    monkeypatch.undo()
    run = db.peewee.execute_sql
    run(
        "INSERT INTO app (id, slug, name, enabled, settings, declared, version, created_at) "
        "VALUES (1, 'old', 'Old', 1, '{}', '{}', 1, 1)"
    )
    leaves = {
        kind.name: sorted({leaf.path for _, attribute in kind.attributes for leaf in attribute.leaves()})
        for kind in (core.USER, core.GROUP)
    }
    for id, (kind, paths) in enumerate(leaves.items(), start=1):
        run(
            f"INSERT INTO resource (id, app_id, type, uuid, name, active, version, created_at, modified_at, document) "
            f"VALUES ({id}, 1, '{kind}', 'uuid{id}', 'name', 1, 1, 1, 1, '{{}}')"
        )
        for path in paths:
            run(
                f"INSERT INTO value (app_id, type, resource_id, path, item, nth, key) "
                f"VALUES (1, '{kind}', {id}, '{path}', 0, 0, 'x')"
            )
    assert migration.upgrade(db)[0] == "0006_leaner_value_index"
    for kind in (core.USER, core.GROUP):
        found = {row[0] for row in run(f"SELECT path FROM value WHERE type = '{kind.name}' AND sought = 1").fetchall()}
        assert found == kind.sought_paths
        assert 0 < len(found) <= len(leaves[kind.name])


def test_the_default_mapping_of_before_is_stale(db, monkeypatch, tmp_path):
    """An installation of before migration 0010, with an app of the default mapping, and one of its own."""
    migrations = Path(migration._DIRECTORY)
    for path in sorted(migrations.glob("000*.py")):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(migration, "_DIRECTORY", str(tmp_path))
    migration.upgrade(db)
    monkeypatch.undo()
    run = db.peewee.execute_sql
    columns = "id, slug, name, enabled, settings, declared, mapping, mapping_version, version, created_at"
    for id, text in enumerate(("{}", '{"user": [], "group": []}'), start=1):
        run(f"INSERT INTO app ({columns}) VALUES ({id}, 'a{id}', 'A', 1, '{{}}', '{{}}', '{text}', 3, 5, 1)")
    assert migration.upgrade(db)[0] == "0010_the_default_email"
    rows = run("SELECT mapping_version, version FROM app ORDER BY id").fetchall()
    assert [tuple(row) for row in rows] == [(4, 6), (3, 5)]


ENTERPRISE = core.ENTERPRISE_URN
ACME = "urn:example:acme"
#: Attributes of users as earlier versions stored them, and as they are after migration 0012.
MENDED = [
    (case["stored"], case["mended"])
    for case in json.loads((Path(__file__).parent / "cases" / "empty_values.json").read_text())
]
ACME_SCHEMA = {
    "id": ACME,
    "name": "Acme",
    "attributes": [
        {"name": "tags", "multiValued": True},
        {"name": "must", "required": True},
        {
            "name": "badges",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [{"name": "value"}, {"name": "type"}],
        },
    ],
}


def _document(name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    extensions = [urn for urn in (ENTERPRISE, ACME) if urn in attributes]
    return {"schemas": [core.USER_URN, *extensions], "id": name, "userName": name, "active": True, **attributes}


def test_empty_values_of_before_are_mended(db, monkeypatch, tmp_path):
    """An installation of before migration 0012, with users as earlier versions stored them."""
    for path in sorted(Path(migration._DIRECTORY).glob("00*.py")):
        # What makes the app here writes the columns of today into the journal, and reads those of apps.
        if path.name < "0012" or path.name.endswith(("_actors.py", "_sources.py")):
            shutil.copy(path, tmp_path)
    monkeypatch.setattr(migration, "_DIRECTORY", str(tmp_path))
    migration.upgrade(db)
    monkeypatch.undo()
    scope = Scope(db, Origin("test"))
    app = apps.create(scope, "Old")
    schemas.add(scope, app.slug, ACME_SCHEMA, to=["User"])
    user = apps.get(db, app.slug).resource_types["Users"]
    ids: dict[str, int] = {}
    for number, (stored, _) in enumerate(MENDED):
        name = f"user{number}"
        text = json.dumps(_document(name, stored))
        values = {"app_id": app.id, "type": "User", "uuid": name, "name": name, "active": 1, "version": 7}
        times = {"created_at": 1, "modified_at": 1, "profile_version": 1}
        db.execute(ResourceRow.insert(**values, **times, document=text))
        ids[name] = db.scalar(ResourceRow.select(ResourceRow.id).where(ResourceRow.uuid == name))
        for row in document.value_rows(user, json.loads(text)):
            place = {"app_id": app.id, "type": "User", "resource_id": ids[name], "sought": 1}
            db.execute(ValueRow.insert(**place, **row._asdict()))
    assert migration.upgrade(db)[0] == "0012_no_empty_values"
    for number, (stored, wanted) in enumerate(MENDED):
        name = f"user{number}"
        columns = (ResourceRow.document, ResourceRow.version, ResourceRow.profile_version, ResourceRow.modified_at)
        text, version, profile, modified = db.row(ResourceRow.select(*columns).where(ResourceRow.uuid == name))
        assert json.loads(text) == _document(name, wanted)
        assert (version, profile, modified > 1) == ((7, 1, False) if stored == wanted else (8, 0, True))
        place = (ValueRow.path, ValueRow.item, ValueRow.nth, ValueRow.key)
        rows = db.rows(ValueRow.select(*place).where(ValueRow.resource_id == ids[name]))
        assert {tuple(row) for row in rows} == {tuple(row) for row in document.value_rows(user, json.loads(text))}


DECIMALS = [9007199254740993, -9007199254740993, 1.2345678901234567e19, 18446744073709551615, 2**54, 0.5, -1.5, 1e22]
PRICES = {
    "id": "urn:example:prices",
    "attributes": [
        {"name": "price", "type": "decimal", "uniqueness": "server"},
        {"name": "prices", "type": "decimal", "multiValued": True},
        {"name": "rows", "type": "complex", "subAttributes": [{"name": "sum", "type": "decimal"}]},
        {"name": "whole", "type": "integer"},
    ],
}


def test_decimals_of_before_become_exact(upgraded):
    """Users as they are written now get the keys of before, which were those of floats."""
    scope = Scope(upgraded, Origin("test"))
    app = apps.create(scope, "Old")
    schemas.add(scope, app.slug, PRICES, to=["User"])
    app = apps.get(upgraded, app.slug)
    for number, decimal in enumerate(DECIMALS):
        own = {"price": decimal, "prices": [1, decimal], "rows": {"sum": decimal}, "whole": 2**53 + 1}
        write.create(
            Workspace.of(scope, app), app.resource_types["Users"], {"userName": f"user{number}", PRICES["id"]: own}
        )
    rows = (ValueRow.resource_id, ValueRow.path, ValueRow.item, ValueRow.nth, ValueRow.key, ValueRow.unique_key)
    wanted = upgraded.rows(ValueRow.select(*rows))
    floats = {numbers.decimal_key(decimal): numbers._float_key(float(decimal)) for decimal in DECIMALS}
    for *place, key, unique in wanted:
        former = floats.get(key, key)
        where = [field == value for field, value in zip(rows, place, strict=False)]
        query = ValueRow.update(key=former, unique_key=former if unique in floats else unique).where(*where)
        upgraded.execute(query)
    upgraded.peewee.execute_sql("DELETE FROM schema_migration WHERE name = '0020_exact_decimals'")
    assert set(map(tuple, upgraded.rows(ValueRow.select(*rows)))) != set(map(tuple, wanted))
    assert migration.upgrade(upgraded) == ["0020_exact_decimals"]
    assert set(map(tuple, upgraded.rows(ValueRow.select(*rows)))) == set(map(tuple, wanted))


def test_actors_of_entries_of_before_are_told_by_the_token(db, monkeypatch, tmp_path):
    """An installation of before the columns: the name of a client alone makes nobody an operator."""
    for path in sorted(Path(migration._DIRECTORY).glob("00*.py")):
        if path.name.endswith("_actors.py"):
            break
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(migration, "_DIRECTORY", str(tmp_path))
    migration.upgrade(db)
    monkeypatch.undo()
    entries = [
        ("cli:root", None, None, "cli"),
        ("cli:root", None, "0123456789abcdef", "cli"),
        ("cli:root", "default", "0123456789abcdef", "scim"),
        ("idp/1.0", "default", "0123456789abcdef", "scim"),
        ("idp/1.0", None, "0123456789abcdef", "scim"),
        ("scimlite app test", "default", "0123456789abcdef", "app-test"),
        ("scimlite app test", None, None, "embedded"),
        ("application", None, None, "embedded"),
    ]
    for client, token, request, _ in entries:
        values = {"at": 1, "action": "created", "outcome": "ok"}
        columns = {"client": client, "token_label": token, "request_id": request}
        db.execute(JournalRow.insert(**values, **columns))
    migration.upgrade(db)
    rows = db.rows(JournalRow.select(JournalRow.client, JournalRow.actor).order_by(JournalRow.id))
    assert [tuple(row) for row in rows] == [(client, actor) for client, *_, actor in entries]


def _sample(table: str, columns: list[Any], number: int) -> list[Any]:
    """A row for a table as any version made it: NULL wherever that is allowed."""
    texts = {"settings": "{}", "declared": "{}", "mapping": "{}", "document": '{"schemas": [], "id": "x"}'}
    return [
        texts.get(name, f"{table}{number}") if kind == "TEXT" and needed else number if needed or key else None
        for _, name, kind, needed, _, key in columns
    ]


def test_sqlite_finds_each_table_sound_whatever_version_made_it(tmp_path, monkeypatch):
    """SQLite 3.40 takes a column for NULL that is stored behind the one that was declared last."""
    migrations = sorted(Path(migration._DIRECTORY).glob("0*.py"))
    for version in range(1, len(migrations) + 1):
        folder = tmp_path / str(version)
        folder.mkdir()
        for path in migrations[:version]:
            shutil.copy(path, folder)
        db = open_database(f"sqlite:///{folder / 'scimlite.db'}")
        with monkeypatch.context() as patched:
            patched.setattr(migration, "_DIRECTORY", str(folder))
            migration.upgrade(db)
        run = db.peewee.execute_sql
        run("PRAGMA foreign_keys=OFF")
        for table in set(db.peewee.get_tables()) - {"schema_migration"}:
            columns = run(f"PRAGMA table_info({table})").fetchall()
            # The feed has its only row already, number 1.
            for number in (2, 3):
                marks = ", ".join(["?"] * len(columns))
                run(f"INSERT INTO {table} VALUES ({marks})", _sample(table, columns, number))
        migration.upgrade(db)
        for check in ("quick_check", "integrity_check"):
            assert run(f"PRAGMA {check}").fetchall() == [("ok",)], (version, check)
        db.close()


class TestOtherVersions:
    """A database is served by its own version only, and says to the others what to do."""

    @pytest.fixture
    def next_version(self, tmp_path: Path) -> dict[str, str]:
        """Variables with which `scimlite` is a version that brings one migration more."""
        for package in (scimlite, scimlite_cli):
            folder = Path(package.__file__).parent
            shutil.copytree(folder, tmp_path / "next" / package.__name__, ignore=shutil.ignore_patterns("__pycache__"))
        migrations = tmp_path / "next" / "scimlite" / "db" / "migrations"
        (migrations / f"{NEXT}.py").write_text(
            "def up(migrator, db):\n    db.execute_sql('CREATE TABLE news (id INTEGER)')\n"
        )
        return {"PYTHONPATH": str(tmp_path / "next")}

    def test_an_outdated_schema_is_refused_with_the_command_to_run(self, upgraded, command, next_version):
        for arguments in (("serve", "--port", str(free_port())), ("app", "list"), ("report",)):
            ran = command.process(*arguments, **next_version)
            assert (ran.code, ran.out) == (1, "")
            assert f"needs an upgrade ({NEXT}): run `scimlite db upgrade`, or `scimlite serve --upgrade`" in ran.err
            assert "Traceback" not in ran.err
        ran = command.process("db", "status", "--json", **next_version)
        assert (ran.code, ran.json["current"], ran.json["pending"]) == (1, False, [NEXT])
        assert "news" not in upgraded.peewee.get_tables()

    def test_it_is_upgraded_by_the_command(self, upgraded, command, next_version):
        ran = command.process("db", "upgrade", **next_version).ok()
        assert f"is up to date: applied {NEXT}." in ran.out
        assert command.process("db", "status", **next_version).code == 0
        assert "news" in upgraded.peewee.get_tables()

    def test_it_is_upgraded_by_serve_when_told(self, upgraded, command, next_version):
        port = free_port()
        with command.started("serve", "--port", str(port), "--workers", "1", "--upgrade", **next_version) as service:
            while "Listening at" not in service.line("stderr"):
                pass
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
                assert answer.status == 200
            assert service.interrupt() == 0
        assert command.process("db", "status", **next_version).code == 0

    def test_a_newer_schema_is_refused_also_with_upgrade(self, upgraded, command, next_version):
        command.process("db", "upgrade", **next_version).ok()
        port = str(free_port())
        for arguments in (("serve", "--port", port), ("serve", "--port", port, "--upgrade"), ("app", "list")):
            ran = command.process(*arguments)
            assert (ran.code, ran.out) == (1, "")
            assert f"was made by a newer scimlite ({NEXT}): install that version" in ran.err
            assert "Traceback" not in ran.err

    def test_an_empty_database_is_initialised_by_serve(self, settings_env, serve, db):
        serve(settings_env)
        assert migration.status(db).current


def test_a_named_empty_database_is_made_by_no_other_command(command, db):
    for arguments in (("app", "list"), ("report",), ("app", "create", "Entra ID")):
        ran = command.process(*arguments)
        assert ran.code == 1
        assert "Run `scimlite db upgrade` to make one there" in ran.err
    assert migration.status(db).empty
