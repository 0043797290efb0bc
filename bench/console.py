"""Measure the pages of the console on a large database: server time and size of each.

    python bench/console.py                                   100,000 users, 10 million entries, both databases
    python bench/console.py --rows 1000000 --database sqlite --folder /var/tmp/large
    python bench/console.py --page '/console/report?app=main' --page '/console/users?q=ann'

The database is filled as for bench/report.py, and stays with --folder. Each page is opened five times, warm, in this
process and by an owner; the table has the medians of wall and CPU time, from the WSGI call to the last byte (with that
of PostgreSQL's backend, when it is on this machine), and the size of the page before compression. A page over a limit
is marked as slow or large; where other programs work at the same time, CPU time tells more than wall time. Then a
service runs, and SCIM requests are counted while somebody opens a page every second, and while nobody does
(bench/beside.py). Unless pages are named, the figures go into docs/performance.md.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import beside
import page
import report

from scimlite.admin.people import find
from scimlite.apps import get
from scimlite.config import Settings
from scimlite.db import Database
from scimlite.db.tables import JournalRow, RefusalRow
from scimlite.journal import Actor, Origin, Scope
from scimlite.operators import accounts, links
from scimlite.operators.roles import Role
from scimlite.scim import core
from scimlite.web.app import create_app

#: What a page may take and weigh.
MOST_SECONDS, MOST_BYTES = 0.05, 150_000
BASE_URL = "http://127.0.0.1:8000"
#: Paths with the names of `_names` in braces; a page that does not exist is told as such.
PAGES = (
    "/console/",
    "/console/apps/new",
    "/console/apps/main",
    "/console/apps/main/figures",
    "/console/apps/main/connect",
    "/console/apps/main/mapping",
    "/console/apps/main/features",
    "/console/apps/main/schemas",
    "/console/apps/main/tokens",
    "/console/apps/main/settings",
    "/console/users",
    "/console/users?q=user432",
    "/console/users?app=main&q=Number%2099",
    "/console/apps/main/users/{user}",
    "/console/groups",
    "/console/apps/main/groups/{group}",
    "/console/report",
    "/console/report?before={middle}",
    "/console/report?user=user4321@example.com",
    "/console/report?user=user0@example.com&time=30d",
    "/console/report?user=user0@example.com&outcome=failed",
    "/console/report?app=main&time=7d",
    "/console/report?app=third&outcome=refused&action=created",
    "/console/report?action=restored",
    "/console/report?client=nobody",
    "/console/report?user=nobody@example.com",
    "/console/report/rows?app=main",
    "/console/report/chart",
    "/console/report/chart?app=main&time=30d",
    "/console/report/chart?user=user0@example.com",
    "/console/requests/{request}",
    "/console/requests?id=nothing-has-this-id",
    "/console/operators",
    "/console/installation",
    "/console/installation/check",
)


def main() -> None:
    """Fill what is not filled yet, measure, and print the table."""
    arguments = _arguments()
    found = page.figures("console")
    for name in arguments.database or ("sqlite", "postgresql"):
        with report.opened(name, arguments.folder) as env:
            report.fill(env, arguments)
            print(f"\n{name}, {arguments.rows:,} entries, {arguments.users:,} users\n")
            print("| page | wall ms | CPU ms | kB | |\n| --- | --- | --- | --- | --- |")
            found[name] = _measure(env, arguments)
    if not arguments.page:
        page.write("console", found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--rows", type=int, default=10_000_000, help="entries of the journal")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=8, help="measurements of SCIM requests beside the console")
    parser.add_argument("--folder", type=Path, help="where the installation is made, and stays")
    parser.add_argument("--page", action="append", help="only this page; may be repeated")
    return parser.parse_args()


def _measure(env: dict[str, str], arguments: argparse.Namespace) -> dict[str, Any]:
    app = create_app(Settings.from_environment(env))
    db: Database = app.extensions["scimlite"].db
    browser = app.test_client()
    _sign_in(db, browser)
    names = _names(db)
    backend = _backend(db)
    paths = {each: each.format(**names) if "{" in each else each for each in arguments.page or PAGES}
    pages = {
        each: _page(partial(browser.get, path, base_url=BASE_URL), each, arguments.repeats, backend)
        for each, path in paths.items()
    }
    db.close()
    scim: tuple[float, ...] = ()
    cookie = browser.get_cookie("scimlite", domain="127.0.0.1")
    if arguments.pairs and cookie is not None:
        scim = beside.measure(env, cookie.value, list(paths.values()), arguments.pairs)
        print("\nSCIM requests/s: {:,.0f} alone, {:,.0f} with a page every second, {:.1%} fewer".format(*scim))
    return {"rows": arguments.rows, "users": arguments.users, "pages": pages, "scim": scim}


def _backend(db: Database) -> Path | None:
    """The file with the CPU time of the process of PostgreSQL that answers this one, when it is on this machine."""
    if db.kind != "postgresql":
        return None
    file = Path(f"/proc/{db.peewee.execute_sql('SELECT pg_backend_pid()').fetchone()[0]}/schedstat")
    return file if file.exists() else None


def _page(get_page: Callable[[], Any], name: str, repeats: int, backend: Path | None) -> tuple[float, float, float]:
    """Milliseconds of wall and of CPU time, and kB, of one page, which are printed too."""
    figures = [_opened(get_page, backend) for _ in range(repeats + 1)][1:]
    wall, cpu = (statistics.median(each[part] for each in figures) for part in (0, 1))
    answer = figures[-1][2]
    marks = [f"status {answer.status_code}"] if answer.status_code != 200 else []
    marks += ["slow"] if wall > MOST_SECONDS else []
    marks += ["large"] if len(answer.data) > MOST_BYTES else []
    size = len(answer.data) / 1000
    print(f"| {name} | {wall * 1000:.0f} | {cpu * 1000:.0f} | {size:.0f} | {', '.join(marks)} |", flush=True)
    return wall * 1000, cpu * 1000, size


def _opened(get_page: Callable[[], Any], backend: Path | None) -> tuple[float, float, Any]:
    """Wall and CPU seconds of one page, and the answer."""
    began, cpu = time.perf_counter(), _cpu(backend)
    answer = get_page()
    return time.perf_counter() - began, _cpu(backend) - cpu, answer


def _cpu(backend: Path | None) -> float:
    """CPU seconds of this process, and of its backend."""
    return time.process_time() + (int(backend.read_text().split()[0]) / 1e9 if backend is not None else 0.0)


def _sign_in(db: Database, browser: Any) -> None:
    scope = Scope(db, Origin("bench", actor=Actor.CLI))
    known = [operator for operator in accounts.every(db) if operator.name == "bench"]
    operator = known[0] if known else accounts.add(scope, "bench", Role.OWNER)
    path = f"/console/link/{links.make(scope, operator)}"
    page = browser.get(path, base_url=BASE_URL)
    token = re.search(r'<meta name="csrf" content="([^"]*)"', page.text)
    assert token is not None, page.text
    browser.post(path, data={"csrf_token": token[1]}, base_url=BASE_URL)


def _names(db: Database) -> dict[str, Any]:
    """What the paths of PAGES name: somebody, a group, a request that was refused, and a place amid the report."""
    apps = [get(db, "main")]
    newest = JournalRow.select(JournalRow.id).order_by(JournalRow.id.desc()).limit(1)
    middle = JournalRow.select(JournalRow.at, JournalRow.id).where(JournalRow.id >= int(db.scalar(newest)) // 2)
    request = db.scalar(RefusalRow.select(RefusalRow.request_id).limit(1)) or db.scalar(
        JournalRow.select(JournalRow.request_id)
        .where(JournalRow.outcome == "refused", JournalRow.request_id.is_null(False))
        .order_by(JournalRow.at.desc())
        .limit(1)
    )
    user = find(db, core.USER, apps, "user0@example.com")[0]
    group = JournalRow.select(JournalRow.group_uuid).where(
        JournalRow.group_uuid.is_null(False), JournalRow.app_id == apps[0].id
    )
    at, id = db.rows(middle.order_by(JournalRow.id).limit(1))[0]
    return {
        "user": user.id,
        "group": db.scalar(group.order_by(JournalRow.at.desc()).limit(1)),
        "request": request,
        "middle": f"{at}.{id}",
    }


if __name__ == "__main__":
    main()
