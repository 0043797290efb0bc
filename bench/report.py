"""Measure the operator's commands on a large journal: whole processes, as an operator waits for them.

    make bench-report                                        10 million entries on both databases
    make bench-report BENCH="--rows 1000000 --database sqlite"
    python bench/report.py --rows 10000000 --database sqlite --folder /var/tmp/large

Three apps, 100,000 users, entries of 400 days, 60 % of them in one app (bench/filling.py). Each command runs three
times, warm; the table has the medians of wall and CPU time (a PostgreSQL server's own CPU is not counted).
`scimlite --help` is the floor of any command, `report --user nobody` that of one with a database. PostgreSQL runs with
the settings it comes with, vacuumed and durable.

With --folder the filled installation stays there, for the next run to measure it again; on PostgreSQL that takes a
server of your own, named by SCIMLITE_BENCH_PG_URL, and its database scimlite_bench_report stays.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import filling
import psycopg
import servers

from scimlite import installation, journal
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db import Database
from scimlite.journal import Action, Entry, Origin, report

PROGRAM = str(Path(sys.executable).with_name("scimlite"))
APPENDS = 1000
#: About a hundred entries with ten million; 1 % of all.
ORDINARY, BUSY = "user4321@example.com", "user0@example.com"
COMMANDS = (
    "--help",
    "report",
    f"report --user {ORDINARY}",
    f"report --user {BUSY}",
    "report --user nobody@example.com",
    "report --app main --since 1d",
    "report --app third --outcome refused",
    f"report --user {ORDINARY} --app main --since 30d",
    f"report --user {BUSY} --app main --since 30d",
    "report --action deleted --since 7d",
    "report --action restored",
    "report --app main --action purged --since 300d",
    "report --outcome refused --limit 50",
    "report --outcome failed",
    "report --since 400d --json | head",
    "report --app third --action deleted --json | head",
    "report --app main --json --since 1d",
    "report --summary --app main --since 1d",
    "report --summary --app main --since 30d",
    "report --summary --app main --since 400d",
    "report --summary --app third --since 400d",
    "report --summary --since 400d",
    f"report --summary --user {BUSY}",
    "report --follow --json --limit 5",
    f"report --follow --json --limit 5 --user {BUSY}",
    f"user show {ORDINARY}",
    f"user show {BUSY}",
    "user list",
    "app show main",
    "app list",
    "db status",
    "token show main",
    "journal prune --older-than 180d",
)

Figures = tuple[float, float]


def main() -> None:
    """Fill what is not filled yet, measure, and print the table."""
    arguments = _arguments()
    for name in arguments.database or ("sqlite", "postgresql"):
        with opened(name, arguments.folder) as env:
            figures = _measure(env, arguments)
        print(f"\n{name}, {arguments.rows:,} entries, {arguments.users:,} users\n")
        print("| what | wall ms | CPU ms |\n| --- | --- | --- |")
        for what, (wall, cpu) in figures:
            places = 0 if wall > 0.02 else 2
            print(
                f"| {what.replace('|', '&#124;')} | {wall * 1000:,.{places}f} | {cpu * 1000:,.{places}f} |", flush=True
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--rows", type=int, default=10_000_000, help="entries of the journal")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the installation is made, and stays")
    parser.add_argument("--only", default="", help="commands that have this text")
    return parser.parse_args()


def opened(name: str, folder: Path | None) -> AbstractContextManager[dict[str, str]]:
    """An installation on this kind of database, which stays when a folder is named."""
    if folder is None:
        return {"sqlite": servers.sqlite, "postgresql": servers.postgresql}[name]()
    return _kept(name, folder.absolute())


@contextmanager
def _kept(name: str, folder: Path) -> Iterator[dict[str, str]]:
    """An installation that stays."""
    url = f"sqlite:///{folder / 'scimlite.db'}"
    if name == "postgresql":
        server = servers.POSTGRESQL_URL
        if server is None:
            raise SystemExit("--folder with PostgreSQL takes SCIMLITE_BENCH_PG_URL, a server that stays.")
        with psycopg.connect(server, autocommit=True) as connection, suppress(psycopg.errors.DuplicateDatabase):
            connection.execute("CREATE DATABASE scimlite_bench_report TEMPLATE template0")
        url = urlunsplit(urlsplit(server)._replace(path="/scimlite_bench_report"))
    env = servers.environment(url, folder)
    servers.scimlite(env, "db", "upgrade")
    yield env


def _measure(env: dict[str, str], arguments: argparse.Namespace) -> list[tuple[str, Figures]]:
    """What was measured, with its median wall and CPU seconds."""
    figures = fill(env, arguments)
    db = installation.database(Settings.from_environment(env))
    for command in COMMANDS:
        if arguments.only in command:
            print(command, end="", file=sys.stderr, flush=True)
            run = partial(_followed if "--follow" in command else _run, env, command)
            figures.append((f"scimlite {command}", _median(run, arguments.repeats)))
            print(f"  {figures[-1][1][0]:.3f}", file=sys.stderr, flush=True)
    figures.append(("append one entry to a full journal", _append(db)))
    db.close()
    return figures


def fill(env: dict[str, str], arguments: argparse.Namespace) -> list[tuple[str, Figures]]:
    """Fill what is not filled yet; what was measured before, of an empty journal."""
    db = installation.database(Settings.from_environment(env))
    figures: list[tuple[str, Figures]] = []
    if report.latest_id(db) < arguments.rows:
        for slug in filling.SHARES:
            servers.scimlite(env, "app", "create", slug.capitalize(), "--slug", slug)
        figures.append(("append one entry to an empty journal", _append(db)))
        filling.Filler(db, users=arguments.users, rows=arguments.rows).fill()
    db.close()
    return figures


def _median(run: Callable[[], Figures], repeats: int) -> Figures:
    walls, cpus = zip(*(run() for _ in range(repeats)), strict=True)
    return statistics.median(walls), statistics.median(cpus)


def _run(env: dict[str, str], command: str) -> Figures:
    """One command as a process of its own; wall and CPU seconds. What it asks is answered with no."""
    words = ["/bin/sh", "-c", f"{shlex.quote(PROGRAM)} {command}"]
    before, began = _children(), time.perf_counter()
    process = subprocess.Popen(
        words, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, told = process.communicate()
    wall = time.perf_counter() - began
    cpu = _children() - before
    # 1 is what a question that is not answered ends with.
    if process.returncode not in (0, 1) or (process.returncode and b"Abort" not in told):
        raise SystemExit(f"scimlite {command}: {told.decode()}")
    return wall, cpu


def _followed(env: dict[str, str], command: str) -> Figures:
    """Until the last of the entries that are there is printed."""
    before, began = _children(), time.perf_counter()
    process = subprocess.Popen(
        [PROGRAM, *shlex.split(command)], env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    wall = time.perf_counter() - began
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    return wall, _children() - before


def _children() -> float:
    """CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _append(db: Database) -> Figures:
    """One entry in a transaction of its own, as every write makes one, each about somebody else; in this process."""
    app = apps.get(db, next(iter(filling.SHARES)))
    workspace = Workspace(db, Origin("bench", "default", "0123456789abcdef"), app)
    walls, cpu = [], time.process_time()
    for _ in range(APPENDS):
        entry = Entry(Action.UPDATED, user=(str(uuid.uuid4()), "somebody"), changes={"title": ["Engineer", "Manager"]})
        began = time.perf_counter()
        db.transact(partial(journal.record, workspace, [entry]))
        walls.append(time.perf_counter() - began)
    return statistics.median(walls), (time.process_time() - cpu) / APPENDS


if __name__ == "__main__":
    main()
