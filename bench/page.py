"""docs/performance.json, which keeps the figures, and docs/performance.md, the page that is made of it."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from textwrap import wrap
from typing import Any

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"
#: Scenario of scimload to the most it may cost on SQLite and on PostgreSQL, in hellos.
TARGETS: dict[str, tuple[float, float]] = {
    "get": (1.8, 3.0),
    "lookup": (2.0, 3.3),
    "lookup-miss": (2.0, 3.3),
    "lookup-ext": (2.0, 3.3),
    "lookup-email": (2.4, 3.6),
    "group-lookup": (2.2, 3.5),
    "member-get-excl": (2.2, 3.5),
    "list": (5, 6),
    "patch": (4.5, 7),
    "put": (5, 7.5),
    "create": (5, 7.5),
    "delete": (4, 6.5),
    "member-add": (4.5, 7),
    "member-remove": (4.5, 7),
}
#: Deliveries a second of one worker, at least.
DELIVERIES = 800
#: Requests, a smaller and a larger size, and how many times the cost at the smaller one they may cost at the larger.
GROWTH = (
    (("get", "group-lookup", "member-add", "member-remove"), 100, 100_000, 1.25),
    (("lookup", "lookup-miss", "lookup-ext", "lookup-email", "patch", "create"), 1000, 100_000, 1.3),
    (("lookup", "lookup-miss", "lookup-ext", "lookup-email"), 1000, 1_000_000, 1.5),
)
_PEERS = (
    "In one run, in turns: {users:,} users, as many again where members are added, 8 connections, medians of {repeats} "
    "measurements of {duration:g} s, without those that other processes disturbed where every server has others. A "
    "rate counts correct answers, and stands only where every answer was correct: the status, a field of the body, "
    "what is there afterwards. Each server checks a bearer token; those on SQLite wait for the disk as scimlite does."
)

#: Of what was profiled, told where it is still so.
_LIMITS = {
    ("lookup", "sqlite"): (
        "Looking a user up on SQLite is about at its figure: on one server 18 repeats gave 1.63 to 2.48 hellos, 2.0 in "
        "the middle, its own CPU from 880 to 1,460 us and hello's from 400 to 790. In process it takes 410 us where a "
        "get takes 350: the query string and the filter are read, and no part of that is large."
    ),
    ("create", "sqlite"): (
        "On SQLite, creating a user is about at its figure. Under load 61 % of its CPU is Python, 24 % the kernel (6 % "
        "fdatasync, 6 % reading and writing pages, 5 % threads that wait for each other), 9 % SQLite. No part of the "
        "Python is large: checking the body and listing its 25 values take 85 of 1,700 us in process. A create writes "
        "35 pages, 14 of them leaves of the index over the nine values that users are looked up by; with all values in "
        "it, it wrote 57 and took a sixth more. What was tried without gain: all values in one INSERT (a twelfth "
        "dearer), ids in the order of time, larger pages, larger checkpoints, mmap, fewer garbage collections, waiting "
        "for more writers to share a transaction. A twentieth each would go away without the names that a person is "
        "known by in the report, and without profiles that are made before they are read. What it would take: both, or "
        "the checking and listing of values in compiled code."
    ),
    ("member-remove", "sqlite"): (
        "PATCH on SQLite is about at its figure, in some repeats below and in some above it, for what hello costs "
        "differs by a fifth from one second to the next. Its profile is that of a create: 60 % Python, no part of it "
        "large, 24 % the kernel (6 % fdatasync, 5 % reading and writing pages, 4 % threads that wait for each other), "
        "9 % SQLite."
    ),
}


def figures(part: str) -> dict[str, Any]:
    """The figures of a part (`load`, `flat` or `console`, by database, `deliveries` or `peers`), if they are kept."""
    kept: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    return kept.get(part, {})  # type: ignore[no-any-return]  # JSON


def write(part: str, found: dict[str, Any]) -> None:
    """Keep the figures of a part, and make the page anew."""
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    kept = {**kept, part: found}
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n")
    own = [*_load(kept.get("load", {})), *_flat(kept.get("flat", {})), *_console(kept.get("console", {}))]
    lines = [*_head(), *own, *_deliveries(kept.get("deliveries", {})), *peers(kept.get("peers", {}))]
    PAGE.write_text("\n".join(lines) + "\n")


def _head() -> list[str]:
    packages = ("flask", "gunicorn", "peewee", "psycopg", "orjson")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return [
        "# Performance",
        "",
        "Written by `make bench` (bench/run.py and bench/flat.py), `make bench-console` (bench/console.py),",
        "`make bench-deliveries` (bench/deliveries.py) and `make bench-peers` (bench/peers.py).",
        "",
        f"{platform.machine()}, Python {platform.python_version()}, {versions}.",
    ]


def _load(found: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "## Under load",
        "",
        "CPU is the server's, per correct answer, as a multiple of hello's in the same run: hello is a constant JSON",
        "answer by Flask under the same gunicorn settings (2 workers of 4 threads). A database server's own CPU is not",
        "counted. 10,000 users, 8 connections, durable storage, default settings without the brake, medians of 5",
        "measurements of 3 s.",
        "",
        "| scenario | database | CPU in hellos | at most | CPU us | requests/s | p50 ms | p99 ms | errors |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in [*TARGETS, "entra-cycle"]:
        for at, database in enumerate(("sqlite", "postgresql")):
            one = found.get(database, {}).get(name)
            if one:
                most = TARGETS[name][at] if name in TARGETS else ""
                shown = [one.get(key, "") for key in ("server_cpu_us", "rps", "p50", "p99", "errors")]
                lines.append(_row(name, database, one.get("cpu_ratio", ""), most, *shown))
    return [*lines, *_above(found)]


def _above(found: dict[str, Any]) -> list[str]:
    """What costs more than it should, and what the profile says of that."""
    above = {
        (name, database): f"{name} on {database} ({one['cpu_ratio']}, at most {TARGETS[name][at]})"
        for name in TARGETS
        for at, database in enumerate(("sqlite", "postgresql"))
        if (one := found.get(database, {}).get(name)) and one["cpu_ratio"] > TARGETS[name][at]
    }
    if not above:
        return []
    told = [f"Above its figure: {', '.join(above.values())}. Repeats of one measurement differ by a fifth here."]
    told += [limit for key, limit in _LIMITS.items() if key in above]
    return ["", *wrap(" ".join(told), 120)]


def _flat(found: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "## With size",
        "",
        "One connection; CPU of gunicorn's processes and of PostgreSQL's own, and the median latency, in microseconds.",
        "Sizes are users of the app, and members of the group that is read and changed; they take turns in one run.",
        "",
        "| request | database | sizes | CPU | times | latency | times | at most |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for names, small, large, most in GROWTH:
        for name in names:
            for database, one in found.items():
                sizes = {int(size): cost for size, cost in one["costs"].get(name, {}).items()}
                if small in sizes and large in sizes:
                    cells: list[Any] = []
                    for before, after in zip(sizes[small], sizes[large], strict=True):
                        cells += [f"{before:,.0f} / {after:,.0f}", round(after / before, 2)]
                    lines.append(_row(name, database, f"{small:,} / {large:,}", *cells, most))
    lines += ["", "| 100,000 users, and a process | " + " | ".join(found) + " |", "| --- |" + " --- |" * len(found)]
    for part in ("large", "process"):
        for name in dict.fromkeys(name for one in found.values() for name in one[part]):
            lines.append(_row(name, *(one[part].get(name, "") for one in found.values())))
    return lines


def _console(found: dict[str, Any]) -> list[str]:
    """The pages of the console on a large database, and SCIM requests beside them."""
    if not found:
        return []
    sizes = "; ".join(f"{name}: {one['rows']:,} entries, {one['users']:,} users" for name, one in found.items())
    about = (
        f"Each page warm, by an owner, from the WSGI call to the last byte; medians ({sizes}). CPU has that of "
        "PostgreSQL's backend. A page may take 50 ms and weigh 150 kB before compression. Where other programs work on "
        "the machine, wall time is shared with them, and CPU tells more."
    )
    heads = [f"{name}, ms wall / CPU" for name in found]
    lines = [
        "",
        "## The console",
        "",
        *wrap(about, 120),
        "",
        _row("page", *heads, "kB"),
        _row(*["---"] * (len(heads) + 2)),
    ]
    for page in dict.fromkeys(page for one in found.values() for page in one["pages"]):
        every = [one["pages"].get(page) for one in found.values()]
        times = [f"{each[0]:.0f} / {each[1]:.0f}" if each else "" for each in every]
        lines.append(_row(f"`{page}`", *times, max(round(each[2]) for each in every if each)))
    beside = "; ".join(
        f"{name}: {one['scim'][0]:,.0f} requests/s alone, {one['scim'][1]:,.0f} beside ({-one['scim'][2]:+.1%})"
        for name, one in found.items()
        if one["scim"]
    )
    told = f"SCIM requests while somebody opens a page every second, in turns with nobody: {beside}."
    return [*lines, "", *wrap(told, 120)]


def _deliveries(found: dict[str, Any]) -> list[str]:
    """The section on webhooks: deliveries a second by number of lanes and database."""
    if not found:
        return []
    text = (
        f"One worker, {found['events']:,} events about {found['people']} people that wait, a receiver on the same "
        "machine that answers 204 at once. A rate counts from the start of the worker to the last receipt; CPU is the "
        "worker's, for a delivery. Each event is signed, and its receipt durable. With the 8 lanes that a webhook has "
        f"without another choice at least {DELIVERIES} a second are wanted. With a receiver that takes longer, lanes "
        "are what counts: 8 of them and 100 ms are 80 a second."
    )
    rows = [
        _row(lanes, database, f"{rate:,}", f"{cpu:,}")
        for database, of in found["found"].items()
        for lanes, (rate, cpu) in of.items()
    ]
    head = [_row("lanes", "database", "deliveries/s", "CPU us"), _row("---", "---", "---", "---")]
    return ["", "## Webhooks", "", *wrap(text, 120), "", *head, *rows]


def peers(found: dict[str, Any]) -> list[str]:
    """scimlite beside its peers: how each was run, and a row for each scenario."""
    if not found:
        return []
    every = found["servers"]
    lines = ["", "## Beside its peers", "", *wrap(_PEERS.format(**found), 120), ""]
    for name, one in every.items():
        lines += wrap(f"- {name}: {', '.join(one['versions'])}. {one['about']}", 120, subsequent_indent="  ")
    for title, key in (("requests/s", "rps"), ("CPU us an answer", "cpu_us")):
        lines += ["", f"| {title} | " + " | ".join(every) + " |", "| --- |" + " --- |" * len(every)]
        for name, about in found["scenarios"].items():
            marked = about + " *" * (name in found["disturbed"])
            lines.append(_row(marked, *(_cell(one["found"].get(name, {}), key) for one in every.values())))
    if found["disturbed"]:
        lines += ["", "\\* Other processes took half a core or more meanwhile."]
    return lines


def _cell(one: dict[str, Any], key: str) -> str:
    if one.get("rps") is None:
        return one.get("why", "-") if key == "rps" else "-"
    return f"{one[key]:,.0f}"


def _row(*cells: Any) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
