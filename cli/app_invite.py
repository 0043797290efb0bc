"""`scimlite app invite`: set-up links for those who connect an identity provider and are no operators."""

from __future__ import annotations

from typing import Any

import click

from scimlite.admin import apps
from scimlite.apps import App
from scimlite.operators import invitations
from scimlite.operators.invitations import Invitation

from .kit.app_name import app_argument
from .kit.columns import Column, Columns
from .kit.console import base_of, setup_url
from .kit.context import Context, with_installation
from .kit.options import json_option
from .kit.output import print_json, print_json_lines
from .kit.times import DURATION, iso_time, local_time, spoken_time

_COLUMNS = Columns[Invitation](
    Column("id", "Id", value=lambda each: each.id, shown=lambda each: str(each.id)),
    Column("state", "State", value=lambda each: each.state),
    Column("created_by", "Made by", value=lambda each: each.created_by),
    Column("created_at", value=lambda each: iso_time(each.created_at)),
    Column(
        "opened_at",
        "Opened",
        value=lambda each: iso_time(each.opened_at),
        shown=lambda each: local_time(each.opened_at, seconds=False) or "never",
    ),
    Column(
        "expires_at",
        "Expires",
        value=lambda each: iso_time(each.expires_at),
        shown=lambda each: local_time(each.expires_at, seconds=False),
    ),
    Column("revoked_at", value=lambda each: iso_time(each.revoked_at)),
    table=("Id", "State", "Made by", "Opened", "Expires"),
)


@click.command()
@app_argument
@click.option(
    "--expires",
    type=DURATION,
    default="7d",
    show_default=True,
    metavar="TIME",
    help="How long the link is good: 90d at most.",
)
@click.option("--list", "listed", is_flag=True, help="List the links there are.")
@click.option("--show", "shown", type=int, metavar="ID", help="Print a link again.")
@click.option("--revoke", "revoked", type=int, metavar="ID", help="End a link at once.")
@json_option
@with_installation
def invite(
    context: Context,
    slug: str,
    expires: int,
    listed: bool,
    shown: int | None,
    revoked: int | None,
    as_json: bool,
) -> None:
    """Print a link for whoever connects the identity provider.

    It leads to a page of the console that needs no sign-in. The page has the app's base URL and token, the steps in
    the identity provider, and what has arrived, and nothing else. That the link was opened and the token shown is in
    the report.

    \b
    Examples: scimlite app invite entra-id --expires 2d
              scimlite app invite entra-id --list
              scimlite app invite entra-id --revoke 3
    """
    if sum((listed, shown is not None, revoked is not None)) > 1:
        raise click.UsageError("--list, --show and --revoke exclude each other.")
    app = apps.get(context.db, slug)
    if listed:
        _print_list(context, app, as_json=as_json)
    elif revoked is not None:
        ended = invitations.revoke(context.workspace(app), invitations.get(context.db, app, revoked))
        click.echo(f"The set-up link {revoked} {'is' if ended else 'was already'} revoked.", err=True)
    elif shown is not None:
        invitation = invitations.get(context.db, app, shown)
        _print(context, app, invitation, invitations.text_of(context.keyring, invitation), as_json=as_json)
    else:
        made, text = invitations.make(context.workspace(app), context.keyring, life=expires)
        _print(context, app, made, text, as_json=as_json)


def _print_list(context: Context, app: App, *, as_json: bool) -> None:
    links = invitations.every(context.db, app)
    if as_json:
        print_json_lines(_data(app, each) for each in links)
        return
    _COLUMNS.print_table(links, empty=f"There is no set-up link. Make one: scimlite app invite {app.slug}")


def _data(app: App, invitation: Invitation) -> dict[str, Any]:
    return {"app": app.slug, **_COLUMNS.data(invitation)}


def _print(context: Context, app: App, invitation: Invitation, text: str, *, as_json: bool) -> None:
    """Print a link to stdout, and what it is to stderr."""
    url = setup_url(base_of(context.settings, context.server.url), text)
    if as_json:
        print_json({**_data(app, invitation), "url": url})
        return
    until = f"until {spoken_time(invitation.expires_at)}"
    state = f"good {until}" if invitation.state == "active" else invitation.state
    click.echo(f"Set-up link {invitation.id} to {app.slug}, {state}. Who has it sees the token:", err=True)
    click.echo(url)
    if context.settings.console is None:
        click.echo("The console is off (SCIMLITE_CONSOLE=off), so nothing is shown there.", err=True)
