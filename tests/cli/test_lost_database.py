"""Where a database was and is not any more, nothing makes an empty one unless the operator says so."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from commands import Commands
from live_service import LiveService
from postgres_server import free_port

MAKING = [("serve",), ("serve", "--upgrade"), ("app", "create", "B"), ("db", "upgrade")]


def arguments(command: tuple[str, ...]) -> tuple[str, ...]:
    return (*command, "--port", str(free_port())) if command[0] == "serve" else command


def lose(url: str) -> None:
    """The database is empty, as with a wrong name, a missing mount or a deleted file."""
    if url.startswith("sqlite"):
        for file in Path(url.removeprefix("sqlite:///")).parent.glob("scimlite.db*"):
            file.unlink()
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")


@pytest.fixture
def commands(settings_env: dict[str, str]) -> Commands:
    return Commands(settings_env)


def refused(commands: Commands, *command: str) -> str:
    ran = commands.process(*arguments(command))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


def test_where_a_service_has_run(commands: Commands, database_url: str, tmp_path: Path) -> None:
    LiveService.start(commands.env, workers=1, threads=1, folder=tmp_path).stop()
    lose(database_url)
    for command in (("serve",), ("serve", "--upgrade"), ("db", "upgrade")):
        said = refused(commands, *command)
        assert "server-url says that there was one" in said
        assert "--begin-anew" in said
    if database_url.startswith("sqlite"):
        assert not Path(database_url.removeprefix("sqlite:///")).exists()
    assert "an empty database was initialised" in commands.process("db", "upgrade", "--begin-anew").ok().out
    LiveService.start(commands.env, workers=1, threads=1, folder=tmp_path).stop()


@pytest.fixture
def keyed(tmp_path: Path) -> Commands:
    """SQLite at the default place, with a secret key that was made for it."""
    commands = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
    commands.process("app", "create", "A").ok()
    return commands


@pytest.mark.parametrize("command", MAKING, ids=" ".join)
def test_where_a_secret_key_is(keyed: Commands, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "state" / "scimlite.db").unlink()
    assert f"{tmp_path / 'state' / 'secret_key'} says that there was one" in refused(keyed, *command)
    assert not (tmp_path / "state" / "scimlite.db").exists()


def test_an_empty_file_is_no_database_either(keyed: Commands, tmp_path: Path) -> None:
    (tmp_path / "state" / "scimlite.db").write_bytes(b"")
    assert "says that there was one" in refused(keyed, "serve")


def test_the_service_begins_anew_when_it_is_told_to(keyed: Commands, tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "scimlite.db").unlink()
    LiveService.start(keyed.env, "--begin-anew", workers=1, threads=1, folder=tmp_path).stop()
    assert keyed.process("app", "list", "--json").ok().json_lines == []


def test_what_a_lost_database_left_behind_is_not_taken_for_a_part_of_the_next(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    commands = Commands(
        {"SCIMLITE_STATE_DIR": str(state), "SCIMLITE_SECRET_KEY": "a key for tests and never for a service"}
    )
    (state / "scimlite.db-wal").write_bytes(b"pages of another database")
    assert "scimlite.db-wal says that there was one" in refused(commands, "db", "upgrade")
    commands.process("db", "upgrade", "--begin-anew").ok()
    commands.process("db", "status").ok()
    assert (state / "scimlite.db-wal.of-a-lost-database").read_bytes() == b"pages of another database"


def test_a_file_that_a_running_service_still_uses_is_not_made_anew(tmp_path: Path) -> None:
    commands = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
    service = LiveService.start(commands.env, workers=1, threads=1, folder=tmp_path)
    try:
        (tmp_path / "state" / "scimlite.db").unlink()
        said = refused(commands, "db", "upgrade", "--begin-anew")
        assert "stop that service first" in said
        assert not (tmp_path / "state" / "scimlite.db").exists()
    finally:
        service.stop()
