"""Every command, whatever is wrong with the database: one sentence and exit code 1, and never a traceback."""

from __future__ import annotations

import resource
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

import databases
from command_line import CommandLine, every_command
from commands import Commands
from postgres_server import free_port

#: How each command is called; `serve` runs until it is stopped, and is called where it cannot begin.
CALLS = [
    ("app", "create", "Other"),
    ("app", "list"),
    ("app", "invite", "acme"),
    ("operator", "add", "bob", "--role", "auditor"),
    ("operator", "list"),
    ("operator", "show", "bob"),
    ("operator", "edit", "bob", "--role", "operator"),
    ("operator", "link", "bob"),
    ("operator", "disable", "bob"),
    ("operator", "enable", "bob"),
    ("operator", "sign-out", "bob"),
    ("operator", "remove", "bob", "--yes"),
    ("app", "show", "acme"),
    ("app", "edit", "acme", "--name", "New"),
    ("app", "disable", "acme"),
    ("app", "enable", "acme"),
    ("app", "release", "acme"),
    ("app", "export", "acme"),
    ("app", "import", "acme.json"),
    ("app", "test", "acme", "--url", "http://127.0.0.1:1/scim/v2/acme"),
    ("token", "issue", "acme", "--label", "new"),
    ("token", "list", "acme"),
    ("token", "show", "acme"),
    ("token", "rotate", "acme", "default"),
    ("token", "revoke", "acme", "default", "--yes"),
    ("user", "list"),
    ("user", "show", "ann"),
    ("user", "history", "ann"),
    ("user", "export", "--app", "acme"),
    ("user", "restore", "ann"),
    ("user", "check-password", "ann", "--app", "acme"),
    ("user", "erase", "ann", "--yes"),
    ("group", "list"),
    ("group", "show", "staff"),
    ("group", "restore", "staff"),
    ("schema", "list", "--app", "acme"),
    ("schema", "show", "devices", "--app", "acme"),
    ("schema", "catalog"),
    ("schema", "diff", "devices", "--app", "acme"),
    ("schema", "add", "devices", "--app", "acme"),
    ("schema", "remove", "devices", "--app", "acme", "--yes"),
    ("mapping", "show", "--app", "acme"),
    ("mapping", "export", "--app", "acme"),
    ("mapping", "test", "ann", "--app", "acme"),
    ("mapping", "recompute", "--app", "acme"),
    ("mapping", "set", "login", "userName", "--app", "acme", "--yes"),
    ("mapping", "unset", "login", "--app", "acme"),
    ("mapping", "import", "mapping.json", "--app", "acme", "--yes"),
    ("report",),
    ("report", "--summary"),
    ("events", "--app", "acme"),
    ("webhook", "add", "https://crm.example.com/hook", "--app", "acme"),
    ("webhook", "list"),
    ("webhook", "show", "--app", "acme", "--secret"),
    ("webhook", "edit", "--app", "acme", "--lanes", "2"),
    ("webhook", "pause", "--app", "acme"),
    ("webhook", "resume", "--app", "acme"),
    ("webhook", "test", "--app", "acme"),
    ("webhook", "rotate", "--app", "acme"),
    ("webhook", "replay", "--app", "acme", "--dead"),
    ("webhook", "deliveries", "--app", "acme"),
    ("webhook", "remove", "--app", "acme", "--yes"),
    ("source", "add", "corp", "--app", "acme", "--kind", "csv", "--file", "users.csv"),
    ("source", "list"),
    ("source", "show", "--app", "acme"),
    ("source", "test", "--app", "acme"),
    ("source", "preview", "--app", "acme"),
    ("source", "sync", "--app", "acme"),
    ("source", "status"),
    ("source", "runs", "--app", "acme"),
    ("source", "edit", "--app", "acme", "--every", "1h"),
    ("source", "disable", "--app", "acme"),
    ("source", "enable", "--app", "acme"),
    ("source", "map", "show", "--app", "acme"),
    ("source", "map", "set", "title", "title", "--app", "acme"),
    ("source", "map", "unset", "title", "--app", "acme"),
    ("source", "map", "reset", "--app", "acme"),
    ("source", "map", "import", "acme.json", "--app", "acme"),
    ("source", "remove", "--app", "acme", "--yes"),
    ("reconcile", "acme", "--with", "mapping.json"),
    ("target", "add", "crm", "--app", "acme", "--url", "https://crm.example.com/scim", "--token-env", "CRM_TOKEN"),
    ("target", "list"),
    ("target", "show", "--app", "acme"),
    ("target", "edit", "--app", "acme", "--members", "2"),
    ("target", "test", "--app", "acme"),
    ("target", "preview", "--app", "acme"),
    ("target", "sync", "--app", "acme"),
    ("target", "status"),
    ("target", "retry", "--app", "acme"),
    ("target", "disable", "--app", "acme"),
    ("target", "enable", "--app", "acme"),
    ("target", "remove", "--app", "acme", "--yes"),
    ("work", "--once"),
    ("explain", "0123456789abcdef"),
    ("journal", "prune", "--older-than", "1d", "--yes"),
    ("purge", "--app", "acme", "--yes"),
    ("check",),
    ("db", "status"),
    ("db", "new-epoch", "--yes"),
    ("db", "check"),
    ("db", "backup", "copy.db"),
    ("db", "restore", "no-copy.db", "--yes"),
    ("db", "upgrade"),
    ("app", "delete", "acme", "--yes"),
]
#: They go on to report what else they find.
REPORTS = [("check",), ("db", "status"), ("db", "check"), ("app", "test"), ("target", "status")]
WITHOUT_DATABASE = {("completion",), ("serve",)}


