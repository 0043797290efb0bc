"""Measure scimlite against Flask itself, and write docs/performance.md.

    make bench                             everything on both databases
    make bench BENCH="--database sqlite --users 1000 --only get,lookup"

Each scenario's CPU is server CPU per correct answer, as a multiple of that of "hello" (a constant JSON answer by
Flask under the same gunicorn settings) just before and after it. Figures that are more than 15 % worse than the
committed ones are marked and make the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import page
import servers

DATABASES = {"sqlite": servers.sqlite, "postgresql": servers.postgresql}
#: What scimload has to be told so that a scenario is run.
_RUN_AS = {"delete": "create", "member-get-excl": "member-get", "member-remove": "member-add"}
_WORSE = 1.15
_CONNECTIONS = 8
_KEPT = (
    "rps",
    "p50",
    "p99",
    "server_cpu_us",
    "ref_cpu_us",
    "cpu_ratio",
    "ref_rps",
    "ratio",
    "errors",
    "secs",
    "rss_mb",
)


def main() -> None:
    """Measure what is asked for, write the page, and fail when something became slower."""
    arguments = _arguments()
    known = page.figures("load")
    measured: dict[str, Any] = {}
    with servers.hello() as reference:
        for name in arguments.database or DATABASES:
            print(f"{name}:", file=sys.stderr)
            with DATABASES[name]() as env, servers.service(env) as service:
                measured[name] = _measure(service, reference, arguments)
    slower = _compare(known, measured)
    if not arguments.only:
        page.write("load", {**known, **measured})
    for line in slower:
        print(line, file=sys.stderr)
    sys.exit(1 if slower else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", choices=list(DATABASES), help="only this one")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--duration", type=float, default=3.0, help="seconds of one measurement")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="scenarios; writes no page")
    return parser.parse_args()


def _measure(service: servers.Server, reference: servers.Server, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run scimload; scenario to its medians. The cycle is long enough to be run once, behind the others."""
    wanted = arguments.only or [*page.TARGETS, "entra-cycle"]
    found = {}
    for names, repeats in (
        ([each for each in wanted if each != "entra-cycle"], arguments.repeats),
        ([each for each in wanted if each == "entra-cycle"], 1),
    ):
        if names:
            found.update(_load(service, reference, arguments, names, repeats))
    return found


def _load(
    service: servers.Server, reference: servers.Server, arguments: argparse.Namespace, names: list[str], repeats: int
) -> dict[str, Any]:
    wanted = list(dict.fromkeys(_RUN_AS.get(name, name) for name in names))
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        options = {
            "--token": service.token,
            "--users": arguments.users,
            "--scenarios": ",".join(wanted),
            "--conc": _CONNECTIONS,
            "--duration": arguments.duration,
            "--repeats": repeats,
            "--members": min(1000, arguments.users // 2),
            "--seed-secs": 900,
            "--cycle-users": arguments.users,
            "--cycle-groups": 100,
            "--cycle-adds": 2 * arguments.users,
            "--cap": 300,
            "--server-pid": service.pid,
            "--ref": reference.url,
            "--ref-pid": reference.pid,
            # What hello costs differs more from one second to the next than what is measured.
            "--ref-secs": 2,
            "--out": out.name,
        }
        words = [str(word) for pair in options.items() for word in pair]
        subprocess.run([sys.executable, str(servers.HERE / "scimload.py"), service.url, *words], check=True)
        summary = json.loads(Path(out.name).read_text())["summary"]
    return {
        each["scenario"]: {key: each[key] for key in _KEPT if key in each}
        for each in summary
        if each["scenario"] in {*names, *wanted} and each["conc"] == _CONNECTIONS
    }


def _compare(known: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """What became more than 15 % dearer than the committed figures, in words."""
    worse = []
    for database, scenarios in measured.items():
        for name, now in scenarios.items():
            before = known.get(database, {}).get(name, {}).get("cpu_ratio")
            if before and now.get("cpu_ratio", 0) > before * _WORSE:
                worse.append(f"SLOWER {database} {name}: {before} hellos before, {now['cpu_ratio']} now")
    return worse


if __name__ == "__main__":
    main()
