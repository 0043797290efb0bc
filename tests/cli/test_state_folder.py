"""A place where no database can be: one sentence with the path, its owner and what to do, from every command."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from commands import COMMAND, Commands
from postgres_server import free_port
from scimlite.obstacles import obstacle

#: Without these rights root is refused like any other user.
NO_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
NOBODY = 65534

READING = [
    ("app", "list"),
    ("app", "show", "entra-id"),
    ("app", "edit", "entra-id", "--name", "B"),
    ("app", "test", "entra-id"),
    ("token", "list", "entra-id"),
    ("token", "show", "entra-id"),
    ("user", "list"),
    ("group", "list"),
    ("schema", "list", "--app", "entra-id"),
    ("mapping", "show", "--app", "entra-id"),
    ("report",),
    ("report", "--summary"),
    ("explain", "0123456789abcdef"),
    ("purge", "--app", "entra-id"),
    ("db", "status"),
    ("db", "backup", "copy.db"),
]
MAKING = [("app", "create", "Entra ID"), ("db", "upgrade"), ("serve",)]


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def commands(state):
    return Commands({"SCIMLITE_STATE_DIR": str(state)})


def as_a_common_user(commands, *arguments):
    """What a command says when its user has no more rights than the permissions give."""
    command = [*(NO_OVERRIDE if os.geteuid() == 0 else []), COMMAND, *arguments]
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("this runs as root, whom permissions do not stop, and there is no setpriv to give up that right")
    ran = subprocess.run(command, env=commands.environ(), capture_output=True, text=True, timeout=60, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def one_sentence(code, out, err):
    assert code in (1, 2)
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1, err
    return err


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_what_reads_makes_nothing_and_says_where_it_looked(commands, state, arguments):
    result = commands.run(*arguments)
    assert result.exit_code == 1
    assert str(state / "scimlite.db") in result.stderr
    assert "Error: " in result.stderr or arguments == ("db", "status")
    assert not state.exists()


def test_a_missing_database_at_the_default_place_names_the_first_command(commands):
    assert "Begin with `scimlite serve` or `scimlite app create`" in commands.fails("user", "list")
    url = f"sqlite:///{commands.env['SCIMLITE_STATE_DIR']}/other.db"
    assert "`scimlite db upgrade`" in commands.fails("app", "create", "A", SCIMLITE_DATABASE_URL=url)


@pytest.mark.parametrize("arguments", [*READING, *MAKING], ids=" ".join)
def test_no_folder_is_one_sentence(commands, arguments):
    if arguments == ("serve",):
        arguments = ("serve", "--port", str(free_port()))
    for place in ("/dev/null", "/dev/null/deeper"):
        said = commands.fails(*arguments, SCIMLITE_STATE_DIR=place)
        assert "/dev/null is no folder: name another place with SCIMLITE_STATE_DIR" in said
        assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [("app", "list"), ("app", "create", "B"), ("serve",), ("token", "show", "a")])
def test_the_folder_of_another_user(commands, state, arguments):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    commands.ok("app", "create", "A")
    for place in (state, *state.iterdir()):
        os.chown(place, NOBODY, -1)
    said = one_sentence(*as_a_common_user(commands, *arguments))
    assert f"{state} belongs to " in said
    assert "run this as " in said


@pytest.mark.parametrize(
    ("arguments", "mode"), [(("app", "list"), 0o500), (("app", "create", "B"), 0o500), (("db", "upgrade"), 0o000)]
)
def test_a_folder_that_cannot_be_written(commands, state, arguments, mode):
    commands.ok("app", "create", "A")
    state.chmod(mode)
    try:
        said = one_sentence(*as_a_common_user(commands, *arguments))
    finally:
        state.chmod(0o700)
    assert f"the mode of {state} is {mode:04o}: run chmod u+rwx {state}" in said


def test_a_folder_that_cannot_be_listed_nor_locked_is_written_in_without_turns(commands, state):
    commands.ok("app", "create", "A")
    state.chmod(0o300)
    try:
        assert as_a_common_user(commands, "app", "create", "B")[0] == 0
    finally:
        state.chmod(0o700)
    assert "B" in commands.ok("app", "list")


def test_a_database_that_only_reads(commands, state):
    commands.ok("app", "create", "A")
    database = state / "scimlite.db"
    database.chmod(0o400)
    assert as_a_common_user(commands, "app", "list")[0] == 0
    for arguments in (("app", "create", "B"), ("token", "show", "a"), ("app", "disable", "a")):
        said = one_sentence(*as_a_common_user(commands, *arguments))
        assert f"run chmod u+rw {database}" in said


def test_a_secret_key_that_cannot_be_read(commands, state):
    commands.ok("app", "create", "A")
    (state / "secret_key").chmod(0o000)
    said = one_sentence(*as_a_common_user(commands, "token", "show", "a"))
    assert f"run chmod u+rw {state / 'secret_key'}" in said


@pytest.mark.parametrize("content", [b"no database, whatever else it may be", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database(commands, state, content):
    state.mkdir()
    (state / "scimlite.db").write_bytes(content)
    for arguments in (("app", "list"), ("app", "create", "A"), ("db", "upgrade"), ("db", "status")):
        said = commands.fails(*arguments)
        assert f"SQLite file {state / 'scimlite.db'} cannot be used: " in said
        assert said.count("\n") == 1


def test_a_database_with_broken_pages(commands, state):
    commands.ok("app", "create", "A")
    database = state / "scimlite.db"
    whole = database.read_bytes()
    database.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    said = one_sentence(*as_a_common_user(commands, "app", "list"))
    assert "malformed" in said


def test_a_folder_in_the_place_of_the_database(commands, state):
    (state / "scimlite.db").mkdir(parents=True)
    assert f"{state / 'scimlite.db'} is a folder and no file" in commands.fails("app", "create", "A")


def test_a_server_that_is_not_there():
    url = f"postgresql://nobody:secret@127.0.0.1:{free_port()}/none"
    commands = Commands({"SCIMLITE_DATABASE_URL": url, "SCIMLITE_SECRET_KEY": "k" * 40})
    for arguments in (
        ("app", "list"),
        ("app", "create", "A"),
        ("db", "upgrade"),
        ("serve", "--port", str(free_port())),
    ):
        ran = commands.process(*arguments)
        said = one_sentence(ran.code, ran.out, ran.err)
        assert "cannot be used: " in said
        assert "secret" not in said


@pytest.mark.parametrize("name", ["none", "not there"])
def test_a_database_or_user_that_the_server_does_not_know(postgres_url, name):
    url = postgres_url.rsplit("/", 1)[0] + f"/{name.replace(' ', '%20')}"
    commands = Commands({"SCIMLITE_DATABASE_URL": url, "SCIMLITE_SECRET_KEY": "k" * 40})
    ran = commands.process("app", "list")
    assert f"database {name} does not exist" in one_sentence(ran.code, ran.out, ran.err)


# --- the rule -----------------------------------------------------------------------------------------------------


def test_nothing_is_in_the_way_of_a_file_that_can_be_made(tmp_path):
    assert obstacle(tmp_path / "deep" / "deeper" / "file") is None
    (tmp_path / "file").write_text("")
    assert obstacle(tmp_path / "file") is None
    assert obstacle(tmp_path / "missing", write=False) == f"{tmp_path / 'missing'} does not exist"


def test_a_name_that_the_system_does_not_take(tmp_path):
    assert "File name too long" in str(obstacle(tmp_path / ("x" * 300) / "file"))


def test_a_device_is_no_file():
    assert "no file" in str(obstacle(Path("/dev/null")))
