"""The documentation is true: commands print what it shows, tables are complete, links lead somewhere."""

from __future__ import annotations

import configparser
import dataclasses
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from page_reader import Reader
from pages import ROOT, Page
from postgres_server import empty_database, find_binaries
from scimlite.config import VARIABLES, Settings
from scimlite.features import AppSettings
from scimlite_cli.main import cli

PAGES = {
    page.name: page
    for page in map(
        Page,
        [
            *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
            *sorted((ROOT / "docs").glob("**/*.md")),
            ROOT / "examples" / "embedded" / "README.md",
        ],
    )
}
#: Pages that describe the project from inside or are written by a program: nobody types what stands in them.
FOR_READING = {"docs/architecture.md", "docs/performance.md", "docs/conformance.md"}
FOR_TYPING = [name for name in PAGES if name not in FOR_READING and not name.startswith("docs/adr/")]
#: Pages whose reader does not begin with the service of `make run`.
FROM_NOTHING = {"docs/embed.md", "docs/operate.md", "examples/embedded/README.md"}

#: Commands in blocks called "sh", which are not run here, and why.
NOT_RUN = {
    "git clone": "needs the network",
    "pip install": "needs the network; tests/test_packaging.py builds the wheel",
    "make test": "would run this test again",
    "pytest": "would run this test again",
    "SCIMLITE_TEST_REWRITE_DOCS=sqlite pytest": "would run this test again",
    "useradd": "changes the machine",
    "systemctl": "there is no systemd where tests run",
    "sudo": "that user is not there where tests run",
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
    name = " ".join(words[:2]) if isinstance(COMMANDS[words[0]], click.Group) else words[0]
    assert name in COMMANDS
    options = {option for parameter in COMMANDS[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)} <= options | {"--help"}


def test_every_command_is_in_the_documentation() -> None:
    shown = {" ".join(line.split()[:2]) for line in MENTIONED} | {line.split()[0] for line in MENTIONED}
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
WRITTEN = {"base_url": "taken from each request", "trusted_proxies": "none", "retention": "30", "busy_timeout": "5"}


def test_the_settings_table_gives_the_defaults(tmp_path: Path) -> None:
    defaults = Settings.from_environment({"SCIMLITE_STATE_DIR": str(tmp_path)})
    rows = table("docs/operate.md", "variable")
    for variable in VARIABLES[3:]:
        field = variable.removeprefix("SCIMLITE_").lower()
        assert rows[variable][0].strip("`") == WRITTEN.get(field, str(getattr(defaults, field)))
    assert (
        Settings.from_environment(
            {"SCIMLITE_STATE_DIR": str(tmp_path), "SCIMLITE_RETENTION": "30", "SCIMLITE_BUSY_TIMEOUT": "5"}
        )
        == defaults
    )


def _values(feature: dataclasses.Field[str]) -> str:
    return ", ".join(feature.metadata.get("choices") or (str(feature.default), feature.metadata["takes"]))


def test_the_feature_tables_name_exactly_the_features_there_are() -> None:
    parts = PAGES["docs/features.md"].text.split("| feature | values, default first |")[1:]
    rows = [row for part in parts for row in re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", part, re.MULTILINE)]
    assert sorted(rows) == sorted(
        (each.name.replace("_", "-"), _values(each)) for each in dataclasses.fields(AppSettings)
    )


# --- links and form -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = PAGES[name]
    for link in page.links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), link
        if anchor:
            assert anchor in Page(target).anchors, link


@pytest.mark.parametrize("name", FOR_TYPING)
def test_a_page_is_well_formed(name: str) -> None:
    page = PAGES[name]
    assert page.text.startswith("# ")
    assert re.search(r"[^\n]\n\Z", page.text)
    for block in page.blocks:
        assert block.language, f"line {block.start}: a block without a language"
    longest = 120
    for number, line in enumerate(page.prose.splitlines(), start=1):
        assert len(line) <= longest or line.lstrip().startswith("|") or "](https://" in line, f"line {number} is long"
    for rows in re.findall(r"(?:^ *\|.*\n)+", page.prose + "\n", re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", row))) for row in rows.splitlines()}
        assert len(columns) == 1, f"a table with rows of different length: {rows[:80]}"


def test_every_page_is_reached_from_the_readme() -> None:
    seen, waiting = set(), ["README.md"]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in PAGES:
            continue
        seen.add(name)
        for link in PAGES[name].links:
            if not link.startswith("https://"):
                target = (PAGES[name].path.parent / link.partition("#")[0]).resolve()
                if target.is_relative_to(ROOT):
                    waiting.append(str(target.relative_to(ROOT)))
    assert {each for each in PAGES if not each.startswith("docs/adr/")} - seen == set()


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].text.splitlines()) <= 200


# --- configuration of other programs ------------------------------------------------------------------------------


def configurations(language: str) -> list[str]:
    """The blocks of a language in all pages."""
    found = [block.text for page in PAGES.values() for block in page.blocks if block.language == language]
    assert found
    return found


def test_units_of_systemd_can_be_read(tmp_path: Path) -> None:
    for number, text in enumerate(configurations("ini")):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case of names
        unit.read_string(text)
        assert {"Unit", "Service", "Install"} <= set(unit.sections())
        if analyze := shutil.which("systemd-analyze"):
            file = tmp_path / f"scimlite-{number}.service"
            file.write_text(re.sub(r"(ExecStart\w*=)\S+", rf"\1{shutil.which('true')}", text))
            ran = subprocess.run([analyze, "verify", file], capture_output=True, text=True, timeout=60, check=False)
            assert "scimlite" not in ran.stderr, ran.stderr


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    (text,) = configurations("nginx")
    assert text.count("{") == text.count("}")
    nginx, openssl = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("nginx or openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = "/CN=scim.example.com"
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            subject,
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    text = re.sub(
        r"(ssl_certificate_key) \S+;", rf"\1 {key};", re.sub(r"(ssl_certificate) \S+;", rf"\1 {certificate};", text)
    )
    folders = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = tmp_path / "nginx.conf"
    whole.write_text(
        f"pid {tmp_path}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{text}\n}}\n"
    )
    ran = subprocess.run([nginx, "-t", "-c", whole], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
