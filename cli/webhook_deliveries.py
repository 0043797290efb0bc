"""`scimlite webhook deliveries` and `replay`: what was not confirmed, and how it is sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from scimlite.admin import deliveries as unconfirmed
from scimlite.admin import replays, webhooks
from scimlite.admin.deliveries import Unconfirmed
from scimlite.apps import get as get_app
from scimlite.events import feed
from scimlite.scim import core
from scimlite.visible_text import visible

from .kit import completing
from .kit.app_name import required_app_option
from .kit.choosing import the_one
from .kit.columns import Column, Columns
from .kit.context import Context, with_installation
from .kit.options import json_option, wide_option
from .kit.output import print_json_lines
from .kit.times import MOMENT, iso_time, local_time


def name_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """The webhook's name as the argument NAME, which may be left out."""
    return click.argument("name", required=False, metavar="[NAME]", shell_complete=completing.webhooks)(command)


def _state(item: Unconfirmed) -> str:
    if item.dead_at is not None:
        return "given up"
    return "waiting" if item.attempts else "behind another"


_COLUMNS = Columns[Unconfirmed](
    Column("event", "Event", value=lambda item: item.event, rank=2),
    Column("type", "Type", value=lambda item: item.type),
    Column("at", "Happened", value=lambda item: iso_time(item.at), shown=lambda item: local_time(item.at)),
    Column("subject", "Subject", value=lambda item: item.subject, shown=lambda item: visible(item.subject or "")),
    Column("subject_id", value=lambda item: item.subject_id),
    Column("state", "State", value=_state),
    Column("attempts", "Tries", value=lambda item: item.attempts),
    Column(
        "next_at",
        "Next try",
        value=lambda item: iso_time(item.next_at),
        shown=lambda item: local_time(item.next_at),
    ),
    Column("last_status", value=lambda item: item.last_status),
    Column(
        "last_error",
        "Last error",
        value=lambda item: item.last_error,
        shown=lambda item: visible(item.last_error or ""),
        wraps=True,
        rank=1,
    ),
    Column("dead_at", value=lambda item: iso_time(item.dead_at)),
    table=("Happened", "Type", "Subject", "State", "Tries", "Next try", "Last error", "Event"),
)


@click.command()
@name_argument
@required_app_option
@click.option("--dead", is_flag=True, help="Only those that were given up.")
@json_option
@wide_option
@with_installation
def deliveries(context: Context, slug: str, name: str | None, dead: bool, as_json: bool) -> None:
    """List the events that the receiver has not confirmed: waiting for another try, behind another one about the same
    person, or given up after ten tries in three days.

    \b
    Examples: scimlite webhook deliveries crm --app entra-id
              scimlite webhook deliveries crm --app entra-id --dead --json
    """
    app = get_app(context.db, slug)
    listed = unconfirmed.of(context.db, webhooks.get(context.db, app, name), dead_only=dead)
    if as_json:
        print_json_lines(map(_COLUMNS.data, listed))
        return
    empty = "No event was given up." if dead else "No event waits for another try, and none was given up."
    _COLUMNS.print_table(list(listed), empty=empty, hidden_when_empty=("Next try", "Last error"))


@click.command()
@name_argument
@required_app_option
@click.option(
    "--since", type=MOMENT, metavar="WHEN", help="The events from a time on: 2h, yesterday, 2026-11-01T08:00."
)
@click.option("--from", "cursor", metavar="CURSOR", help="The events behind a cursor of the feed, or all from `start`.")
@click.option("--user", metavar="USER", help="The newest events about a user: an id, userName or externalId.")
@click.option("--dead", is_flag=True, help="The events that were given up.")
@with_installation
def replay(
    context: Context,
    slug: str,
    name: str | None,
    since: int | None,
    cursor: str | None,
    user: str | None,
    dead: bool,
) -> None:
    """Send events again that were confirmed or given up, with the ids that they had.

    \b
    Examples: scimlite webhook replay crm --app entra-id --since 2h
              scimlite webhook replay crm --app entra-id --dead
    """
    if (since is not None) + (cursor is not None) + (user is not None) + dead != 1:
        raise click.UsageError("Say which events, by one of --since, --from, --user and --dead.")
    app = get_app(context.db, slug)
    webhook = webhooks.get(context.db, app, name)
    workspace = context.workspace(app)
    if since is not None:
        count = replays.since(workspace, webhook, since)
    elif cursor is not None:
        count = replays.from_place(workspace, webhook, feed.place_of(workspace, cursor))
    elif user is not None:
        found = the_one(context, core.USER, app.slug, user)
        count = replays.of_user(workspace, webhook, (found.id, found.name))
    else:
        count = replays.dead(workspace, webhook)
    events = "1 event is" if count == 1 else f"{count:,} events are"
    click.echo(f"{events} sent to {visible(webhook.url)} again.", err=True)
