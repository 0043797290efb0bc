"""`scimlite report --summary`: the entries of a selection, counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from scimlite.apps import App
from scimlite.directory.brakes import Brake
from scimlite.journal import Outcome
from scimlite.journal.summary import Reason, Summary

from .brake import BRAKES, brake_text
from .kit.columns import Column, Columns
from .kit.layout import Layout
from .kit.output import print_fields, print_heading, print_json, print_table
from .kit.times import iso_time, local_time

#: Reasons in the table; JSON has all.
_MOST_REASONS = 20

_Counted = tuple[tuple[str, str], int]
_COUNTS = Columns[_Counted](
    Column("action", value=lambda counted: counted[0][0]),
    Column("outcome", value=lambda counted: counted[0][1]),
    Column("count", value=lambda counted: counted[1]),
)
_REASONS = Columns[Reason](
    Column("status", "Status", lambda reason: reason.status, lambda reason: str(reason.status or "")),
    Column("reason", "Reason", lambda reason: reason.text, wraps=True),
    Column("count", "Count", lambda reason: reason.count, lambda reason: f"{reason.count:,}"),
    Column("last_at", "Last", lambda reason: iso_time(reason.last_at), lambda reason: local_time(reason.last_at)),
    table=("Count", "Status", "Last", "Reason"),
)


def print_summary(
    summary: Summary, brakes: Sequence[tuple[App, Brake]], *, nothing: str, as_json: bool, as_csv: bool
) -> None:
    """Print a summary with brakes as tables or as one JSON document, or its counts by action and outcome as CSV.

    `nothing` is the sentence to print when there is no entry.
    """
    if as_json:
        print_json({**_data(summary), "brakes": [{"app": app.slug, **BRAKES.data(brake)} for app, brake in brakes]})
    elif as_csv:
        _COUNTS.print_csv(sorted(summary.actions.items()))
    elif not summary.entries:
        click.echo(nothing, err=True)
    else:
        _print_tables(summary)
    if brakes and not (as_json or as_csv):
        print_heading("Brakes")
        print_fields([(f"{app.slug}, {brake.kind}", brake_text(app, brake)) for app, brake in brakes])


def _print_tables(summary: Summary) -> None:
    print_fields(
        [
            ("Entries", f"{summary.entries:,}"),
            ("Users", f"{summary.users:,}"),
            ("First contact", local_time(summary.first_contact)),
            ("Last contact", local_time(summary.last_contact)),
        ]
    )
    print_heading("Actions")
    outcomes = [str(outcome) for outcome in Outcome]
    print_table(
        [Layout("Action"), *map(Layout, outcomes)],
        [
            (action, *(_cell(summary.actions.get((action, outcome))) for outcome in outcomes))
            for action in sorted({action for action, _ in summary.actions})
        ],
        empty="",
    )
    print_heading("Refused and failed, by reason")
    _REASONS.print_table(summary.reasons[:_MOST_REASONS], empty="Nothing was refused, nothing failed.")
    if len(summary.reasons) > _MOST_REASONS:
        click.echo(f"There are {len(summary.reasons) - _MOST_REASONS} more reasons; --json prints all.", err=True)


def _cell(count: int | None) -> str:
    return f"{count:,}" if count else ""


def _data(summary: Summary) -> dict[str, Any]:
    return {
        "entries": summary.entries,
        "users": summary.users,
        "first_contact_at": iso_time(summary.first_contact),
        "last_contact_at": iso_time(summary.last_contact),
        "actions": [_COUNTS.data(counted) for counted in sorted(summary.actions.items())],
        "reasons": [_REASONS.data(reason) for reason in summary.reasons],
        # Older keys, for one more release.
        "first_contact": iso_time(summary.first_contact),
        "last_contact": iso_time(summary.last_contact),
    }
