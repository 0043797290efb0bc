"""`scimlite target disable`, `enable` and `remove`."""

from __future__ import annotations

import click

from scimlite.admin import targets
from scimlite.apps import get as get_app
from scimlite.visible_text import visible

from .kit.app_name import required_app_option
from .kit.confirming import confirm
from .kit.context import Context, with_installation
from .kit.options import dry_run_option, yes_option
from .target_options import name_argument


@click.command()
@name_argument
@required_app_option
@with_installation
def disable(context: Context, slug: str, name: str | None) -> None:
    """Push nothing until it is enabled. What changes meanwhile is pushed then.

    \b
    Example: scimlite target disable crm --app entra-id
    """
    app = get_app(context.db, slug)
    found = targets.get(context.db, app, name)
    targets.disable(context.workspace(app), found)
    click.echo(f"The target {visible(found.name)} of {app.slug} is disabled.", err=True)


@click.command()
@name_argument
@required_app_option
@with_installation
def enable(context: Context, slug: str, name: str | None) -> None:
    """Push again.

    \b
    Example: scimlite target enable crm --app entra-id
    """
    app = get_app(context.db, slug)
    found = targets.get(context.db, app, name)
    targets.enable(context.workspace(app), found)
    click.echo(f"The target {visible(found.name)} of {app.slug} is enabled.", err=True)


@click.command()
@name_argument
@required_app_option
@yes_option
@dry_run_option
@with_installation
def remove(context: Context, slug: str, name: str | None, yes: bool, dry_run: bool) -> None:
    """Remove a target, and the token if it is kept here. At the server everything stays as it is.

    \b
    Example: scimlite target remove crm --app entra-id
    """
    app = get_app(context.db, slug)
    found = targets.get(context.db, app, name)
    what = f"the target {visible(found.name)} of {app.slug}, {visible(found.url)}"
    if dry_run:
        click.echo(f"{what[0].upper()}{what[1:]}, would be removed.")
        return
    confirm(f"Remove {what}?", yes=yes)
    targets.remove(context.workspace(app), found, context.settings.state_dir)
    click.echo(f"The target {visible(found.name)} of {app.slug} is removed.", err=True)
