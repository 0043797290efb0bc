"""`scimlite webhook pause`, `resume`, `test`, `rotate` and `remove`: what an operator does with one that there is."""

from __future__ import annotations

from contextlib import closing

import click

from scimlite.admin import webhook_trial, webhooks
from scimlite.apps import App
from scimlite.apps import get as get_app
from scimlite.events.sending import Service
from scimlite.events.webhooks import Webhook
from scimlite.outbound import Client
from scimlite.visible_text import visible

from .kit.app_name import required_app_option
from .kit.confirming import confirm
from .kit.context import Context, with_installation
from .kit.options import dry_run_option, json_option, yes_option
from .kit.output import print_json
from .kit.times import DURATION, spoken_length
from .webhook_deliveries import name_argument


@click.command()
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


@click.command()
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


@click.command()
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
        service = Service(context.keyring, context.installation.scim_root)
        verdict = webhook_trial.send(context.workspace(app), service, client, tried)
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


@click.command()
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


@click.command()
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


def _of(context: Context, slug: str, name: str | None) -> tuple[App, Webhook]:
    app = get_app(context.db, slug)
    return app, webhooks.get(context.db, app, name)
