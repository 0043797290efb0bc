"""Measure this checkout beside another one of scimlite, in one run and in turns.

    git worktree add ../before <commit> && make -C ../before .venv/.installed-test
    .venv/bin/python bench/compare.py ../before --scenarios create,patch --connections 1,8

Each checkout serves a database of its own with its own environment, both at once; a measurement of one is followed by
the same measurement of the other, and the order changes each time. What is printed for each scenario and number of
connections: the medians of both, and the median of the ratios this/other of neighbouring measurements, with the
ratios' quartiles. On a shared machine only the ratios mean something. `create` leaves its users behind.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import servers

_DATABASES = {"sqlite": servers.sqlite, "postgresql": servers.postgresql}
#: Figures of a measurement: scimload's name, and the unit in which it is printed.
_FIGURES = {"rps": "1/s", "server_cpu_us": "us CPU", "p50": "p50 ms", "p99": "p99 ms"}


@dataclass
class Checkout:
    """A checkout with its running server, and its measurements by scenario and connections."""

    name: str
    server: servers.Server
    users: Path
    measured: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)


def main() -> None:
    """Serve both checkouts, measure them in turns, and print the comparison."""
    arguments = _arguments()
    both: list[Checkout] = []
    with TemporaryDirectory() as folder, ExitStack() as stack:
        for name, root in (("this", servers.HERE.parent), ("other", arguments.other)):
            program = str(root / ".venv" / "bin" / "scimlite")
            env = stack.enter_context(_DATABASES[arguments.database](program))
            server = stack.enter_context(servers.service(env, program))
            both.append(Checkout(name, server, Path(folder) / f"{name}.json"))
        for checkout in both:
            _load(checkout, arguments, "get", 1)
            checkout.measured.clear()
        for repeat in range(arguments.repeats):
            for scenario in arguments.scenarios:
                for connections in arguments.connections:
                    for checkout in both if repeat % 2 else reversed(both):
                        _load(checkout, arguments, scenario, connections)
    _print(*both)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=lambda text: Path(text).absolute(), help="folder of the other checkout")
    parser.add_argument("--database", choices=list(_DATABASES), default="sqlite")
    parser.add_argument("--scenarios", type=lambda text: text.split(","), default=["create", "patch"])
    parser.add_argument("--connections", type=lambda text: [int(number) for number in text.split(",")], default=[1, 8])
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=10, help="pairs of measurements, at least 2")
    parser.add_argument("--duration", type=float, default=2.0, help="seconds of one measurement")
    arguments = parser.parse_args()
    if arguments.repeats < 2:
        parser.error("--repeats: at least 2")
    return arguments


def _load(checkout: Checkout, arguments: argparse.Namespace, scenario: str, connections: int) -> None:
    """Run scimload once against a checkout and keep what it measured."""
    out = checkout.users.with_suffix(".out")
    options = {
        "--token": checkout.server.token,
        "--users": arguments.users,
        "--scenarios": scenario,
        "--conc": connections,
        "--duration": arguments.duration,
        "--server-pid": checkout.server.pid,
        "--state": checkout.users,
        "--out": out,
    }
    words = [str(word) for pair in options.items() for word in pair]
    program = [sys.executable, str(servers.HERE / "scimload.py"), checkout.server.url, "--no-delete", *words]
    subprocess.run(program, check=True)
    for result in json.loads(out.read_text())["results"]:
        if result["scenario"] == scenario:
            checkout.measured.setdefault((scenario, connections), []).append(result)


def _print(this: Checkout, other: Checkout) -> None:
    print("| scenario | connections | figure | this | other | ratio | quartiles |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (scenario, connections), measured in this.measured.items():
        pairs = list(zip(measured, other.measured[scenario, connections], strict=True))
        for name, unit in _FIGURES.items():
            ours, theirs = ([pair[side][name] for pair in pairs] for side in (0, 1))
            ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
            medians = f"{statistics.median(ours):,.1f} | {statistics.median(theirs):,.1f}"
            print(f"| {scenario} | {connections} | {unit} | {medians} | {middle:.3f} | {low:.3f} to {high:.3f} |")
        errors = [sum(result["errors"] for result in side) for side in zip(*pairs, strict=True)]
        if any(errors):
            print(f"{scenario}, {connections}: errors {errors[0]} / {errors[1]}", file=sys.stderr)


if __name__ == "__main__":
    main()
