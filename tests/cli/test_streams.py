"""Terminals that know no UTF-8: every command prints, and takes arguments, without an error."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from commands import COMMAND, Commands

ASCII = [
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "latin-1"},
]
NAME = "Größe → 東京 😀"


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The commands on a SQLite database whose app has a name that ASCII does not have."""
    commands = Commands({"SCIMLITE_STATE_DIR": str(tmp_path_factory.mktemp("streams"))})
    commands.ok("app", "create", NAME, "--slug", "size")
    return commands


def run(commands, env, *arguments):
    return subprocess.run(
        [COMMAND, *arguments], env=commands.environ(**env), capture_output=True, timeout=60, check=False
    )


@pytest.mark.parametrize("env", ASCII, ids=str)
@pytest.mark.parametrize(
    "arguments",
    [
        ("app", "list"),
        ("app", "show", "size"),
        ("app", "edit", "size", "--name", NAME),
        ("token", "show", "size"),
        ("token", "list", "size"),
        ("report",),
        ("report", "--csv"),
        ("report", "--summary"),
        ("user", "list"),
        ("db", "status"),
        ("--help",),
        ("app", "create", "--help"),
    ],
    ids=" ".join,
)
def test_every_command_prints(filled, env, arguments):
    ran = run(filled, env, *arguments)
    assert ran.returncode == 0, ran.stderr
    assert b"Traceback" not in ran.stderr
    if "latin-1" not in env.values():
        (ran.stdout + ran.stderr).decode("ascii")


@pytest.mark.parametrize("env", ASCII, ids=str)
def test_json_is_exact(filled, env):
    assert json.loads(run(filled, env, "app", "show", "size", "--json").stdout)["name"] == NAME


@pytest.mark.parametrize("env", ASCII, ids=str)
def test_a_name_is_taken_as_it_is_typed(filled, env):
    typed = f"Zürich {len(env)}{env.get('PYTHONIOENCODING')}"
    made = json.loads(run(filled, env, "app", "create", typed, "--json").stdout)
    assert made["name"] == typed
    assert filled.json("app", "show", made["slug"])["name"] == typed


@pytest.mark.parametrize("env", [{}, *ASCII], ids=str)
def test_an_argument_that_is_not_utf8_is_a_usage_error(filled, env):
    ran = subprocess.run(
        [COMMAND.encode(), b"app", b"show", b"\xff\xfe"], env=filled.environ(**env), capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr.startswith(b"Error: The argument '")
    assert ran.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments", [("report",), ("app", "list"), ("app", "show", "size"), ("report", "--json")])
def test_a_reader_that_goes_away_is_no_error(filled, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [COMMAND, *arguments], env=filled.environ(), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert ran.stderr == b""


@pytest.mark.parametrize("arguments", [("report",), ("app", "list"), ("app", "show", "size"), ("db", "status")])
def test_a_closed_stdout_is_no_traceback(filled, arguments):
    command = f"exec {COMMAND} {' '.join(arguments)} >&-"
    ran = subprocess.run(["sh", "-c", command], env=filled.environ(), stderr=subprocess.PIPE, check=False)
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize("arguments", [("report",), ("app", "list"), ("report", "--json")])
def test_a_full_disk_is_one_sentence(filled, arguments):
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [COMMAND, *arguments], env=filled.environ(), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert ran.returncode != 0
    assert b"No space left on device" in ran.stderr
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize("env", ASCII, ids=str)
def test_an_error_in_json_is_exact(filled, env):
    unknown = f"{NAME} ü"
    ran = run(filled, env, "app", "show", unknown, "--json")
    assert ran.returncode == 1
    assert unknown in json.loads(ran.stderr.decode("ascii"))["error"]
