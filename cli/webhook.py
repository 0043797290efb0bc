"""`scimlite webhook`: URLs of applications that get the events of an app pushed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import click

from scimlite import clock
from scimlite.admin import webhook_state, webhooks
from scimlite.admin.webhook_state import Status
from scimlite.admin.webhooks import DEFAULT_NAME
from scimlite.apps import get as get_app
from scimlite.events.types import TYPES
from scimlite.events.webhooks import DEFAULT_LANES, MOST_LANES, Webhook
from scimlite.outbound import Client
from scimlite.visible_text import visible

from .kit import completing
from .kit.app_name import app_option, required_app_option
from .kit.choosing import chosen_apps
from .kit.columns import Column, Columns
from .kit.confirming import confirm
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import dry_run_option, json_option, wide_option, yes_option
from .kit.output import print_fields, print_json, print_json_lines, print_title
from .kit.times import DURATION, iso_time, local_time, spoken_length
from .webhook_deliveries import deliveries, name_argument, replay

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


def _columns() -> Columns[Status]:
    now = clock.now()
    return Columns(
        Column("app", "App", value=lambda status: status.app.slug),
        Column("webhook", "Name", value=lambda status: status.webhook.name),
        Column("url", "URL", value=lambda status: status.webhook.url, wraps=True),
        Column("state", "State", value=lambda status: status.state),
        Column(
            "types",
            "Types",
            value=lambda status: sorted(status.webhook.chosen) or None,
            shown=lambda status: ", ".join(sorted(status.webhook.chosen)),
            rank=3,
        ),
        Column("lanes", value=lambda status: status.webhook.lanes),
        Column(
            "lag_seconds",
            "Behind",
            value=lambda status: round(status.lag(now) / 1e6, 3),
            shown=lambda status: spoken_length(status.lag(now)) if status.behind_since is not None else "",
        ),
        Column("waiting", "Waiting", value=lambda status: status.waiting, shown=lambda status: _count(status.waiting)),
        Column("dead", "Given up", value=lambda status: status.dead, shown=lambda status: _count(status.dead)),
        Column(
            "last_ok_at",
            "Last confirmed",
            value=lambda status: iso_time(status.webhook.last_ok_at),
            shown=lambda status: local_time(status.webhook.last_ok_at) or "never",
            rank=1,
        ),
        Column("failing_since", value=lambda status: iso_time(status.webhook.failing_since)),
        Column("last_failed_at", value=lambda status: iso_time(status.webhook.last_failed_at)),
        Column(
            "last_error",
            "Last error",
            value=lambda status: status.webhook.last_error,
            shown=lambda status: visible(status.webhook.last_error or "") if status.state != "active" else "",
            wraps=True,
            rank=2,
        ),
        Column("created_at", value=lambda status: iso_time(status.webhook.created_at)),
        table=("App", "Name", "State", "URL", "Types", "Behind", "Waiting", "Given up", "Last confirmed", "Last error"),
    )


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


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
@json_option
@with_installation
def add(context: Context, slug: str, url: str, name: str, types: str | None, lanes: int | None, as_json: bool) -> None:
    """Push the events of an app to a URL from now on.

    The secret alone goes to stdout: the receiver needs it to verify signatures.

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
        networks=context.settings.outbound_networks,
    )
    if as_json:
        print_json({**_columns().data(webhook_state.of(context.db, app, made)), "secret": secret})
        return
    click.echo(f"\n  Events of {app.slug} go to {visible(made.url)}, signed with this secret.", err=True)
    click.echo(f"  Try it: scimlite webhook test {visible(made.name)} --app {app.slug}", err=True)
    click.echo("  They are sent by scimlite work, or by scimlite serve --work.\n", err=True)
    click.echo(secret)


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
    columns = _columns()
    if as_json:
        print_json_lines(map(columns.data, listed))
        return
    hidden = ("Types", "Behind", "Waiting", "Given up", "Last error")
    empty = "There is no webhook. Add one: scimlite webhook add URL --app SLUG"
    columns.print_table(listed, empty=empty, hidden_when_empty=hidden)


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
    data = _columns().data(status)
    if as_json:
        print_json(data | ({"secret": secret} if secret else {}))
        return
    print_title(f"{app.slug}: {shown.name}")
    print_fields(
        [
            ("URL", shown.url),
            ("State", status.state),
            ("Types", ", ".join(sorted(shown.chosen)) or "all"),
            ("Lanes", str(shown.lanes)),
            ("Behind", spoken_length(status.lag(clock.now())) if status.behind_since is not None else ""),
            ("Waiting", _count(status.waiting)),
            ("Given up", _count(status.dead)),
            ("Last confirmed", local_time(shown.last_ok_at) or "never"),
            ("Failing since", local_time(shown.failing_since)),
            ("Last failed", local_time(shown.last_failed_at)),
            ("Last error", shown.last_error or ""),
            ("Secret", secret or ""),
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


@webhook.command()
@name_argument
@required_app_option
@with_installation
def pause(context: Context, slug: str, name: str | None) -> None:
    """Send nothing until it is resumed. Events wait as long as the report is kept.

    \b
    Example: scimlite webhook pause crm --app entra-id
    """
    app, paused = _of(context, slug, name)
    webhooks.pause(context.workspace(app), paused)
    click.echo(f"The webhook {visible(paused.name)} of {app.slug} is paused.", err=True)


@webhook.command()
@name_argument
@required_app_option
@with_installation
def resume(context: Context, slug: str, name: str | None) -> None:
    """Go on where it stopped, also when the worker had switched it off. What waits is tried at once.

    \b
    Example: scimlite webhook resume crm --app entra-id
    """
    app, resumed = _of(context, slug, name)
    webhooks.resume(context.workspace(app), resumed)
    click.echo(f"The webhook {visible(resumed.name)} of {app.slug} is active.", err=True)


@webhook.command()
@name_argument
@required_app_option
@json_option
@with_installation
def test(context: Context, slug: str, name: str | None, as_json: bool) -> None:
    """Send a feed.test event now, and say what the receiver answered. It fails unless that was 2xx.

    \b
    Example: scimlite webhook test crm --app entra-id
    """
    app, tried = _of(context, slug, name)
    with closing(Client(context.settings.outbound_networks)) as client:
        verdict = webhooks.test(context.workspace(app), context.keyring, client, tried)
    if as_json:
        print_json(
            {
                "webhook": tried.name,
                "confirmed": verdict.confirmed,
                "status": verdict.status,
                "ms": verdict.ms,
                "error": verdict.error,
            }
        )
    elif verdict.confirmed:
        click.echo(f"{visible(tried.url)} answered {verdict.status} in {verdict.ms} ms.", err=True)
    if not verdict.confirmed:
        raise click.ClickException(f"{tried.url}: {verdict.error}")


@webhook.command()
@name_argument
@required_app_option
@click.option(
    "--overlap",
    type=DURATION,
    default="7d",
    show_default=True,
    metavar="TIME",
    help="How long the old secret signs too.",
)
@json_option
@with_installation
def rotate(context: Context, slug: str, name: str | None, overlap: int, as_json: bool) -> None:
    """Make a new secret. For a while each delivery is signed with both, so that nothing is refused meanwhile.

    The secret alone goes to stdout.

    \b
    Example: scimlite webhook rotate crm --app entra-id --overlap 24h
    """
    app, rotated = _of(context, slug, name)
    secret = webhooks.rotate(context.workspace(app), context.keyring, rotated, overlap=overlap)
    if as_json:
        print_json({"app": app.slug, "webhook": rotated.name, "secret": secret})
        return
    click.echo(f"Give the receiver this secret within {spoken_length(overlap)}.", err=True)
    click.echo(secret)


@webhook.command()
@name_argument
@required_app_option
@yes_option
@dry_run_option
@with_installation
def remove(context: Context, slug: str, name: str | None, yes: bool, dry_run: bool) -> None:
    """Remove a webhook and what waits for its receiver. The report keeps what was confirmed.

    \b
    Example: scimlite webhook remove crm --app entra-id
    """
    app, removed = _of(context, slug, name)
    what = f"the webhook {visible(removed.name)} of {app.slug}, {visible(removed.url)}"
    if dry_run:
        click.echo(f"{what[0].upper()}{what[1:]}, would be removed.")
        return
    confirm(f"Remove {what}?", yes=yes)
    webhooks.remove(context.workspace(app), removed)
    click.echo(f"The webhook {visible(removed.name)} of {app.slug} is removed.", err=True)


def _of(context: Context, slug: str, name: str | None) -> tuple[Any, Webhook]:
    app = get_app(context.db, slug)
    return app, webhooks.get(context.db, app, name)


webhook.add_command(replay)
webhook.add_command(deliveries)
