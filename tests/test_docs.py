"""The documentation is true: commands print what it shows, tables are complete, links lead somewhere."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from page_reader import Reader
from pages import FOR_TYPING, PAGES, ROOT, Page
from postgres_server import empty_database, find_binaries
from scimlite.apps import app_profile
from scimlite.apps.features import AppSettings
from scimlite.config import _WITH_A_DEFAULT, VARIABLES, Settings
from scimlite.scim.leniency import Leniency
from scimlite_cli.main import cli

#: Pages whose reader does not begin with the service of `make run`.
FROM_NOTHING = {"docs/embed.md", "docs/operate.md", "examples/embedded/README.md"}

#: Commands in blocks called "sh", which are not run here, and why.
NOT_RUN = {
    "git clone": "needs the network",
    "pip install": "needs the network; tests/test_packaging.py builds the wheel",
    "make test": "would run this test again",
    "pytest": "would run this test again",
    "SCIMLITE_TEST_REWRITE_DOCS=sqlite pytest": "would run this test again",
    "systemctl": "there is no systemd where tests run",
    "python3 -": "makes secrets and folders of the machine",
    "/opt/scimlite/": "changes the machine",
    "cp deploy": "changes the machine",
    "mkdir": "makes a folder of the machine",
    "echo": "writes a secret",
    "chmod": "is about secrets that are not there",
    "PUBLIC_HOST": "there is no Docker where tests run",
    "docker": "there is no Docker where tests run",
    "kubectl": "there is no cluster where tests run",
}


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
NOUNS = "|".join(sorted({each.split()[0] for each in COMMANDS}))


def mentioned(page: Page) -> Iterator[str]:
    """What stands behind `scimlite` in a page, in backticks and in blocks of commands."""
    shown = [
        each.command.replace("\\\n", " ")
        for block in page.blocks
        if block.language == "console"
        for each in block.commands()
    ]
    shown += [line for block in page.blocks if block.language == "sh" for line in block.lines]
    for text in (*page.code, *shown):
        yield from re.findall(rf"\bscimlite ((?:{NOUNS})\b[^\n]*)", text.split(" # ")[0])


MENTIONED = sorted({line for name in FOR_TYPING for line in mentioned(PAGES[name])})


@pytest.mark.parametrize("line", MENTIONED)
def test_a_command_exists_with_its_options(line: str) -> None:
    words = re.split(r"[|>;&]", line)[0].split()
    name = words[0]
    for word in words[1:]:
        if isinstance(COMMANDS[name], click.Group) and re.fullmatch("[a-z|-]+", word):
            name = f"{name} {word}"
            assert name in COMMANDS
    parameters = COMMANDS[name].get_params(click.Context(COMMANDS[name]))
    options = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)} <= options | {"--help"}


def test_every_command_is_in_the_documentation() -> None:
    shown = {" ".join(line.split()[:words]) for line in MENTIONED for words in (1, 2, 3)}
    assert not {name for name, each in COMMANDS.items() if not isinstance(each, click.Group)} - shown


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("name", [each for each in FOR_TYPING if "```console" in PAGES[each].text])
def test_what_a_page_says_is_so(
    name: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the pages play the identity provider with curl, which is not installed")
    monkeypatch.chdir(tmp_path)
    if kind == "sqlite":
        follow(PAGES[name], Reader.sitting_down(tmp_path, kind, {}))
        return
    try:
        tools = str(find_binaries())
    except RuntimeError:  # a server elsewhere: SCIMLITE_TEST_PG_URL
        tools = ""
    with empty_database(request.getfixturevalue("postgres_url")) as url:
        settings = {"SCIMLITE_DATABASE_URL": url, "SCIMLITE_SECRET_KEY": "a key for tests and never for a service"}
        reader = Reader.sitting_down(tmp_path, kind, {} if name in FROM_NOTHING else settings, tools)
        reader.database_url = url
        follow(PAGES[name], reader)


def follow(page: Page, reader: Reader) -> None:
    """Do what a page says and compare what comes with what it shows."""
    try:
        if page.name not in FROM_NOTHING:
            reader.make_run()
        reader.follow(page)
    finally:
        reader.leave()
    reader.compare(page)


def test_what_is_not_run_is_known() -> None:
    lines = [
        (name, line)
        for name in FOR_TYPING
        for block in PAGES[name].blocks
        if block.language in ("sh", "bash", "shell", "")
        for line in block.lines
        if line.strip() and not line.startswith("#")
    ]
    assert [each for each in lines if not each[1].startswith(tuple(NOT_RUN))] == []
    assert [each for each in NOT_RUN if not any(line.startswith(each) for _, line in lines)] == []


def test_every_file_that_a_page_shows_is_used() -> None:
    for name in FOR_TYPING:
        page = PAGES[name]
        typed = " ".join(line for block in page.blocks if block.language == "console" for line in block.lines)
        for block in page.blocks:
            if block.language in ("json", "python"):
                assert block.file is not None, f"{name} line {block.start}: a paragraph before it must name the file"
                assert block.file in typed, f"{name}: {block.file} is not used"


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [re.match(r"(?:\w+=\S+ )*make ([a-z][a-z-]*)", code) for name in FOR_TYPING for code in PAGES[name].code]
    assert {each[1] for each in named if each} <= targets


# --- tables -------------------------------------------------------------------------------------------------------


def table(page: str, first: str) -> dict[str, list[str]]:
    """The rows of a table, by what stands in backticks in the first column; `first` heads that column."""
    text = PAGES[page].text.split(f"| {first} |")[1].split("\n\n")[0]
    rows = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): [cell.strip() for cell in row[1:]] for row in rows}


def test_the_settings_table_names_exactly_the_variables_there_are() -> None:
    assert list(table("docs/operate.md", "variable")) == list(VARIABLES)


#: How a default that is no plain number is written in the table.
WRITTEN = {
    "base_url": "taken from each request",
    "trusted_proxies": "none",
    "outbound_networks": "none",
    "retention": "30",
    "port": "PORT`, else `8000",
    "app": "none",
    "app_threads": "all but one",
    "max_waiters": "threads less two",
    "metrics": "none",
    "console": "on",
    "console_language": "what the browser asks for",
    **dict.fromkeys(("oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_roles"), "none"),
}


def test_the_settings_table_gives_the_defaults(tmp_path: Path) -> None:
    defaults = Settings.from_environment({"SCIMLITE_STATE_DIR": str(tmp_path)})
    rows = table("docs/operate.md", "variable")
    for variable, (field, _) in _WITH_A_DEFAULT.items():
        default = getattr(defaults, field)
        written = f"{default:g}" if isinstance(default, float) else str(default)
        assert rows[variable][0].strip("`") == WRITTEN.get(field, written)
    assert (
        Settings.from_environment(
            {"SCIMLITE_STATE_DIR": str(tmp_path), "SCIMLITE_RETENTION": "30", "SCIMLITE_BUSY_TIMEOUT": "5"}
        )
        == defaults
    )


def test_the_leniencies_table_has_every_leniency_with_its_words() -> None:
    rows = {name: cells[0] for name, cells in table("docs/features.md", "leniency").items()}
    assert rows == {leniency.value: leniency.words for leniency in Leniency}


def test_the_profiles_table_says_what_each_profile_sets() -> None:
    rows = {
        name: re.findall(r"`([\w-]+)=([\w-]+)`", cells[1])
        for name, cells in table("docs/features.md", "profile").items()
    }
    assert {name: dict(pairs) for name, pairs in rows.items()} == app_profile.PROFILES


def _values(feature: dataclasses.Field[object]) -> str:
    return ", ".join(feature.metadata["choices"] or (feature.metadata["default"], feature.metadata["takes"]))


def test_the_feature_tables_name_exactly_the_features_there_are() -> None:
    parts = PAGES["docs/features.md"].text.split("| feature | values, default first |")[1:]
    tables = [part.split("\n\n")[0] for part in parts]
    rows = [row for each in tables for row in re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", each, re.MULTILINE)]
    assert sorted(rows) == sorted(
        (each.name.replace("_", "-"), _values(each)) for each in dataclasses.fields(AppSettings)
    )
