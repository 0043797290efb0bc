"""Measure whether cost stays flat with size, and add that to docs/performance.md.

    make bench                             this too, on both databases
    python bench/flat.py --database sqlite --million 0 --requests 0      without what takes longest

Installations of different sizes are filled straight through the tables (bench/seed.py) and measured in turns, over one
connection: CPU of gunicorn's processes, of PostgreSQL's own as well, and the median latency, of the same request.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import page
import psycopg
import servers

DATABASES = {"sqlite": servers.sqlite, "postgresql": servers.postgresql}
LARGE, MILLION = 100_000, 1_000_000
_ROUNDS = 5
#: Requests of one kind in a round; clock ticks of 10 ms are what processes count in.
_REQUESTS = 150
#: Users that are read, of all there are.
_KNOWN = 1000
_TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


@dataclass
class Installation:
    """A running service of one size, and one connection to it."""

    server: servers.Server
    size: int
    env: dict[str, str]
    #: The processes whose children count too, and so do those that ended.
    parents: list[int]
    users: list[dict[str, Any]] = field(default_factory=list)
    group: str = ""
    newcomers: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(self.server.url.split("/")[2])
        self._path = "/" + self.server.url.split("/", 3)[3]

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """The body of an answer that must be a success."""
        headers = {"Authorization": f"Bearer {self.server.token}", "Content-Type": "application/scim+json"}
        sent = None if body is None else json.dumps(body)
        self.connection.request(method, self._path + path, sent, headers)
        answer = self.connection.getresponse()
        found = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {found[:300]!r}")
        return found

    def read(self, path: str) -> Any:
        """An answer's JSON."""
        return json.loads(self.ask("GET", path))

    def cpu(self) -> float:
        """Microseconds that its processes have used so far."""
        return sum(map(_cpu, self.parents))

    def prepare(self) -> None:
        """Look up what requests name: users, the large group, users who are in no group."""
        self.users = self.read(f"/Users?count={_KNOWN}&attributes=userName,externalId,emails")["Resources"]
        found = self.read("/Groups?excludedAttributes=members&filter=" + quote('displayName eq "Large"'))["Resources"]
        self.group = found[0]["id"] if found else ""
        if self.group:
            names = [f"newcomer{number}@example.com" for number in range(_REQUESTS)]
            self.newcomers = [json.loads(self.ask("POST", "/Users", {"userName": name}))["id"] for name in names]


def _cpu(parent: int) -> float:
    children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout.split()
    ticks = 0
    for pid, fields in ((str(parent), (11, 12, 13, 14)), *((child, (11, 12)) for child in children)):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        ticks += sum(int(stat[at]) for at in fields)
    return ticks * _TICK_US


# --- the requests -------------------------------------------------------------------------------------------------


def _found(at: Installation, text: str, total: int = 1) -> None:
    found = at.read("/Users?filter=" + quote(text))["totalResults"]
    if found != total:
        raise SystemExit(f"{text}: {found} found, not {total}.")


def _user(at: Installation, number: int) -> dict[str, Any]:
    return at.users[number * 7 % len(at.users)]


def _patch(at: Installation, number: int) -> None:
    change = {"op": "replace", "path": "title", "value": f"Title {next(at.numbers)}"}
    at.ask("PATCH", f"/Users/{_user(at, number)['id']}", {"Operations": [change]})


def _create(at: Installation, number: int) -> None:
    name = f"created{next(at.numbers)}@example.com"
    emails = [{"value": name, "type": "work", "primary": True}]
    body = {"userName": name, "externalId": name, "displayName": name, "emails": emails, "name": {"givenName": "A"}}
    at.ask("POST", "/Users", body)


def _member_add(at: Installation, number: int) -> None:
    change = {"op": "add", "path": "members", "value": [{"value": at.newcomers[number]}]}
    at.ask("PATCH", f"/Groups/{at.group}", {"Operations": [change]})


def _member_remove(at: Installation, number: int) -> None:
    change = {"op": "remove", "path": f'members[value eq "{at.newcomers[number]}"]'}
    at.ask("PATCH", f"/Groups/{at.group}", {"Operations": [change]})


