"""`scimlite webhook`: URLs of applications that get the events of an app pushed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from scimlite import clock
from scimlite.admin import webhook_state, webhooks
from scimlite.admin.webhooks import DEFAULT_NAME
from scimlite.apps import get as get_app
from scimlite.events.sending import Format
from scimlite.events.types import TYPES
from scimlite.events.webhooks import DEFAULT_LANES, MOST_LANES
from scimlite.visible_text import visible

from .kit import completing
from .kit.app_name import app_option, required_app_option
from .kit.choosing import chosen_apps
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import Choice, json_option, wide_option
from .kit.output import print_fields, print_json, print_json_lines, print_title
from .kit.times import local_time, spoken_length
from .webhook_columns import columns, count, issuer
from .webhook_deliveries import deliveries, name_argument, replay
from .webhook_upkeep import pause, remove, resume, rotate, test

_lanes_option = click.option(
    "--lanes",
    type=click.IntRange(1, MOST_LANES),
    metavar="N",
    help=f"How many events are sent at once, each about another person, up to {MOST_LANES}.  "
    f"[default: {DEFAULT_LANES}]",
)


def _types_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--types",
        metavar="TYPES",
        shell_complete=completing.event_types,
        help="Types of events, separated by commas, or `all`: " + ", ".join(TYPES) + ".",
    )(command)


def _chosen(types: str | None) -> list[str] | None:
    """Return the types that an option names, none for all; None without the option."""
    if types is None:
        return None
    names = [name.strip() for name in types.split(",") if name.strip()]
    return [] if names == ["all"] else names


@click.group(cls=Group)
def webhook() -> None:
    """Push the changes of an app to the application behind it.

    A webhook is a URL of the application. `scimlite work`, or `serve --work`, sends each event there, signed as
    Standard Webhooks 1.0.0, in order for each person, and again until it is confirmed by a 2xx answer. NAME may be
    left out when the app has only one webhook.

    \b
    Example: scimlite webhook test crm --app entra-id
    """


@webhook.command()
@click.argument("url")
@required_app_option
@click.option("--name", default=DEFAULT_NAME, show_default=True, metavar="NAME", help="What it is called.")
@_types_option
@_lanes_option
@click.option(
    "--format",
    type=Choice([each.value for each in Format]),
    default=Format.STANDARD.value,
    show_default=True,
    help="standard: signed JSON (Standard Webhooks); set: security event tokens (RFC 9967, RFC 8935).",
)
@click.option(
    "--session-revoked",
    is_flag=True,
    help="Tokens about somebody who was disabled or deleted also say that sessions end (CAEP); with --format set.",
)
@json_option
@with_installation
def add(
    context: Context,
    slug: str,
    url: str,
    name: str,
    types: str | None,
    lanes: int | None,
    format: str,
    session_revoked: bool,
    as_json: bool,
) -> None:
    """Push the events of an app to a URL from now on.

    What the receiver verifies with goes to stdout alone: the secret, or for tokens the URL of the public keys.

    \b
    Examples: scimlite webhook add https://crm.example.com/hook --app entra-id
              scimlite webhook add https://crm.example.com/hook --app entra-id \\
                  --name crm --types user.disabled,user.deleted
    """
    app = get_app(context.db, slug)
    made, secret = webhooks.add(
        context.workspace(app),
        context.keyring,
        url,
        name=name,
        chosen=_chosen(types) or [],
        lanes=lanes or DEFAULT_LANES,
        format=Format(format),
        session_revoked=session_revoked,
        scim_root=context.installation.scim_root,
        networks=context.settings.outbound_networks,
    )
    verifier = {"secret": secret} if secret else issuer(context, app.slug)
    if as_json:
        print_json({**columns(context.installation.keyring).data(webhook_state.of(context.db, app, made)), **verifier})
        return
    by = (
        "signed with this secret" if secret is not None else f"issued by {verifier['issuer']}, verified with these keys"
    )
    click.echo(f"\n  Events of {app.slug} go to {visible(made.url)}, {by}.", err=True)
    click.echo(f"  Try it: scimlite webhook test {visible(made.name)} --app {app.slug}", err=True)
    click.echo("  They are sent by scimlite work, or by scimlite serve --work.\n", err=True)
    click.echo(secret or verifier["jwks_uri"])


@webhook.command(name="list")
@app_option
@json_option
@wide_option
@with_installation
def list_(context: Context, slug: str | None, as_json: bool) -> None:
    """List webhooks: their state, how far they are behind, and what went wrong last.

    \b
    Example: scimlite webhook list
    """
    listed = webhook_state.every(context.db, chosen_apps(context, slug))
    table = columns(context.installation.keyring)
    if as_json:
        print_json_lines(map(table.data, listed))
        return
    hidden = ("Types", "Behind", "Waiting", "Given up", "Last error", "Secret key")
    empty = "There is no webhook. Add one: scimlite webhook add URL --app SLUG"
    table.print_table(listed, empty=empty, hidden_when_empty=hidden)


@webhook.command()
@name_argument
@required_app_option
@click.option("--secret", "with_secret", is_flag=True, help="Print the secret too; that is recorded in the report.")
@json_option
@with_installation
def show(context: Context, slug: str, name: str | None, with_secret: bool, as_json: bool) -> None:
    """Show a webhook, and with --secret the secret that its receiver needs.

    \b
    Examples: scimlite webhook show crm --app entra-id
              scimlite webhook show crm --app entra-id --secret
    """
    app = get_app(context.db, slug)
    shown = webhooks.get(context.db, app, name)
    status = webhook_state.of(context.db, app, shown)
    secret = webhooks.show_secret(context.workspace(app), context.keyring, shown) if with_secret else None
    data = columns(context.installation.keyring).data(status)
    verifier = issuer(context, app.slug) if shown.format == Format.SET else {}
    if as_json:
        print_json({**data, **verifier, **({"secret": secret} if secret else {})})
        return
    print_title(f"{app.slug}: {shown.name}")
    print_fields(
        [
            ("URL", shown.url),
            ("State", status.state),
            ("Types", ", ".join(sorted(shown.chosen)) or "all"),
            ("Format", shown.format + (", with session-revoked" if shown.session_revoked else "")),
            ("Lanes", str(shown.lanes)),
            ("Behind", spoken_length(status.lag(clock.now())) if status.behind_since is not None else ""),
            ("Waiting", count(status.waiting)),
            ("Given up", count(status.dead)),
            ("Last confirmed", local_time(shown.last_ok_at) or "never"),
            ("Failing since", local_time(shown.failing_since)),
            ("Last failed", local_time(shown.last_failed_at)),
            ("Last error", shown.last_error or ""),
            ("Secret", secret or ""),
            ("Issuer", verifier.get("issuer", "")),
            ("Public keys", verifier.get("jwks_uri", "")),
        ]
    )


@webhook.command()
@name_argument
@required_app_option
@click.option("--url", help="Another URL.")
@click.option("--name", "new_name", metavar="NAME", help="Another name.")
@_types_option
@_lanes_option
@with_installation
def edit(
    context: Context,
    slug: str,
    name: str | None,
    url: str | None,
    new_name: str | None,
    types: str | None,
    lanes: int | None,
) -> None:
    """Change a webhook. It keeps its secret, and what waits goes to the new URL.

    \b
    Example: scimlite webhook edit crm --app entra-id --types user.disabled
    """
    if url is None and new_name is None and types is None and lanes is None:
        raise click.UsageError("Nothing to change: give --url, --name, --types or --lanes.")
    app = get_app(context.db, slug)
    edited = webhooks.edit(
        context.workspace(app),
        webhooks.get(context.db, app, name),
        name=new_name,
        url=url,
        chosen=_chosen(types),
        lanes=lanes,
        networks=context.settings.outbound_networks,
    )
    click.echo(f"The webhook {visible(edited.name)} of {app.slug} is changed.", err=True)


for command in (pause, resume, test, rotate, remove, replay, deliveries):
    webhook.add_command(command)
