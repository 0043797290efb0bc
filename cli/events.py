"""`scimlite events`: what the application is told, in the order and the form in which it is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.errors import Unavailable
from scimlite.events import feed
from scimlite.events.document import Event, as_data
from scimlite.events.types import TYPES, chosen
from scimlite.visible_text import visible

from .kit.app_name import app_argument
from .kit.columns import Column, Columns
from .kit.context import Context, with_installation
from .kit.options import json_option, wide_option
from .kit.output import print_json_lines
from .kit.times import local_time

#: Events in the table unless --limit is given; events read at once.
_TABLE_LIMIT, _CHUNK = 50, 200
#: Seconds between two looks while following.
_PAUSE = 0.5

_COLUMNS = Columns[Event](
    Column("time", "Time", shown=lambda event: local_time(event.at)),
    Column("type", "Event", value=lambda event: event.type),
    Column("user", "User", shown=lambda event: _name(event.data.user)),
    Column("group", "Group", shown=lambda event: _name(event.data.group)),
    Column("changed", "Changed", shown=lambda event: ", ".join(event.data.changed or ()), rank=1, wraps=True),
    Column("id", "Id", value=lambda event: event.id, rank=2),
)


@click.command()
@app_argument
@click.option(
    "--after",
    metavar="CURSOR",
    help='Events behind this cursor, which --json shows.  [default: "start", the oldest one that is kept]',
)
@click.option("--types", metavar="TYPES", help="Only these, with commas between them: user.disabled,user.deleted.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"At most N events; {_TABLE_LIMIT} in the table unless given, all with --json.",
)
@click.option("--follow", "-f", is_flag=True, help="Print events as they come, until Ctrl-C; only new ones by default.")
@json_option
@wide_option
@with_installation
def events(
    context: Context, slug: str, after: str | None, types: str | None, limit: int | None, follow: bool, as_json: bool
) -> None:
    """Show what an app's application is told, as it is told: in the feed, and by webhooks.

    People and groups are shown as they are now. --json prints the documents that the application gets, each with the
    cursor behind it.

    \b
    Examples: scimlite events entra-id --follow
              scimlite events --app entra-id --types user.disabled,user.deleted
              scimlite events --app entra-id --json --after start
    """
    if follow and limit is not None:
        raise click.UsageError("--follow has no end: leave out --limit.")
    workspace = context.workspace(apps.get(context.db, slug))
    wanted = chosen([name.strip() for name in types.split(",")]) if types else frozenset(TYPES)
    if follow:
        _follow(workspace, after, wanted, as_json=as_json)
        return
    found = _read(workspace, after or feed.START, wanted, limit or (None if as_json else _TABLE_LIMIT))
    if as_json:
        print_json_lines(_data(workspace, event) for event in found)
        return
    listed = list(found)
    _COLUMNS.print_table(listed, empty=f"No events: nothing has happened in {workspace.app.slug} that is told.")
    if len(listed) == (limit or _TABLE_LIMIT):
        cursor = feed.cursor_of(workspace, listed[-1].place)
        click.echo(f"There may be more behind these: --after {cursor}, or --limit {len(listed) * 10}.", err=True)


def _read(workspace: Workspace, after: str, wanted: frozenset[str], limit: int | None) -> Iterator[Event]:
    """Yield the events there are behind a cursor, at most `limit`; all when it is None."""
    place, left, more = feed.place_of(workspace, after), limit, True
    while more and left != 0:
        page = feed.read(workspace, place, _CHUNK if left is None else min(_CHUNK, left), wanted)
        yield from page.events
        left = None if left is None else left - len(page.events)
        place, more = page.end, page.more


def _follow(workspace: Workspace, after: str | None, wanted: frozenset[str], *, as_json: bool) -> None:
    """Print events as they come, until Ctrl-C."""
    if not as_json:
        click.echo("Waiting for events; Ctrl-C ends this.", err=True)
    try:
        for event in _coming(workspace, after, wanted):
            if as_json:
                print_json_lines([_data(workspace, event)])
            else:
                names = " ".join(filter(None, (_name(event.data.user), _name(event.data.group))))
                click.echo(f"{local_time(event.at)}  {event.type:<20}  {names}")
            sys.stdout.flush()
    except KeyboardInterrupt:
        click.echo(err=True)


def _coming(workspace: Workspace, after: str | None, wanted: frozenset[str]) -> Iterator[Event]:
    """Yield the events behind a cursor, or from now on, without end."""
    place, away = feed.place_of(workspace, after), False
    while True:
        try:
            page = feed.read(workspace, place, _CHUNK, wanted)
            yield from page.events
            place, away = page.end, False
            if page.more:
                continue
        except Unavailable as error:
            if not away:
                click.echo(f"{error.detail} Trying again; what happens meanwhile is shown then.", err=True)
            away = True
        time.sleep(_PAUSE)


def _data(workspace: Workspace, event: Event) -> dict[str, Any]:
    return {**as_data(event), "cursor": feed.cursor_of(workspace, event.place)}


def _name(state: Any) -> str:
    """What people call a user or group of an event; the id where nothing else is kept."""
    return visible(state.name or state.id) if state is not None else ""