ASKED: dict[str, Callable[[Installation, int], object]] = {
    "get": lambda at, number: at.ask("GET", f"/Users/{_user(at, number)['id']}"),
    "lookup": lambda at, number: _found(at, f'userName eq "{_user(at, number)["userName"]}"'),
    "lookup-miss": lambda at, number: _found(at, f'userName eq "nobody{number}@example.com"', 0),
    "lookup-ext": lambda at, number: _found(at, f'externalId eq "{_user(at, number)["externalId"]}"'),
    "lookup-email": lambda at, number: _found(
        at, f'emails[type eq "work"].value eq "{_user(at, number)["emails"][0]["value"]}"'
    ),
    "patch": _patch,
    "create": _create,
    "group-lookup": lambda at, number: at.read(
        "/Groups?excludedAttributes=members&filter=" + quote('displayName eq "Large"')
    ),
    "member-add": _member_add,
    "member-remove": _member_remove,
}


def _costs(installations: dict[int, Installation]) -> dict[str, dict[int, tuple[float, float]]]:
    """Request to size to (CPU, latency) in microseconds, medians of rounds in which the sizes take turns."""
    found: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for _ in range(_ROUNDS):
        for name, ask in ASKED.items():
            sizes = {size for names, small, large, _ in page.GROWTH if name in names for size in (small, large)}
            for size in sorted(sizes & installations.keys()):
                cost = _cost(installations[size], ask)
                found.setdefault(name, {}).setdefault(size, []).append(cost)
    return {
        name: {size: (_middle(costs, 0), _middle(costs, 1)) for size, costs in sizes.items()}
        for name, sizes in found.items()
    }


def _middle(costs: list[tuple[float, float]], at: int) -> float:
    return round(statistics.median(cost[at] for cost in costs))


def _cost(at: Installation, ask: Callable[[Installation, int], object]) -> tuple[float, float]:
    before, took = at.cpu(), []
    for number in range(_REQUESTS):
        began = time.perf_counter()
        ask(at, number)
        took.append(time.perf_counter() - began)
    return (at.cpu() - before) / _REQUESTS, statistics.median(took) * 1e6


# --- what is large ------------------------------------------------------------------------------------------------


