"""Commands start quickly: each imports the libraries that it needs and no other."""

import subprocess
import sys

import pytest

from commands import Commands

#: Prints the libraries that a command has imported, which is the last line of its output.
PROGRAM = """
import atexit, sys
from scimlite_cli.main import main

@atexit.register
def libraries():
    loaded = [name for name, module in sys.modules.items() if module is not None]
    names = {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    print(*sorted(name for name in names if not name.startswith("_")))

main()
"""
OURS = {"scimlite", "scimlite_cli"}
DATABASE = {"click", "itsdangerous", "orjson", "peewee", "playhouse"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The commands on a SQLite database with an app, a token and entries."""
    commands = Commands({"SCIMLITE_STATE_DIR": str(tmp_path_factory.mktemp("startup"))})
    commands.process("app", "create", "Entra ID")
    return commands


@pytest.mark.parametrize(
    ("arguments", "libraries"),
    [
        (("--help",), {"click"}),
        (("report", "--help"), DATABASE),
        (("report",), DATABASE | {"rich"}),
        (("report", "--json"), DATABASE),
        (("report", "--summary"), DATABASE | {"rich"}),
        (("app", "list"), DATABASE | {"rich"}),
        (("app", "show", "entra-id"), DATABASE | {"rich"}),
        (("app", "list", "--json"), DATABASE),
        (("user", "list"), DATABASE),
        (("user", "list", "--json"), DATABASE),
        (("group", "list"), DATABASE),
        (("token", "list", "entra-id"), DATABASE | {"rich"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_imports_what_it_needs(filled, arguments, libraries):
    command = [sys.executable, "-c", PROGRAM, *arguments]
    # Measuring coverage would be one more library.
    env = {name: text for name, text in filled.environ().items() if not name.startswith("COVERAGE")}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    imported = set(ran.stdout.splitlines()[-1].split())
    assert imported - OURS == libraries
