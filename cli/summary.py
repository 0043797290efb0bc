"""`scimlite report --summary`: what a selection of the report comes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from scimlite.apps import App
from scimlite.directory.brakes import Brake
from scimlite.journal import Outcome
from scimlite.journal.summary import Summary

from . import brake
from .output import iso_time, local_time, print_csv, print_fields, print_heading, print_json, print_table

#: Reasons in the table; JSON has all.
_MOST_REASONS = 20


def print_summary(
    summary: Summary, braking: Sequence[tuple[App, Brake]], *, nothing: str, as_json: bool, as_csv: bool
) -> None:
    """Print it as tables, as one JSON document, or its counts by action and outcome as CSV; with apps' brakes."""
    if as_json:
        print_json({**_data(summary), "brakes": [{"app": app.slug, **brake.as_data(each)} for app, each in braking]})
    elif as_csv:
        print_csv(("action", "outcome", "count"), [(*key, count) for key, count in sorted(summary.actions.items())])
    elif not summary.entries:
        click.echo(nothing, err=True)
    else:
        _print_tables(summary)
    if braking and not (as_json or as_csv):
        print_heading("Brakes")
        print_fields([(f"{app.slug}, {each.kind}", brake.told(app, each)) for app, each in braking])


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
    outcomes = [str(each) for each in Outcome]
    print_table(
        ("Action", *outcomes),
        [
            (action, *(f"{count:,}" if (count := summary.actions.get((action, each))) else "" for each in outcomes))
            for action in sorted({action for action, _ in summary.actions})
        ],
        empty="",
    )
    print_heading("Refused and failed, by reason")
    print_table(
        ("Count", "Status", "Last", "Reason"),
        [
            (f"{each.count:,}", str(each.status or ""), local_time(each.last_at), each.text)
            for each in summary.reasons[:_MOST_REASONS]
        ],
        empty="Nothing was refused, nothing failed.",
    )
    if len(summary.reasons) > _MOST_REASONS:
        click.echo(f"There are {len(summary.reasons) - _MOST_REASONS} more reasons; --json prints all.", err=True)


def _data(summary: Summary) -> dict[str, Any]:
    return {
        "entries": summary.entries,
        "users": summary.users,
        "first_contact": iso_time(summary.first_contact),
        "last_contact": iso_time(summary.last_contact),
        "actions": [
            {"action": action, "outcome": outcome, "count": count}
            for (action, outcome), count in sorted(summary.actions.items())
        ],
        "reasons": [
            {"status": each.status, "reason": each.text, "count": each.count, "last_at": iso_time(each.last_at)}
            for each in summary.reasons
        ],
    }