def _large(at: Installation) -> dict[str, float]:
    """What is measured of 100,000 users alone; milliseconds of CPU for pages, seconds for all else."""
    found: dict[str, float] = {}
    at.ask("GET", f"/Groups/{at.group}")
    began = time.perf_counter()
    at.ask("GET", f"/Groups/{at.group}")
    found["group of 100,000 read, s"] = time.perf_counter() - began
    for start in (1, LARGE // 2, LARGE - 100):
        ask = partial(at.ask, "GET", f"/Users?startIndex={start}&count=100")
        found[f"page of 100 at {start:,}, ms CPU"] = _cpu_ms(at, 40, ask)
    found |= _walk(at)
    ids = [each["id"] for number in range(10) for each in _ids(at, number)]
    group = json.loads(at.ask("POST", "/Groups", {"displayName": "Ten thousand"}))["id"]
    change = {"op": "add", "path": "members", "value": [{"value": id} for id in ids]}
    began = time.perf_counter()
    at.ask("PATCH", f"/Groups/{group}", {"Operations": [change]})
    found["10,000 members added by one PATCH, s"] = time.perf_counter() - began
    return {name: round(value, 2) for name, value in found.items()}


def _ids(at: Installation, number: int) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = at.read(f"/Users?attributes=id&count=1000&startIndex={1 + 1000 * number}")[
        "Resources"
    ]
    return listed


def _cpu_ms(at: Installation, times: int, ask: Callable[[], object]) -> float:
    before = at.cpu()
    for _ in range(times):
        ask()
    return (at.cpu() - before) / times / 1000


def _walk(at: Installation) -> dict[str, float]:
    """CPU of cursor pages of 100, by fifties: the first ones, and the dearest of those after them."""
    cursor = ""

    def turn() -> None:
        nonlocal cursor
        cursor = at.read(f"/Users?count=100&cursor={quote(cursor)}").get("nextCursor", "")

    costs = [_cpu_ms(at, 50, turn) for _ in range(LARGE // 100 // 50)]
    return {"cursor page of 100, first fifty, ms CPU": costs[0], "dearest fifty, ms CPU": max(costs[1:])}


# --- one process --------------------------------------------------------------------------------------------------


#: Commands whose start is measured: the first needs no database, the others print a page of it.
_COMMANDS = ("--help", "report", "app list", "user list", "token list bench")


def _startup(env: dict[str, str]) -> dict[str, float]:
    """Seconds until commands have ended and until the service's first answer, medians of five."""
    program = str(Path(sys.executable).with_name("scimlite"))
    whole = {**os.environ, **env}
    took: dict[str, list[float]] = {f"`scimlite {command}`, s": [] for command in _COMMANDS}
    answered = []
    for _ in range(5):
        for command, seconds in zip(_COMMANDS, took.values(), strict=True):
            began = time.perf_counter()
            arguments = [program, *command.split()]
            subprocess.run(arguments, env=whole, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - began)
        with servers.service(env) as server:
            answered.append(server.ready_after)
    took["first answer after `scimlite serve`, s"] = answered
    return {name: round(statistics.median(seconds), 2) for name, seconds in took.items()}


def _memory(at: Installation, requests: int) -> dict[str, float]:
    """Megabytes that the larger worker holds after warming up and at the end of many requests by 8 connections."""
    warm = min(20_000, requests // 2)
    _spend(at, warm)
    after_warm_up = _resident(at.server.pid)
    _spend(at, requests - warm)
    return {
        f"worker after {warm:,} requests, MB": after_warm_up,
        f"worker after {requests:,} requests, MB": _resident(at.server.pid),
    }


def _spend(at: Installation, requests: int) -> None:
    """Reads and writes as an identity provider mixes them: lookups, gets, pages, and one PATCH in twenty."""

    def work(share: int) -> None:
        mine = Installation(at.server, at.size, at.env, at.parents, at.users, numbers=itertools.count(share * 10**9))
        for number in range(requests // 8):
            name = "patch" if number % 20 == 0 else "get" if number % 2 else "lookup"
            ASKED[name](mine, number + share)

    threads = [threading.Thread(target=work, args=(share,)) for share in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _resident(parent: int) -> float:
    children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout.split()
    sizes = []
    for child in children:
        line = next(each for each in Path(f"/proc/{child}/status").read_text().splitlines() if "VmRSS" in each)
        sizes.append(int(line.split()[1]) / 1024)
    return round(max(sizes), 1)


# --- all of it ----------------------------------------------------------------------------------------------------


@contextmanager
def _installation(database: str, size: int) -> Iterator[Installation]:
    """A service with so many users and, but for a million, a group of all of them."""
    with DATABASES[database]() as env:
        with servers.service(env):
            pass
        members = ["--members", str(size)] if size <= LARGE else []
        command = [sys.executable, str(servers.HERE / "seed.py"), "--users", str(size), *members]
        subprocess.run(command, env={**os.environ, **env}, check=True, stderr=subprocess.DEVNULL)
        with servers.service(env) as server:
            parents = [server.pid]
            if database == "postgresql":
                parents.append(_postmaster(env["SCIMLITE_DATABASE_URL"]))
            yield Installation(server, size, env, parents)


def _postmaster(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        return int(Path(f"/proc/{row[0]}/stat").read_text().rsplit(")", 1)[1].split()[1])


def measure(database: str, million: int, requests: int) -> dict[str, Any]:
    """Everything on one database."""
    sizes = [size for size in (100, 1000, LARGE, million) if size]
    with ExitStack() as stack:
        with ThreadPoolExecutor(2) as pool:
            made = pool.map(lambda size: stack.enter_context(_installation(database, size)), sizes)
            installations = {min(each.size, MILLION): each for each in made}
        if million:
            installations[MILLION] = installations.pop(million)
        for each in installations.values():
            each.prepare()
        print(f"{database}: filled", file=sys.stderr)
        costs = _costs(installations)
        print(f"{database}: requests measured", file=sys.stderr)
        found: dict[str, Any] = {
            "costs": {name: {str(size): cost for size, cost in sizes.items()} for name, sizes in costs.items()},
            "large": _large(installations[LARGE]),
            "process": _startup(installations[1000].env),
        }
        if requests:
            found["process"] |= _memory(installations[1000], requests)
        return found


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", choices=list(DATABASES), help="only this one")
    parser.add_argument("--million", type=int, default=MILLION, help="users of the largest installation; 0 for none")
    parser.add_argument("--requests", type=int, default=1_000_000, help="before memory is looked at; 0 for none")
    arguments = parser.parse_args()
    found = page.figures("flat")
    for database in arguments.database or DATABASES:
        found[database] = measure(database, arguments.million, arguments.requests)
        page.write("flat", found)


if __name__ == "__main__":
    main()
