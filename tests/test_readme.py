"""The README is true: every setting, command and feature that there is stands in it, and none that there is not."""

import dataclasses
import re
from pathlib import Path

import click
import pytest

from scimlite.apps.features import AppSettings
from scimlite.config import VARIABLES
from scimlite_cli.main import cli

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Every command by what is typed for it."""
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found[" ".join((*path, name))] = command
        if isinstance(command, click.Group):
            found |= commands(command, (*path, name))
    return found


COMMANDS = commands(cli)
SHOWN = re.findall(rf"scimlite ((?:{'|'.join(sorted({each.split()[0] for each in COMMANDS}))})\b[^\n`]*)", README)


def test_the_settings_table_names_exactly_the_variables_there_are() -> None:
    assert set(re.findall(r"^\| `(SCIMLITE_\w+)`", README, re.MULTILINE)) == set(VARIABLES)


def _values(feature: dataclasses.Field[str]) -> str:
    return ", ".join(feature.metadata.get("choices") or (str(feature.default), feature.metadata["takes"]))


def test_the_feature_table_names_exactly_the_features_there_are() -> None:
    table = README.split("| feature | values, default first |")[1].split("\n\n")[0]
    rows = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", table, re.MULTILINE))
    assert rows == {each.name.replace("_", "-"): _values(each) for each in dataclasses.fields(AppSettings)}


@pytest.mark.parametrize("line", sorted(set(SHOWN)))
def test_a_command_in_the_readme_exists_with_its_options(line: str) -> None:
    words = line.split("#")[0].replace("|", " ").split()
    name = " ".join(words[:2]) if isinstance(COMMANDS[words[0]], click.Group) else words[0]
    if name.endswith((",", ")", ";", ":")) or name not in COMMANDS:
        name = name.rstrip(",);:.")
    assert name in COMMANDS
    options = {option for parameter in COMMANDS[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options | {"--help"}


def test_every_group_of_commands_is_shown() -> None:
    shown = {line.split()[0] for line in SHOWN}
    assert shown == {path.split()[0] for path in COMMANDS}
