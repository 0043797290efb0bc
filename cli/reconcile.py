"""`scimlite reconcile`: was everybody provisioned?"""

from __future__ import annotations

import json
from typing import Any

import click

from scimlite.admin import reconcile as reconciling
from scimlite.admin import source_runs
from scimlite.apps import get as get_app
from scimlite.sync.reconciling import Comparison, Finding, Row
from scimlite.visible_text import visible

from .kit.app_name import app_argument
from .kit.columns import Column, Columns
from .kit.context import Context, with_installation
from .kit.options import Choice, csv_option, json_option, wide_option

_WORDS = {
    Finding.MISSING_HERE: "missing here",
    Finding.MISSING_THERE: "missing there",
    Finding.DIFFERS: "differs",
    Finding.UNCLEAR: "unclear",
}
#: Rows that a terminal gets.
_MOST_SHOWN = 100


def _changes(row: Row) -> str:
    pairs = (f"{path}: {_text(here)} here, {_text(there)} there" for path, (here, there) in row.differences.items())
    return visible("; ".join([*pairs, *([row.reason] if row.reason else [])]))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_ROWS = Columns[Row](
    Column("finding", "Found", value=lambda row: row.finding.value, shown=lambda row: _WORDS[row.finding]),
    Column("name", "Who", value=lambda row: row.name, shown=lambda row: visible(row.name)),
    Column("id", value=lambda row: row.id),
    Column("key", value=lambda row: row.key),
    Column("differences", "What", value=lambda row: row.differences, shown=_changes, wraps=True),
    Column("reason", value=lambda row: row.reason),
)


@click.command()
@app_argument
@click.option(
    "--with",
    "other",
    required=True,
    metavar="SOURCE|FILE.csv|URL",
    help="A source of the app, a CSV file, or the base URL of another SCIM server.",
)
@click.option(
    "--match",
    type=Choice(reconciling.MATCHES),
    default="userName",
    show_default=True,
    help="What both are compared by; people of a source are known by its links too.",
)
@click.option("--token-env", metavar="NAME", help="The variable with the bearer token of the SCIM server.")
@json_option
@csv_option
@wide_option
@with_installation
def reconcile(
    context: Context, slug: str, other: str, match: str, token_env: str | None, as_json: bool, as_csv: bool
) -> None:
    """Say who is missing here, who is missing there, and who differs in what. It changes nothing.

    With the list of users that the portal of an identity provider exports it says whether everybody was provisioned,
    and for who was not, what was refused. It fails when there is any difference.

    \b
    Examples: scimlite reconcile hr --with users.csv
              scimlite reconcile hr --with corp --csv > differences.csv
    """
    app = get_app(context.db, slug)
    token = f"env:{token_env}" if token_env else None
    with (
        source_runs.ground(context.db, context.settings) as place,
        reconciling.reconcile(place, context.workspace(app), other, match=match, token=token) as compared,
    ):
        rows = list(compared.rows)
    if as_json or as_csv:
        _ROWS.print_data(rows, as_csv=as_csv)
    else:
        _ROWS.print_table(rows[:_MOST_SHOWN], empty="Both are the same.")
        if len(rows) > _MOST_SHOWN:
            click.echo(f"and {len(rows) - _MOST_SHOWN:,} more: --csv or --json has all.", err=True)
    click.echo(_summary(compared.numbers, rows), err=True)
    if rows:
        raise click.exceptions.Exit(1)


def _summary(numbers: Comparison, rows: list[Row]) -> str:
    found = {finding: sum(row.finding is finding for row in rows) for finding in Finding}
    told = [f"{number:,} {_WORDS[finding]}" for finding, number in found.items() if number]
    return f"{numbers.here:,} users here, {numbers.there:,} there: {', '.join(told) or 'no difference'}."