def test_every_command_is_called() -> None:
    leaves = {path for path, command in every_command() if not hasattr(command, "commands")}
    called = {path for path in leaves for call in CALLS if call[: len(path)] == path}
    assert leaves == called | WITHOUT_DATABASE


@dataclass
class Trouble:
    """A way to bring a database into trouble: by changing it, or by a context for the commands."""

    kind: str
    name: str
    change: Callable[[str], AbstractContextManager[dict[str, str]]]
    #: True when no command can do anything, and the service cannot begin.
    total: bool = False


def sqlite_path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def writing_elsewhere(url: str) -> Iterator[dict[str, str]]:
    with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield {}


@contextmanager
def locked_elsewhere(url: str) -> Iterator[dict[str, str]]:
    with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("PRAGMA user_version = 1")
        other.execute("COMMIT")
        yield {}


@contextmanager
def no_room_for_more(url: str) -> Iterator[dict[str, str]]:
    path = sqlite_path(url)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # What is in the -wal file goes to the database when the last connection is closed.
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
    try:
        yield {}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def damaged(keep: int) -> Callable[[str], AbstractContextManager[dict[str, str]]]:
    def change(url: str) -> AbstractContextManager[dict[str, str]]:
        content = sqlite_path(url).read_bytes()
        sqlite_path(url).write_bytes(content[:keep] + b"\xff" * (len(content) - keep))
        return nullcontext({})

    return change


def without_table(table: str) -> Callable[[str], AbstractContextManager[dict[str, str]]]:
    def change(url: str) -> AbstractContextManager[dict[str, str]]:
        statement = f'ALTER TABLE "{table}" RENAME TO away'
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as other:
                other.execute(statement)
        else:
            with psycopg.connect(url, autocommit=True) as other:
                other.execute(statement)
        return nullcontext({})

    return change


@contextmanager
def tables_locked(url: str) -> Iterator[dict[str, str]]:
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE app, token, resource, journal IN ACCESS EXCLUSIVE MODE")
        yield {}
        other.rollback()


@contextmanager
def read_only(url: str) -> Iterator[dict[str, str]]:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{other.info.dbname}" SET default_transaction_read_only = on')
    yield {}


