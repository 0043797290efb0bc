"""`scimlite db`: upgrade, status and backup."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import COMMAND, Commands
from installation import Installation
from postgres_server import empty_database
from scimlite import installation as startup
from scimlite import journal
from scimlite.admin import apps
from scimlite.apps.keyring import Keyring
from scimlite.config import Settings
from scimlite.db import migration
from scimlite.journal import Scope, report

MIGRATIONS = sorted(path.stem for path in Path(migration.__file__).with_name("migrations").glob("[0-9]*.py"))


@pytest.fixture
def command(settings_env: dict[str, str]) -> Commands:
    """The commands of an installation whose database is still empty."""
    return Commands(settings_env)


class TestUpgrade:
    def test_an_empty_database_is_initialised_and_then_left_alone(self, command):
        first = command("db", "upgrade").ok()
        assert "an empty database was initialised" in first.out
        assert all(name in first.out for name in MIGRATIONS)
        assert "is up to date; nothing was changed" in command("db", "upgrade").ok().out
        assert command("db", "status", "--json").ok().json["current"] is True

    def test_one_at_the_default_place_too(self, tmp_path):
        state = tmp_path / "below" / "state"
        Commands({"SCIMLITE_STATE_DIR": str(state)})("db", "upgrade").ok()
        assert stat.S_IMODE((state / "scimlite.db").stat().st_mode) == 0o600
        assert stat.S_IMODE(state.stat().st_mode) == 0o700

    def test_no_password_is_shown(self, command):
        for arguments in (("db", "upgrade"), ("db", "status"), ("db", "status", "--json")):
            ran = command(*arguments)
            url = command.env["SCIMLITE_DATABASE_URL"]
            password = url.split("@")[0].rsplit(":", 1)[-1] if "@" in url else "no password at all"
            assert password not in ran.out + ran.err

    def test_a_newer_schema_is_not_touched(self, command):
        command("db", "upgrade").ok()
        note_migration(command, "9999_from_the_future")
        ran = command("db", "upgrade")
        assert ran.code == 1
        assert "made by a newer scimlite (9999_from_the_future)" in ran.err


class TestStatus:
    def test_of_an_empty_database_fails_and_says_what_to_run(self, command):
        ran = command("db", "status")
        assert ran.code == 1
        assert "not up to date" in ran.out
        assert "Run `scimlite db upgrade`" in ran.err
        ran = command("db", "status", "--json")
        assert (ran.code, ran.json["current"], ran.json["pending"]) == (1, False, MIGRATIONS)
        kind, _, path = Settings.from_environment(command.env).database_url.partition(":///")
        assert kind != "sqlite" or not Path(path).exists(), "looking must not make a database"

    def test_counts_what_there_is(self, settings_env, command, serve):
        command("db", "upgrade").ok()
        settings = Settings.from_environment(settings_env)
        installation = Installation(settings_env, Path(), startup.database(settings), Keyring(settings.secret_keys))
        service = serve(settings_env)
        installation.service = service
        first, second = installation.app(), installation.app("Gone")
        alice = first.client.user("alice").ok().id
        first.client.user("bob").ok()
        first.client.group("Engineering", alice).ok()
        second.client.user("zoe").ok()
        apps.delete(Scope(installation.db, journal.Origin("cli:test")), second.slug)
        told = command("db", "status", "--json").ok().json
        assert (told["apps"], told["users"], told["groups"]) == (1, 2, 1)
        assert told["journal"] == report.count(installation.db) == 10
        assert (told["kind"], told["applied"], told["pending"]) == (installation.kind, MIGRATIONS, [])
        text = command("db", "status").ok().out
        assert "Users     2\n" in text
        assert "Journal   10 entries\n" in text
        if installation.kind == "sqlite":
            assert told["bytes"] > 50_000
            assert "Size" in text
        else:
            assert told["bytes"] is None
        installation.db.close()

    def test_of_what_is_no_database_says_so(self, tmp_path):
        file = tmp_path / "letter.db"
        file.write_text("Dear Sir or Madam, " * 100)
        for arguments in (("db", "status"), ("db", "upgrade"), ("app", "list")):
            ran = Commands({"SCIMLITE_STATE_DIR": str(tmp_path), "SCIMLITE_DATABASE_URL": f"sqlite:///{file}"})(
                *arguments
            )
            assert ran.code == 1
            assert f"SQLite file {file} cannot be used: it is damaged (file is not a database)" in ran.err

    def test_of_a_server_that_is_away_says_so_without_the_password(self, tmp_path):
        env = {
            "SCIMLITE_STATE_DIR": str(tmp_path),
            "SCIMLITE_DATABASE_URL": "postgresql://scim:very-secret@127.0.0.1:1/scim",
            "SCIMLITE_SECRET_KEY": "a key for tests and never for a service",
        }
        ran = Commands(env)("db", "status")
        assert ran.code == 1
        assert "Connection refused" in ran.err
        assert "very-secret" not in ran.err


class TestBackup:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "copy.db"

    @pytest.fixture
    def sqlite(self, tmp_path: Path) -> Iterator[Installation]:
        made = Installation.new(f"sqlite:///{tmp_path / 'scimlite.db'}", tmp_path)
        made.start()
        yield made
        made.stop()

    def test_while_a_writer_is_busy_is_one_consistent_database(self, sqlite, file):
        app = sqlite.app()
        done = threading.Event()
        names: list[str] = []

        def write() -> None:
            client = app.client.another()
            while not done.is_set():
                name = f"user{len(names)}"
                client.user(name, title="x" * 2000).ok()
                names.append(name)
            client.close()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            while len(names) < 200:
                done.wait(0.01)
            before = len(names)
            ran = Commands(sqlite.env).process("db", "backup", str(file)).ok()
            after = len(names)
        finally:
            done.set()
            writer.join()
        assert ran.out == f"Wrote {file}, {file.stat().st_size / 1e6:.1f} MB.\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        copy = Commands({**sqlite.env, "SCIMLITE_DATABASE_URL": f"sqlite:///{file}"})
        told = copy("db", "status", "--json").ok().json
        assert told["current"] is True
        assert before <= told["users"] <= after + 1
        # Everything of a user is in the same transaction: nobody is there in part.
        rows = copy("report", "--app", app.slug, "--action", "created", "--json").ok().json_lines
        assert [row["user"] for row in rows] == [f"user{number}" for number in range(told["users"])]
        with sqlite3.connect(file) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()

    def test_serves_in_the_place_of_the_original(self, sqlite, file):
        app = sqlite.app()
        alice = app.client.user("alice").ok().id
        Commands(sqlite.env)("db", "backup", str(file)).ok()
        restored = Installation(
            {**sqlite.env, "SCIMLITE_DATABASE_URL": f"sqlite:///{file}"}, sqlite.folder, sqlite.db, sqlite.keyring
        )
        restored.start()
        try:
            client = restored.client(app.slug, app.text)
            assert client.get(f"/Users/{alice}").ok().json["userName"] == "alice"
            client.user("bob").ok()
            client.close()
        finally:
            restored.stop()

    def test_writes_over_nothing(self, sqlite, file):
        file.write_text("precious")
        ran = Commands(sqlite.env)("db", "backup", str(file))
        assert ran.code == 1
        assert "exists already" in ran.err
        assert file.read_text() == "precious"

    def test_says_where_it_cannot_write_and_leaves_nothing(self, sqlite, tmp_path):
        ran = Commands(sqlite.env)("db", "backup", str(tmp_path / "nowhere" / "copy.db"))
        assert ran.code == 1
        assert "cannot be written: No such file or directory" in ran.err

    def test_of_a_damaged_file_fails_and_leaves_nothing(self, tmp_path, file):
        command = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
        command("app", "create", "Entra ID").ok()
        source = tmp_path / "state" / "scimlite.db"
        with sqlite3.connect(source) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'journal_at'").fetchone()[0]
        connection.close()
        sound = source.read_bytes()
        # A page of an index, the root of a table, and the first page.
        for at in ((page - 1) * 4096, 2 * 4096, 40):
            source.write_bytes(sound[:at] + b"\xa5" * 4000 + sound[at + 4000 :])
            ran = command("db", "backup", str(file))
            assert ran.code == 1
            assert "Traceback" not in ran.err
            assert str(source) in ran.err
            assert list(tmp_path.iterdir()) == [tmp_path / "state"], ran.err
        source.write_bytes(sound)
        command("db", "backup", str(file)).ok()

    @pytest.mark.skipif(os.geteuid() != 0, reason="Only root can make a small file system.")
    def test_without_room_says_so_and_leaves_nothing(self, tmp_path):
        command = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
        command("app", "create", "Entra ID").ok()
        small = tmp_path / "small"
        small.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(small)], check=False)
        if mounted.returncode != 0:
            pytest.skip("This machine lets nobody mount a file system.")
        try:
            ran = command("db", "backup", str(small / "copy.db"))
            assert ran.code == 1
            assert f"There is not enough free space in {small}: the copy needs" in ran.err
            assert list(small.iterdir()) == []
        finally:
            subprocess.run(["umount", str(small)], check=True)

    def test_that_cannot_be_written_to_its_end_says_so_and_leaves_nothing(self, tmp_path):
        command = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
        command("app", "create", "Entra ID").ok()
        folder = tmp_path / "copies"
        folder.mkdir()
        # No file may grow beyond 64 kB.
        text = f'ulimit -f 64; exec "{COMMAND}" db backup "{folder / "copy.db"}"'
        done = subprocess.run(["bash", "-c", text], env=command.environ(), capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"cannot be copied to {folder}: disk I/O error. Nothing was written." in done.stderr
        assert list(folder.iterdir()) == []

    def test_of_nothing_is_refused(self, settings_env, tmp_path, file):
        env = {**settings_env, "SCIMLITE_DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}"}
        ran = Commands(env)("db", "backup", str(file))
        assert ran.code == 1
        assert "Run `scimlite db upgrade`" in ran.err
        assert not file.exists()

    def test_reminds_of_the_secret_key(self, tmp_path, file):
        command = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
        command("app", "create", "Entra ID").ok()
        assert "secret_key" in command("db", "backup", str(file)).ok().err

    def test_of_postgresql_names_pg_dump(self, settings_env, postgres_url, file):
        with empty_database(postgres_url) as url:
            env = {**settings_env, "SCIMLITE_DATABASE_URL": url}
            Commands(env)("db", "upgrade").ok()
            ran = Commands(env)("db", "backup", str(file))
        assert ran.code == 1
        assert "pg_dump --format=custom" in ran.err
        assert not file.exists()


def note_migration(command: Commands, name: str) -> None:
    """Make the database one that a newer version has upgraded."""
    db = startup.database(Settings.from_environment(command.env))
    db.peewee.execute_sql(
        f"INSERT INTO schema_migration (name, applied) VALUES ({db.peewee.param}, CURRENT_TIMESTAMP)", (name,)
    )
    db.close()


def test_every_command_shows_a_worked_example():
    command = Commands({})
    for arguments in (["db"], ["db", "upgrade"], ["db", "status"], ["db", "backup"], ["report"]):
        assert re.search("Examples?: +scimlite", command(*arguments, "--help").ok().out)
    assert os.access(COMMAND, os.X_OK)
