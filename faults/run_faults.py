"""Do to the service and its databases what happens to them, while clients write, and write docs/faults.md.

    make faults                             every fault, on both databases, in a few minutes
    make faults FAULTS="--kills 1000"       as many SIGKILLs on each database
    make faults FAULTS="--kills 1000 --minutes 9"   as many as there is time for, a third of it for SQLite
    make faults FAULTS="--database sqlite"  one database; the page stays as it is, or gets another table with --add
    make faults FAULTS="--only killed"      the faults with this text in their name; the same

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
import time
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
    began = time.monotonic()
    for kind in arguments.database or ("sqlite", "postgresql"):
        share = 1 / 3 if kind == "sqlite" and not arguments.database else 1
        with _scenes(kind, arguments.kills) as trials:
            for scene, faults in trials:
                chosen = [fault for fault in faults if any(text in fault.name for text in arguments.only or [""])]
                if chosen:
                    _run(scene, chosen, outcomes, skips, began + arguments.minutes * 60 * share)
    whole = not (arguments.database or arguments.only)
    if whole or arguments.add:
        more = f"{PAGE.read_text(encoding='utf-8')}\n{_more(outcomes)}" if not whole else _page(outcomes, skips)
        PAGE.write_text(more, encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT)} is written.", file=sys.stderr)
    sys.exit(any(outcome.findings for outcome in outcomes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", choices=("sqlite", "postgresql"), help="only this one")
    parser.add_argument("--kills", type=int, default=SHORT, help=f"SIGKILLs on each database (default: {SHORT})")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no fault after so many minutes")
    parser.add_argument("--only", action="append", metavar="TEXT", help="only faults with this text in their name")
    parser.add_argument("--add", action="store_true", help="add a table to the page when it is not everything")
    return parser.parse_args()


@contextmanager
def _scenes(kind: str, kills: int) -> Iterator[Sequence[tuple[Scene, Sequence[Fault]]]]:
    """The scenes of a database, and the faults of each; the kills come last, because they may take any time."""
    killed = tuple(_shared_out(kills))
    if kind == "sqlite":
        yield (
            (scenes.on_sqlite, (strikes.SLOW_CLIENTS, *strikes.SQLITE)),
            (_on_small_disk, (strikes.FULL_DISK,)),
            (scenes.on_sqlite, killed),
        )
        return
    server = PostgresServer.in_new_folder(durable=True)
    try:
        yield (
            (lambda folder: scenes.on_postgresql(folder, server), (strikes.SLOW_CLIENTS, *strikes.POSTGRESQL)),
            (lambda folder: scenes.behind_a_network(folder, server), strikes.NETWORK),
            (lambda folder: scenes.behind_pgbouncer(folder, server), strikes.PGBOUNCER),
            (scenes.on_patroni, strikes.PATRONI),
            (lambda folder: scenes.on_postgresql(folder, server), killed),
        )
    finally:
        server.stop()


def _shared_out(kills: int) -> Iterator[Fault]:
    """The kinds of kills in turns, in trials of at most BATCH, as many in all as asked for and shared as in the short
    form."""
    whole = sum(each.times for each in strikes.KILLS)
    left = {fault: round(kills * fault.times / whole) for fault in strikes.KILLS}
    while any(left.values()):
        for fault in strikes.KILLS:
            times = min(left[fault], max(1, BATCH * fault.times // whole))
            left[fault] -= times
            if times:
                yield Fault(fault.name, fault.strike, times, fault.allowed, fault.patience)


@contextmanager
def _on_small_disk(folder: Path) -> Iterator[scenes.Scene]:
    with small_disk(folder / "disk", DISK) as disk, scenes.on_sqlite(folder, disk) as scene:
        yield scene


def _run(make: Scene, faults: Sequence[Fault], outcomes: list[Outcome], skips: Skips, until: float) -> None:
    """Try faults on a new scene, until a moment of `time.monotonic`; what the machine cannot do is said loudly."""
    folder = Path(tempfile.mkdtemp(prefix="scimlite-faults-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    try:
        with make(folder) as scene:
            tried: set[str] = set()
            for fault in faults:
                if time.monotonic() > until:
                    if fault.name not in tried:
                        skips.append((fault.name, "there was no time left"))
                    tried.add(fault.name)
                    continue
                tried.add(fault.name)
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
        *_table(outcomes),
        "",
        "An answer in trouble is 503 with `Retry-After`; where processes are killed, their connections break and new",
        "ones are refused until there is a process again. Anything else would be named below, and `make faults` fail.",
    ]
    wrong = [f"- {each.database}, {each.fault}: {finding.text}" for each in outcomes for finding in each.findings]
    wrong += [f"- Not tried: {name} ({reason})." for name, reason in skips]
    if wrong:
        lines += ["", "## What went wrong, or was not tried", "", *wrong]
    return "\n".join(lines) + "\n"


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"| {' | '.join('---' for _ in COLUMNS)} |"
    yield from (_row(outcome) for outcome in _summed(outcomes))


def _more(outcomes: Sequence[Outcome]) -> str:
    """A section about faults that were tried more often, besides everything."""
    wrong = [f"- {each.database}, {each.fault}: {finding.text}" for each in outcomes for finding in each.findings]
    title = f"## More often, on {datetime.now(UTC):%Y-%m-%d}"
    return "\n".join([title, "", *_table(outcomes), *(["", *wrong] if wrong else [])]) + "\n"


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
