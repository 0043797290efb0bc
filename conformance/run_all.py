"""Run other people's SCIM clients and test suites against a real service, and write docs/conformance.md.

    make conformance                                  everything, on both databases
    make conformance CONFORMANCE="--only scim2-tester --database sqlite"
    make conformance CONFORMANCE="--postman PATH"     everything, and Microsoft's Postman collection (which needs npm)

Each suite gets a virtual environment of its own below .venv-conformance, because their requirements exclude each
other, and an app of its own. Exit code 1 when something failed that nobody has explained.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
# The tests' own way to databases and running services.
sys.path.insert(0, str(ROOT / "tests" / "support"))

from suites import SUITES, Outcome, Suite, postman  # noqa: E402  # beside this file

from installation import Installation  # noqa: E402  # found by the line above
from postgres_server import PostgresServer, empty_database  # noqa: E402
from scimlite.admin import schemas  # noqa: E402
from scimlite.apps import app_profile  # noqa: E402

PAGE = ROOT / "docs" / "conformance.md"


def main() -> None:
    """Run what is asked for, print a line for each, and write the page when it was everything."""
    arguments = _arguments()
    suites = (*SUITES, *(postman(arguments.postman.resolve()) if arguments.postman else ()))
    outcomes: list[Outcome] = []
    for kind in arguments.database or ("sqlite", "postgresql"):
        with _installation(kind) as installation:
            installation.start()
            for suite in suites:
                if not arguments.only or suite.name in arguments.only:
                    outcomes.append(_run(suite, kind, installation))
    if not arguments.only and not arguments.database:
        PAGE.write_text(_page(suites, outcomes), encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT)} is written.", file=sys.stderr)
    sys.exit(any(outcome.passed < outcome.total and not outcome.explained for outcome in outcomes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", choices=("sqlite", "postgresql"), help="only this one")
    names = [*(suite.name for suite in SUITES), "postman", "postman-ms-reference"]
    parser.add_argument("--only", action="append", choices=names, help="only this suite")
    parser.add_argument("--postman", type=Path, help="PostmanCollection.json of AzureAD/SCIMReferenceCode")
    return parser.parse_args()


def _run(suite: Suite, kind: str, installation: Installation) -> Outcome:
    print(f"{kind}: {suite.name} …", file=sys.stderr, flush=True)
    app = installation.app(suite.name, **app_profile.features_of(suite.profile))
    for entry in suite.declares:
        schemas.add_entry(installation.scope, app.slug, entry)
    outcome = suite.run(app.client.base, app.text, kind)
    print(f"{kind}: {suite.name} {outcome.version}: {outcome.passed} of {outcome.total} passed", file=sys.stderr)
    for note in outcome.notes:
        print(f"    {note}", file=sys.stderr)
    return outcome


@contextmanager
def _installation(kind: str) -> Iterator[Installation]:
    """A new installation on an empty database of this kind."""
    folder = Path(tempfile.mkdtemp(prefix="scimlite-conformance-"))
    server = PostgresServer.in_new_folder() if kind == "postgresql" else None
    try:
        if server is None:
            yield from _served(f"sqlite:///{folder / 'scimlite.db'}", folder)
        else:
            with empty_database(server.url()) as url:
                yield from _served(url, folder)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _served(url: str, folder: Path) -> Iterator[Installation]:
    installation = Installation.new(url, folder)
    try:
        yield installation
    finally:
        installation.stop()


def _page(suites: Sequence[Suite], outcomes: list[Outcome]) -> str:
    lines = [
        "# Conformance",
        "",
        "Written by `make conformance`: other people's clients and test suites against a real service with default",
        f"settings, on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()}.",
        "",
        "| suite | version | database | passed | of |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each.suite} | {each.version} | {each.database} | {each.passed} | {each.total} |" for each in outcomes
    ]
    lines += ["", "## What each suite is", ""]
    lines += [f"- **{suite.name}**: {suite.about}" for suite in suites]
    notes = {(each.suite, note): None for each in outcomes for note in each.notes}
    if suites == SUITES:
        notes["postman", "not run: Microsoft's collection is not ours to ship; `--postman PATH` runs it"] = None
    if notes:
        lines += ["", "## What did not pass, or was not tried, and why", ""]
        lines += [f"- {name}: {note}" for name, note in notes]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
