"""`scimlite db restore`: a backup in the place of the database, or nothing at all."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from commands import COMMAND, Commands
from installation import OPERATOR, Installation
from postgres_server import empty_database, find_binaries
from scimlite import apps as apps_of
from scimlite.apps.workspace import Workspace
from scimlite.db import migration, open_database, sqlite_restore
from scimlite.events import feed


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def command(state: Path) -> Commands:
    """An installation with the app `old`, whose database is at the default place."""
    made = Commands({"SCIMLITE_STATE_DIR": str(state)})
    made("app", "create", "Old").ok()
    return made


@pytest.fixture
def copy(command: Commands, tmp_path: Path) -> Path:
    """A backup that has the app `old` only; the database got the app `new` since."""
    file = tmp_path / "copy.db"
    command("db", "backup", str(file)).ok()
    command("app", "create", "New").ok()
    return file


def apps(command: Commands) -> list[str]:
    return [row["app"] for row in command("app", "list", "--json").ok().json_lines]


def names(state: Path) -> list[str]:
    """What lies in the state folder, without the lock, the key, and the time of the last backup."""
    others = ("scimlite.db-serving", "secret_key", "last-backup")
    return sorted(path.name for path in state.iterdir() if path.name not in others)


def test_the_backup_takes_the_place_and_the_former_file_is_kept(command, copy, state):
    ran = command("db", "restore", str(copy), "--yes").ok()
    assert f"{copy} is sound: " in ran.out
    assert " 1 app, 0 users, 0 groups and 2 entries of the report." in ran.out
    assert ran.out.endswith(f"Restored SQLite file {state / 'scimlite.db'} from {copy}.\n")
    assert apps(command) == ["old"]
    kept = [path for path in state.iterdir() if ".before-20" in path.name]
    assert len(kept) == 1
    assert str(kept[0]) in ran.err
    assert stat.S_IMODE((state / "scimlite.db").stat().st_mode) == 0o600
    former = Commands({**command.env, "SCIMLITE_DATABASE_URL": f"sqlite:///{kept[0]}"})
    assert apps(former) == ["new", "old"]
    command("db", "check").ok()
    # Back again, and a second name beside the first.
    command("db", "restore", str(kept[0]), "--yes").ok()
    assert apps(command) == ["new", "old"]
    assert len([name for name in names(state) if ".before-20" in name and not name.endswith(("-wal", "-shm"))]) == 2


def test_cursors_of_the_feed_are_refused_after_it(command, copy, state):
    """The application may have seen what the backup does not have: it reads everything anew."""
    db = open_database(f"sqlite:///{state / 'scimlite.db'}")
    workspace = Workspace(db, OPERATOR, apps_of.get(db, "old"))
    cursor = feed.cursor_of(workspace, feed.place_of(workspace, None))
    db.close()
    command("db", "restore", str(copy), "--yes").ok()
    ran = command("events", "--app", "old", "--after", cursor)
    assert ran.code == 1
    assert "not kept any more" in ran.err


def test_a_service_starts_on_what_was_restored(command, copy, state, serve):
    command("db", "restore", str(copy), "--yes").ok()
    service = serve({"SCIMLITE_STATE_DIR": str(state)}, workers=1)
    with urllib.request.urlopen(f"{service.url}/healthz", timeout=10) as answer:
        assert answer.status == 200
    command("app", "create", "Later").ok()
    assert apps(command) == ["later", "old"]


def test_where_no_database_is_it_is_made(command, copy, tmp_path):
    fresh = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "fresh")})
    ran = fresh("db", "restore", str(copy), "--yes").ok()
    assert "There is no secret key here" in ran.err
    assert not (tmp_path / "fresh" / "secret_key").exists()
    assert apps(fresh) == ["old"]


def test_a_dry_run_and_a_missing_answer_change_nothing(command, copy, state):
    before = (state / "scimlite.db").read_bytes()
    ran = command("db", "restore", str(copy), "--dry-run").ok()
    assert "It would replace SQLite file" in ran.out
    ran = command("db", "restore", str(copy))
    assert ran.code == 1
    assert "Give --yes to confirm it." in ran.err
    assert command("db", "restore", str(copy), input="n\n").code == 1
    assert (state / "scimlite.db").read_bytes() == before
    assert [name for name in names(state) if name not in ("scimlite.db", "scimlite.db-wal", "scimlite.db-shm")] == []
    command("db", "restore", str(copy), input="y\n").ok()
    assert apps(command) == ["old"]


def test_a_stale_log_is_not_taken_for_one_of_the_backup(command, copy, state):
    """The database was left with its WAL, as a machine that lost its power leaves it."""
    with closing(sqlite3.connect(state / "scimlite.db")) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("UPDATE app SET name = 'Newest' WHERE slug = 'new'")
        connection.commit()
        for suffix in ("", "-wal"):
            shutil.copy(f"{state / 'scimlite.db'}{suffix}", f"{state / 'left'}{suffix}")
    for suffix in ("", "-wal"):
        os.replace(f"{state / 'left'}{suffix}", f"{state / 'scimlite.db'}{suffix}")
    command("db", "restore", str(copy), "--yes").ok()
    assert apps(command) == ["old"]
    command("db", "check").ok()
    kept = next(path for path in state.iterdir() if ".before-20" in path.name)
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT name FROM app WHERE slug = 'new'").fetchall() == [("Newest",)]


class TestRefusals:
    def refused(self, command: Commands, file: Path, state: Path) -> str:
        """What the command says, which must leave the database as it is."""
        before = {path.name: path.read_bytes() for path in state.iterdir()}
        ran = command("db", "restore", str(file), "--yes")
        assert (ran.code, "Traceback" in ran.err) == (1, False), ran.err
        after = {path.name: path.read_bytes() for path in state.iterdir() if path.name != "scimlite.db-serving"}
        assert after == {name: held for name, held in before.items() if name != "scimlite.db-serving"}
        return ran.err

    def test_what_is_no_backup(self, command, copy, state, tmp_path):
        letter = tmp_path / "letter"
        letter.write_text("Dear Sir or Madam, " * 100)
        assert f"{letter} is no SQLite database." in self.refused(command, letter, state)
        dump = tmp_path / "dump"
        dump.write_bytes(b"PGDMP\x01\x0e" + b"\0" * 500)
        assert "is a dump of PostgreSQL" in self.refused(command, dump, state)
        foreign = tmp_path / "foreign.db"
        with closing(sqlite3.connect(foreign)) as connection:
            connection.execute("CREATE TABLE app (id INTEGER)")
        assert f"{foreign} is a SQLite database, and none of scimlite" in self.refused(command, foreign, state)
        assert "No such file or directory" in self.refused(command, tmp_path / "none", state)
        assert "is the database itself" in self.refused(command, state / "scimlite.db", state)

    def test_a_damaged_backup(self, command, copy, state):
        with closing(sqlite3.connect(copy)) as connection:
            page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'resource'").fetchone()[0]
        sound = copy.read_bytes()
        at = (page - 1) * 4096
        copy.write_bytes(sound[:at] + b"\xa5" * 4096 + sound[at + 4096 :])
        assert f"{copy} is damaged: " in self.refused(command, copy, state)
        copy.write_bytes(sound[: len(sound) // 2])
        assert f"{copy} is damaged: " in self.refused(command, copy, state)

    def test_a_backup_of_a_newer_version_and_of_other_migrations(self, command, copy, state):
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("INSERT INTO schema_migration (name, applied) VALUES ('9999_news', '2030-01-01')")
            connection.commit()
        assert "was made by a newer scimlite (9999_news)" in self.refused(command, copy, state)
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("DELETE FROM schema_migration WHERE name = '9999_news'")
            connection.execute("UPDATE schema_migration SET checksum = 'x' WHERE name = '0007_tallies'")
            connection.commit()
        assert "was made by other migrations than those of this version: 0007_tallies" in self.refused(
            command, copy, state
        )

    def test_an_open_connection_that_does_nothing(self, command, copy, state):
        with closing(sqlite3.connect(state / "scimlite.db")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("SELECT count(*) FROM app").fetchone()
            ran = command("db", "restore", str(copy), "--yes")
            assert ran.code == 1
            assert "Another process has" in ran.err
        command("db", "restore", str(copy), "--yes").ok()

    def test_a_service_that_runs(self, command, copy, state, serve, tmp_path):
        """Whether its state folder is known or not, and before it has opened the database."""
        service = serve({"SCIMLITE_STATE_DIR": str(state)}, workers=1)
        ran = command("db", "restore", str(copy), "--yes")
        assert (ran.code, f"A service runs at {service.url}: stop it first." in ran.err) == (1, True)
        elsewhere = Commands(
            {"SCIMLITE_STATE_DIR": str(tmp_path / "other"), "SCIMLITE_DATABASE_URL": f"sqlite:///{state}/scimlite.db"}
        )
        ran = elsewhere("db", "restore", str(copy), "--yes")
        assert (ran.code, f"A service runs on {state}/scimlite.db: stop it first." in ran.err) == (1, True)
        # Killed, it leaves its address behind, which is no reason to refuse.
        os.kill(service.pid, signal.SIGKILL)
        service.process.wait()
        deadline = time.monotonic() + 20
        while (ran := command("db", "restore", str(copy), "--yes")).code and time.monotonic() < deadline:
            assert "stop it first" in ran.err or "Another process" in ran.err
            time.sleep(0.2)
        assert ran.code == 0, ran.err
        assert apps(command) == ["old"]


def test_no_service_starts_meanwhile(command, copy, state):
    with sqlite_restore.unserved(state / "scimlite.db"):
        ran = command.process("serve", "--workers", "1")
    assert ran.code == 1
    assert "is being restored: start the service again when that has ended" in ran.err


def test_a_backup_of_an_earlier_version_needs_an_upgrade(command, tmp_path, monkeypatch):
    old = tmp_path / "old"
    old.mkdir()
    for path in sorted(Path(migration._DIRECTORY).glob("000*.py")):
        shutil.copy(path, old)
    with monkeypatch.context() as patched:
        patched.setattr(migration, "_DIRECTORY", str(old))
        with closing(open_database(f"sqlite:///{tmp_path / 'earlier.db'}")) as db:
            migration.upgrade(db)
    ran = command("db", "restore", str(tmp_path / "earlier.db"), "--yes").ok()
    assert "needs an upgrade (0010_the_default_email" in ran.err
    assert "Run `scimlite db upgrade` before you start the service." in ran.err
    command("db", "upgrade").ok()
    command("db", "check").ok()


def test_the_secret_key_of_another_installation_is_a_warning(command, copy, state):
    (state / "secret_key").write_text("another key that signed none of the tokens here")
    ran = command("db", "restore", str(copy), "--yes").ok()
    assert "Warning: The secret key does not fit the tokens in this database" in ran.err


def test_killed_at_any_moment_the_old_or_the_new_is_there(command, copy, state, tmp_path):
    database = state / "scimlite.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = database.read_bytes()
    seen = set()
    for step in range(14):
        for path in state.glob("scimlite.db*"):
            path.unlink()
        database.write_bytes(stored)
        process = subprocess.Popen(
            [COMMAND, "db", "restore", str(copy), "--yes"],
            env=command.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # From the beginning of the copy to the swap.
        deadline = time.monotonic() + 20
        while process.poll() is None and not list(state.glob(".scimlite.db.*")) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(step * 0.004)
        process.kill()
        process.wait()
        found = apps(command)
        assert found in (["old"], ["new", "old"]), found
        seen.add(len(found))
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert 2 in seen, "each kill came too late"
    # What was left of it is removed by the next one.
    command("db", "restore", str(copy), "--yes").ok()
    assert list(state.glob(".scimlite.db.*")) == []


class TestPostgresql:
    def test_the_command_names_pg_restore(self, settings_env, postgres_url, tmp_path):
        with empty_database(postgres_url) as url:
            env = {**settings_env, "SCIMLITE_DATABASE_URL": url}
            Commands(env)("db", "upgrade").ok()
            ran = Commands(env)("db", "restore", str(tmp_path / "x.dump"), "--yes")
        assert ran.code == 1
        assert "pg_restore --clean --if-exists --no-owner --single-transaction" in ran.err

    @pytest.fixture
    def tools(self) -> Path:
        """The folder of pg_dump and pg_restore."""
        for folder in (find_binaries(), Path(shutil.which("pg_dump") or "/nowhere/pg_dump").parent):
            if (folder / "pg_dump").exists() and (folder / "pg_restore").exists():
                return folder
        pytest.skip("PostgreSQL's pg_dump and pg_restore are not here, so backup and restore there are NOT tested.")

    @pytest.fixture
    def filled(self, postgres_url: str, tmp_path: Path) -> Iterator[Installation]:
        with empty_database(postgres_url) as url:
            made = Installation.new(url, tmp_path)
            yield made
            made.db.close()

    def test_a_dump_by_the_commands_that_are_named_brings_everything_back(self, filled, tools, tmp_path):
        command = Commands(filled.env)
        command("app", "create", "Old").ok()
        dump = tmp_path / "copy.dump"
        passwords = tmp_path / "pgpass"
        known = psycopg.conninfo.conninfo_to_dict(filled.env["SCIMLITE_DATABASE_URL"]).get("password", "")
        passwords.write_text(f"*:*:*:*:{known}\n")
        passwords.chmod(0o600)
        environ = {**command.environ(), "PATH": f"{tools}:{os.environ['PATH']}", "PGPASSFILE": str(passwords)}
        backup = command("db", "backup", str(dump)).err.partition("tool: ")[2]
        restore = command("db", "restore", str(dump)).err.partition("tool: ")[2]
        done = subprocess.run(["sh", "-c", backup], env=environ, capture_output=True, text=True, check=False)
        if "server version mismatch" in done.stderr:
            pytest.skip("pg_dump is older than the server, so backup and restore there are NOT tested.")
        assert done.returncode == 0, done.stderr
        command("app", "create", "New").ok()
        filled.db.close()
        done = subprocess.run(["sh", "-c", restore], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert apps(command) == ["old"]
        command("db", "check").ok()
        # Nobody gets a number twice.
        command("app", "create", "Newer").ok()
        with psycopg.connect(filled.env["SCIMLITE_DATABASE_URL"]) as connection:
            row = connection.execute("SELECT count(DISTINCT id), count(*) FROM journal").fetchone()
        assert row is not None
        assert row[0] == row[1]
