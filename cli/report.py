"""`scimlite report`: what was provisioned, refused or failed, when, and by which client."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import click

from scimlite.admin import confirmations, reporting
from scimlite.admin.reporting import Follower
from scimlite.db import Database
from scimlite.errors import Unavailable
from scimlite.journal import Action, Actor, Outcome
from scimlite.journal import report as journal_report
from scimlite.journal.report import Record
from scimlite.journal.selection import Selection
from scimlite.visible_text import visible

from .kit.app_name import app_option
from .kit.context import Context, with_installation
from .kit.options import Choice, csv_option, json_option, wide_option
from .kit.times import MOMENT, spoken_time
from .report_output import EntryTable, flushed, print_data

#: Entries in the table unless --limit is given.
_TABLE_LIMIT = 50
#: Seconds between two looks while following.
_PAUSE = 0.5


class _Address(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of Click
    """An address as the journal writes it."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        # Imported here, because few reports are about an address.
        from scimlite.admin.report_search import address_of

        try:
            return address_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option(
    "--user", metavar="USER", help="Entries about one person: id, externalId, or any userName the person ever had."
)
@app_option
@click.option(
    "--since", type=MOMENT, metavar="TIME", help="From this time on: 2h, 7d, yesterday, 2026-11-01T08:00 (local)."
)
@click.option("--until", type=MOMENT, metavar="TIME", help="Before this time, written like --since.")
@click.option(
    "--action",
    type=Choice([str(action) for action in Action]),
    metavar="ACTION",
    help="Entries with this action: created, member_added, …; a wrong one is answered with the list.",
)
@click.option(
    "--actor",
    type=Choice([str(actor) for actor in Actor]),
    help="Entries by one kind of actor, whatever it calls itself.",
)
@click.option("--address", type=_Address(), metavar="IP", help="Entries of a client at this address.")
@click.option("--client", metavar="TEXT", help="Entries by a client that has this text in its name, such as Okta.")
@click.option("--outcome", type=Choice([str(outcome) for outcome in Outcome]), help="Entries that ended like this.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"The newest N entries; {_TABLE_LIMIT} in the table unless given, all with --json and --csv.",
)
@json_option
@wide_option
@csv_option
@click.option("--follow", "-f", is_flag=True, help="Print new entries as they come, until Ctrl-C.")
@click.option("--unconfirmed", is_flag=True, help="Entries that a webhook's receiver has not confirmed.")
@click.option("--summary", is_flag=True, help="Print counts instead: by action and outcome, and by reason of refusal.")
@with_installation
def report(
    context: Context,
    user: str | None,
    slug: str | None,
    since: int | None,
    until: int | None,
    action: str | None,
    actor: str | None,
    address: str | None,
    client: str | None,
    outcome: str | None,
    limit: int | None,
    as_json: bool,
    as_csv: bool,
    follow: bool,
    unconfirmed: bool,
    summary: bool,
) -> None:
    """Show what was provisioned, refused or failed, when, and by which client; the newest entry is the last.

    --user finds a person by every userName the person ever had, also after the person was deleted. --app finds a
    deleted app too. --follow
    begins with the entries that --since or --limit select, and with none when neither is given. --json prints one
    object a line.

    \b
    Examples: scimlite report --user alice@example.com --since 7d
              scimlite report --app entra-id --outcome refused
              scimlite report --summary --app entra-id --since 7d
              scimlite report --unconfirmed --app entra-id
              scimlite report --json --since 2026-11-01 --until 2026-12-01
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other: choose one.")
    if follow and until is not None:
        raise click.UsageError("--follow has no end: leave out --until.")
    if summary and (follow or limit is not None):
        raise click.UsageError("--summary counts everything: leave out --follow and --limit.")
    if unconfirmed and (follow or summary):
        raise click.UsageError("--unconfirmed is a list of what there is: leave out --follow and --summary.")
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since is not before --until, so nothing can be in between.")
    db = context.db
    selection = Selection(
        user=user,
        app_ids=None if slug is None else reporting.app_ids(db, slug),
        since=since,
        until=until,
        action=action,
        outcome=outcome,
        actor=actor,
        address=address,
        client=client,
    )
    if unconfirmed:
        _print_unconfirmed(db, selection, limit, as_json=as_json, as_csv=as_csv)
    elif summary:
        # Imported here, because counting takes 15 ms that the list of entries need not.
        from scimlite.journal.summary import summarize

        from .summary import print_summary

        brakes = reporting.brakes_of(db, selection)
        print_summary(summarize(db, selection), brakes, nothing=_nothing(db, selection), as_json=as_json, as_csv=as_csv)
    elif follow:
        with_past = limit is not None or since is not None
        _print_followed(_followed(db, selection, limit if with_past else 0), as_json=as_json, as_csv=as_csv)
    elif as_json or as_csv:
        print_data(confirmations.add(db, reporting.entries(db, selection, limit)), as_csv=as_csv)
        if user is not None and not reporting.ever_seen(db, user):
            click.echo(_nothing(db, selection), err=True)
    else:
        _print_table(db, selection, limit or _TABLE_LIMIT)


def _followed(db: Database, selection: Selection, limit: int | None) -> Iterator[Record]:
    """Yield the newest `limit` entries there are (all when None), then new ones as they come, without end."""
    follower = Follower(db, selection)
    yield from follower.past(limit)
    away = False
    while True:
        try:
            yield from follower.new()
            away = False
        except Unavailable as error:
            if not away:
                click.echo(f"{error.detail} Trying again; entries made meanwhile are shown then.", err=True)
            away = True
        time.sleep(_PAUSE)


def _print_followed(entries: Iterator[Record], *, as_json: bool, as_csv: bool) -> None:
    """Print entries as they come, until Ctrl-C."""
    try:
        if as_json or as_csv:
            print_data(flushed(entries), as_csv=as_csv)
            return
        click.echo("Waiting for new entries; Ctrl-C ends this.", err=True)
        table = EntryTable.for_coming_entries()
        table.print_head()
        for entry in entries:
            table.print([entry])
            sys.stdout.flush()
    except KeyboardInterrupt:
        click.echo(err=True)


def _print_table(db: Database, selection: Selection, limit: int) -> None:
    """Print the newest entries as a table; says when there are more, or none."""
    entries = journal_report.read(db, selection, limit=limit + 1)
    if not entries:
        click.echo(_nothing(db, selection), err=True)
        return
    shown = list(confirmations.add(db, entries[-limit:]))
    table = EntryTable.for_entries(shown)
    table.print_head()
    table.print(shown)
    if len(entries) > limit:
        click.echo(
            f"These are the newest {limit} entries; there are more. --limit {limit * 10} shows more of them, "
            "--since and --until choose a time, --json prints all.",
            err=True,
        )


def _print_unconfirmed(db: Database, selection: Selection, limit: int | None, *, as_json: bool, as_csv: bool) -> None:
    """Print the entries that a webhook's receiver has not confirmed; the newest when there are many."""
    found = confirmations.unconfirmed(db, selection)
    if as_json or as_csv:
        print_data(found if limit is None else deque(found, limit), as_csv=as_csv)
        return
    entries = list(deque(found, limit or _TABLE_LIMIT))
    if not entries:
        click.echo("Every event was confirmed, or there is no webhook: scimlite webhook list", err=True)
        return
    table = EntryTable.for_entries(entries)
    table.print_head()
    table.print(entries)


def _nothing(db: Database, selection: Selection) -> str:
    """Return the sentence that a selection has no entries."""
    words = [f"for {visible(selection.user)}"] if selection.user is not None else []
    if selection.app_ids is not None:
        words.append("in this app")
    for kind in ("action", "outcome", "actor", "address", "client"):
        words += [f"with {kind} {visible(value)}"] if (value := getattr(selection, kind)) else []
    words += [f"{kind} {spoken_time(value)}" for kind in ("since", "until") if (value := getattr(selection, kind))]
    if selection.user is not None and not reporting.ever_seen(db, selection.user):
        return (
            f"Nobody called {visible(selection.user)!r} was ever seen, by id, externalId or userName. "
            "Look for a part of the name: scimlite user list --search TEXT"
        )
    if words:
        return f"No entries {' '.join(words)}."
    return "No entries yet: nothing was provisioned. `scimlite app create` makes an app to connect to."
