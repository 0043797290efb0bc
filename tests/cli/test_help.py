"""What every command has: help with an example, and a database it does not make by accident."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from command_line import CommandLine, every_command
from commands import Commands

COMMANDS = {" ".join(path) or "scimlite": (path, command) for path, command in every_command()}
HELPED = {name: each for name, each in COMMANDS.items() if name != "scimlite"}


def words(path, text):
    """What `scimlite path --help` says."""
    result = CommandLine({}).run(*path, "--help")
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize(("path", "command"), HELPED.values(), ids=HELPED.keys())
def test_help_has_an_example_that_calls_the_command(path, command):
    printed = words(path, command)
    assert re.search(rf"^ +Examples?: .*scimlite {' '.join(path)}\b", printed, re.MULTILINE), printed


@pytest.mark.parametrize(("path", "command"), COMMANDS.values(), ids=COMMANDS.keys())
def test_help_begins_with_a_short_sentence(path, command):
    first = command.help.strip().split("\n\n")[0].replace("\n", " ")
    assert first.endswith((".", ":")) or path == ()
    assert "..." not in words(path, command).split("Commands:")[-1], "a summary is cut off"


@pytest.mark.parametrize(("path", "command"), COMMANDS.values(), ids=COMMANDS.keys())
def test_every_option_says_what_it_does(path, command):
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_examples_are_commands_that_exist():
    for name, (path, command) in COMMANDS.items():
        for line in words(path, command).splitlines():
            for called in re.findall(r"scimlite((?: [a-z]+)+)", line):
                first = called.split()
                known = [n for n in range(1, len(first) + 1) if " ".join(first[:n]) in COMMANDS]
                assert known, f"{name}: {line.strip()}"


def test_no_line_of_the_help_is_wider_than_a_terminal_of_80_columns():
    for path, _ in COMMANDS.values():
        result = CommandLine({}).run(*path, "--help", columns=80)
        assert [line for line in result.stdout.splitlines() if len(line) > 80] == [], path
        assert "..." not in result.stdout.split("Commands:")[-1], f"{path}: a summary is cut off"


def test_data_for_programs_wherever_there_is_data():
    for name, (_, command) in COMMANDS.items():
        if name.split()[-1] in ("list", "show", "report", "test", "create", "issue", "rotate"):
            assert "as_json" in [parameter.name for parameter in command.params], name


def test_the_first_help_is_fast():
    """It imports neither the web framework nor the database."""
    program = (
        "import sys\nfrom scimlite_cli.main import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "heavy = {'flask', 'werkzeug', 'peewee', 'psycopg', 'gunicorn', 'rich', 'marshmallow'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_only_the_driver_of_the_database_is_imported(installation):
    """Peewee would import each driver that is installed."""
    command = [sys.executable, "-X", "importtime", "-c", "from scimlite_cli.main import main; main()", "db", "status"]
    environ = Commands(installation.env).environ()
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    imported = {line.rsplit("|", 1)[-1].strip() for line in ran.stderr.splitlines()}
    # Imports that failed are listed too, psycopg itself among them; its first part shows that it was loaded.
    ours = {"scimlite.db.sqlite": "sqlite", "scimlite.db.postgresql": "postgresql", "psycopg.pq": "postgresql"}
    for module, kind in ours.items():
        assert (module in imported) == (kind == installation.kind), module


def test_a_command_that_does_not_exist_lists_those_that_do():
    result = CommandLine({}).run("aps")
    assert result.exit_code == 2
    assert "app, token, user" in result.stderr


# --- which command makes a database -------------------------------------------------------------------------------

READING = [
    ("app", "list"),
    ("app", "create", "First"),
    ("report",),
    ("user", "list"),
    ("group", "list"),
    ("token", "list", "first"),
]


def test_at_the_default_place_the_first_app_makes_the_database(tmp_path):
    here = CommandLine({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
    here.ok("app", "create", "First")
    here.ok("app", "list", "--json")


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_at_another_place_only_upgrade_makes_it(nothing, arguments, settings):
    refused = Commands(nothing.env).process(*arguments)
    assert (refused.code, refused.out) == (1, "")
    said = refused.err
    assert "There is no scimlite database in" in said
    assert "scimlite db upgrade" in said
    kind, _, place = settings.database_url.partition(":///")
    assert (place if kind == "sqlite" else settings.database_url.rsplit("/", 1)[-1]) in said
    assert kind != "sqlite" or not Path(place).exists()
    nothing.ok("db", "upgrade")
    assert nothing.ok("app", "list", "--json") == ""


def test_serve_makes_it_too(serve, settings_env):
    serve(settings_env, workers=1)
    assert CommandLine(settings_env).ok("app", "list", "--json") == ""


def test_a_wrong_setting_is_a_usage_error(tmp_path):
    here = CommandLine({"SCIMLITE_STATE_DIR": str(tmp_path), "SCIMLITE_DATABASE_URL": "mysql://x"})
    said = here.fails("app", "list", code=2)
    assert "SCIMLITE_DATABASE_URL" in said
    assert not list(Path(tmp_path).iterdir())


def test_a_database_out_of_reach_is_said_so(tmp_path):
    here = CommandLine(
        {
            "SCIMLITE_STATE_DIR": str(tmp_path),
            "SCIMLITE_DATABASE_URL": "postgresql://nobody:hunter2@127.0.0.1:1/nothing",
            "SCIMLITE_SECRET_KEY": "k" * 32,
        }
    )
    said = here.fails("app", "list")
    assert "postgresql://nobody:***@127.0.0.1:1/nothing" in said
    assert "hunter2" not in said