def elsewhere(**parts: str) -> Callable[[str], AbstractContextManager[dict[str, str]]]:
    def change(url: str) -> AbstractContextManager[dict[str, str]]:
        place = psycopg.conninfo.conninfo_to_dict(url)
        found = {name: str(place[name]) for name in ("user", "password", "host", "port", "dbname") if place.get(name)}
        found |= {name: value or str(free_port()) for name, value in parts.items()}
        login = ":".join(found[name] for name in ("user", "password") if name in found)
        address = f"postgresql://{login}@{found['host']}:{found['port']}/{found['dbname']}"
        return nullcontext({"SCIMLITE_DATABASE_URL": address})

    return change


@contextmanager
def without_rights(url: str) -> Iterator[dict[str, str]]:
    with psycopg.connect(url, autocommit=True) as other:
        role = f"stranger_{other.info.dbname}"[:60]
        other.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'unprivileged'")
        with elsewhere(user=role, password="unprivileged")(url) as env:
            yield env
        other.execute(f'DROP ROLE "{role}"')


TROUBLES = [
    Trouble("sqlite", "another process writes", writing_elsewhere),
    Trouble("sqlite", "another process has the whole file", locked_elsewhere, total=True),
    Trouble("sqlite", "files cannot grow", no_room_for_more),
    Trouble("sqlite", "no database", damaged(0), total=True),
    Trouble("sqlite", "damaged pages", damaged(4096), total=True),
    Trouble("sqlite", "some damaged pages", damaged(400_000)),
    Trouble("sqlite", "no table app", without_table("app")),
    Trouble("sqlite", "no table journal", without_table("journal")),
    Trouble("postgresql", "no server", elsewhere(port=""), total=True),
    Trouble("postgresql", "no such database", elsewhere(dbname="nowhere"), total=True),
    Trouble("postgresql", "no such role", elsewhere(user="nobody_at_all", password="wrong"), total=True),
    Trouble("postgresql", "no rights", without_rights, total=True),
    Trouble("postgresql", "only reading", read_only),
    Trouble("postgresql", "locked tables", tables_locked),
    Trouble("postgresql", "no table app", without_table("app")),
    Trouble("postgresql", "no table journal", without_table("journal")),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: f"{trouble.kind}: {trouble.name}")
def test_no_command_ends_in_a_traceback(
    trouble: Trouble, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with databases.empty_url(trouble.kind, request, tmp_path) as url:
        env = {
            "SCIMLITE_STATE_DIR": str(tmp_path / "state"),
            "SCIMLITE_DATABASE_URL": url,
            "SCIMLITE_SECRET_KEY": "a key for tests and never for a service",
            "SCIMLITE_BUSY_TIMEOUT": "0.1",
        }
        commands = CommandLine(env)
        commands.ok("db", "upgrade")
        commands.ok("app", "create", "Acme")
        Path("acme.json").write_text(commands.ok("app", "export", "acme"))
        Path("mapping.json").write_text(commands.ok("mapping", "export", "--app", "acme"))
        with trouble.change(url) as changed:
            commands = CommandLine({**env, **changed})
            ends = {call: _end(commands, call) for call in CALLS}
            assert not {call: end for call, end in ends.items() if end not in ("well", "one sentence")}
            done = [call for call, end in ends.items() if end == "well"]
            if trouble.total:
                assert done == [("schema", "catalog")]
                ran = Commands(commands.env).process("serve", "--port", str(free_port()))
                assert (ran.code, ran.out) == (1, "")
                assert "Traceback" not in ran.err
                assert ran.err.count("Error: ") == 1


def _end(commands: CommandLine, call: tuple[str, ...]) -> str:
    """How a command ends: "well", with "one sentence" that says what is wrong, or else all that it said."""
    try:
        result = commands.run(*call, input="a password\n")
    except Exception:  # any of them is what no command should end with
        return traceback.format_exc()
    if result.exit_code == 0:
        return "well"
    said = result.stderr.splitlines()
    sentence = call[:2] in REPORTS or said[-1].startswith("Error: ")
    right = sentence and result.exit_code == 1 and result.stderr.count("Error: ") <= 1
    return "one sentence" if right else f"{result.exit_code}: {result.output}"
