"""Measure the feed of events on journals of several lengths: pages of 100 events, at its beginning, middle and end.

    python bench/feed.py                                      a thousand and ten million entries, both databases
    python bench/feed.py --rows 1000000 --database sqlite

The database is filled as for bench/report.py. Each page is read in this process, as the endpoint reads it; the table
has the medians of wall and CPU time (a PostgreSQL server's own CPU is not counted).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import report

from scimlite import installation
from scimlite.apps import get
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db import Database, feed_order
from scimlite.db.feed_order import BEGINNING, Place
from scimlite.db.tables import JournalRow
from scimlite.events import feed
from scimlite.events.document import to_json
from scimlite.journal import Origin

#: Events of a page, and the apps: most entries are of the first, a tenth of the second.
LIMIT, APPS = 100, ("main", "third")


def main() -> None:
    """Fill, measure, and print a table for each length."""
    arguments = _arguments()
    for rows in arguments.rows or (1_000, 10_000_000):
        for name in arguments.database or ("sqlite", "postgresql"):
            with report.opened(name, None) as env:
                report.fill(env, argparse.Namespace(rows=rows, users=arguments.users))
                print(f"\n{name}, {rows:,} entries, {arguments.users:,} users\n")
                print("| page of the feed | wall ms | CPU ms | events |\n| --- | --- | --- | --- |")
                _measure(installation.database(Settings.from_environment(env)), arguments.repeats)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--rows", type=int, action="append", help="entries of the journal; may be repeated")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=21)
    return parser.parse_args()


def _measure(db: Database, repeats: int) -> None:
    for slug in APPS:
        workspace = Workspace(db, Origin("bench"), get(db, slug))
        end = feed_order.end(db)
        places = {"beginning": BEGINNING, "middle": _middle(db), "end": end}
        for where, place in places.items():
            figures = [_timed(partial(_page, workspace, place)) for _ in range(repeats)]
            wall, cpu = (statistics.median(each[part] for each in figures) * 1000 for part in (0, 1))
            print(f"| {slug}, {where} | {wall:.2f} | {cpu:.2f} | {figures[0][2]} |", flush=True)
    db.close()


def _middle(db: Database) -> Place:
    """The place of an entry amid the journal."""
    newest = int(db.scalar(JournalRow.select(JournalRow.id).order_by(JournalRow.id.desc()).limit(1)))
    query = JournalRow.select(JournalRow.tx, JournalRow.id).where(JournalRow.id >= newest // 2)
    return Place(*db.rows(query.order_by(JournalRow.id).limit(1))[0])


def _page(workspace: Workspace, place: Place) -> int:
    """Reads a page and makes its documents; returns how many."""
    return len([to_json(event) for event in feed.read(workspace, place, LIMIT).events])


def _timed(work: Callable[[], int]) -> tuple[float, float, int]:
    began, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - began, time.process_time() - cpu, found


if __name__ == "__main__":
    main()
