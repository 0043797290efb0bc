"""Do to the service and its databases what happens to them, while clients write, and write docs/faults.md.

    make faults                             every fault, on both databases, in a few minutes
    make faults FAULTS="--kills 1000"       as many SIGKILLs on each database
    make faults FAULTS="--database sqlite"  one database; the page stays as it is

Each write is entered in a ledger before its client sends the next one. After each fault everything acknowledged must
be there, once and whole, and `scimlite db check` must find nothing. Exit code 1 when something was found.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# The tests' own way to databases and running services.
sys.path.insert(0, str(ROOT / "tests" / "support"))

import scene as scenes  # noqa: E402  # beside this file
import strikes  # noqa: E402
from strikes import Fault  # noqa: E402
from trial import Outcome, suffer  # noqa: E402

from postgres_server import PostgresServer  # noqa: E402  # found by the line above
from sqlite_files import small_disk  # noqa: E402

PAGE = ROOT / "docs" / "faults.md"
#: SIGKILLs on each database in the short form, and those of one trial: an app is read back after each.
SHORT, BATCH = 20, 25
COLUMNS = (
    *("fault", "database", "times", "writes acknowledged"),
    *("lost", "half-done or twice", "answers in trouble", "longest wait"),
)
#: MB of the disk that becomes full.
DISK = 40

Scene = Callable[[Path], AbstractContextManager[scenes.Scene]]
#: What could not be tried: a database and fault, and why.
Skips = list[tuple[str, str]]


def main() -> None:
    """Run what is asked for, print a line for each fault, and write the page when it was everything."""
    arguments = _arguments()
    outcomes: list[Outcome] = []
    skips: Skips = []
    for kind in arguments.database or ("sqlite", "postgresql"):
        with _scenes(kind, arguments.kills) as trials:
            for scene, faults in trials:
                _run(scene, faults, outcomes, skips)
    if not arguments.database:
        PAGE.write_text(_page(outcomes, skips), encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT)} is written.", file=sys.stderr)
    sys.exit(any(outcome.findings for outcome in outcomes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", choices=("sqlite", "postgresql"), help="only this one")
    parser.add_argument("--kills", type=int, default=SHORT, help=f"SIGKILLs on each database (default: {SHORT})")
    return parser.parse_args()


@contextmanager
def _scenes(kind: str, kills: int) -> Iterator[Sequence[tuple[Scene, Sequence[Fault]]]]:
    """The scenes of a database, and the faults of each."""
    common = (*_shared_out(kills), strikes.SLOW_CLIENTS)
    if kind == "sqlite":
        yield (scenes.on_sqlite, (*common, *strikes.SQLITE)), (_on_small_disk, (strikes.FULL_DISK,))
        return
    server = PostgresServer.in_new_folder(durable=True)
    try:
        yield (
            (lambda folder: scenes.on_postgresql(folder, server), (*common, *strikes.POSTGRESQL)),
            (lambda folder: scenes.behind_a_network(folder, server), strikes.NETWORK),
            (lambda folder: scenes.behind_pgbouncer(folder, server), strikes.PGBOUNCER),
            (scenes.on_patroni, strikes.PATRONI),
        )
    finally:
        server.stop()


def _shared_out(kills: int) -> Iterator[Fault]:
    """The kinds of kills, in trials of at most BATCH, as many in all as asked for and shared as in the short form."""
    for fault in strikes.KILLS:
        left = round(kills * fault.times / sum(each.times for each in strikes.KILLS))
        while left > 0:
            yield Fault(fault.name, fault.strike, min(left, BATCH), fault.allowed, fault.patience)
            left -= BATCH


@contextmanager
def _on_small_disk(folder: Path) -> Iterator[scenes.Scene]:
    with small_disk(folder / "disk", DISK) as disk, scenes.on_sqlite(folder, disk) as scene:
        yield scene


def _run(make: Scene, faults: Sequence[Fault], outcomes: list[Outcome], skips: Skips) -> None:
    """Try faults on a new scene; what the machine cannot do is said loudly."""
    folder = Path(tempfile.mkdtemp(prefix="scimlite-faults-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    try:
        with make(folder) as scene:
            for fault in faults:
                outcome = suffer(fault, scene)
                outcomes.append(outcome)
                print(_line(outcome), file=sys.stderr, flush=True)
                for finding in outcome.findings[:20]:
                    print(f"    {finding.kind}: {finding.text}", file=sys.stderr, flush=True)
    except pytest.skip.Exception as reason:
        for fault in faults:
            skips.append((fault.name, str(reason)))
            print(f"NOT TRIED: {fault.name}: {reason}", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _line(outcome: Outcome) -> str:
    found = f"{len(outcome.findings)} FINDINGS" if outcome.findings else "nothing lost"
    return f"{outcome.database}: {outcome.fault}, {outcome.times} times: {outcome.acknowledged:,} writes, {found}"


def _page(outcomes: Sequence[Outcome], skips: Skips) -> str:
    lines = [
        "# What was done to it",
        "",
        f"Written by `make faults` on {datetime.now(UTC):%Y-%m-%d}: scimlite {version('scimlite')} with two workers,",
        f"on Python {platform.python_version()}, while clients write. Each enters a write and its answer in a ledger",
        "before it sends the next.",
        "After each fault everything acknowledged must be there (a user, its values, its memberships), nothing half",
        "done, nothing that was refused, no userName twice, and `scimlite db check` must find nothing. A deadline is",
        f"{scenes.REQUEST_TIMEOUT:.0f} s here. What clients see and what helps is in "
        "[When it breaks](when-it-breaks.md).",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"| {' | '.join('---' for _ in COLUMNS)} |",
    ]
    lines += [_row(outcome) for outcome in _summed(outcomes)]
    lines += [
        "",
        "An answer in trouble is 503 with `Retry-After`; where processes are killed, their connections break and new",
        "ones are refused until there is a process again. Anything else would be named below, and `make faults` fail.",
    ]
    wrong = [f"- {each.database}, {each.fault}: {finding.text}" for each in outcomes for finding in each.findings]
    wrong += [f"- Not tried: {name} ({reason})." for name, reason in skips]
    if wrong:
        lines += ["", "## What went wrong, or was not tried", "", *wrong]
    return "\n".join(lines) + "\n"


def _summed(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """One outcome for each fault and database, of all its trials."""
    kinds = dict.fromkeys((outcome.fault, outcome.database) for outcome in outcomes)
    for fault, database in kinds:
        trials = [outcome for outcome in outcomes if (outcome.fault, outcome.database) == (fault, database)]
        yield sum(trials[1:], trials[0])


def _row(outcome: Outcome) -> str:
    trouble = ", ".join(f"{label} ({number:,})" for label, number in outcome.trouble.most_common()) or "none"
    lost, wrong = outcome.count("lost"), outcome.count("half-done", "twin")
    return (
        f"| {outcome.fault} | {outcome.database} | {outcome.times:,} | {outcome.acknowledged:,} | {lost} | {wrong} "
        f"| {trouble} | {outcome.longest:.1f} s |"
    )


if __name__ == "__main__":
    main()
