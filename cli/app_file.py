"""`scimlite app export` and `app import`: an app as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from scimlite.admin import apps
from scimlite.admin.rehearsal import rehearse
from scimlite.visible_text import visible

from .app_show import summary
from .kit.app_name import app_argument, app_of_file_option, from_environment
from .kit.confirming import confirmed
from .kit.context import Context, with_first_installation, with_installation
from .kit.json_file import read_json
from .kit.options import json_option, yes_option
from .kit.output import print_json

if TYPE_CHECKING:
    from scimlite.admin.app_file import Imported


@click.command(name="export")
@app_argument
@with_installation
def export(context: Context, slug: str) -> None:
    """Print an app as JSON: name, profile, features, mapping and declarations.

    There are no tokens and no other secrets in it. The same app gives the same text, so that it can be kept under
    version control. What is left out is as in a new app of that profile.

    \b
    Example: scimlite app export entra-id > entra-id.json
    """
    # Imported here and below, because marshmallow takes 50 ms that the other commands of `app` need not.
    from scimlite.admin import app_file

    print_json(app_file.export(apps.get(context.db, slug)))


@click.command(name="import")
@click.argument("file", type=click.File("rb"))
@app_of_file_option
@click.option("--create", is_flag=True, help="Make the app when it is missing; it gets no token.")
@yes_option
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option
@with_first_installation
def import_(
    context: Context,
    file: BinaryIO,
    slug: str | None,
    create: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make an app what FILE says, as `scimlite app export` prints it; - is standard input.

    Features, mapping and declarations become those of the file, and what it leaves out becomes as in a new app. All
    of it is done or nothing. Importing the same file again changes nothing. Where stored values would be lost, it asks.

    \b
    Examples: scimlite app import entra-id.json --dry-run
              scimlite app import entra-id.json --app entra-test --create
    """
    from scimlite.admin import app_file

    from .kit.recomputing import recompute_profiles

    wanted = app_file.read(read_json(file))
    # A file that names its app is part of the command line, which wins over the environment.
    target = wanted.slug if wanted.slug and from_environment("slug") else slug

    def act(sure: bool) -> Imported:
        return app_file.load(context.scope, wanted, target, create=create, force=sure)

    done = rehearse(context.scope, lambda: act(True)) if dry_run else confirmed(act, "Go on?", yes=yes)
    if not dry_run:
        recompute_profiles(context, done.app)
    if as_json:
        about = {"app": done.app.slug} if dry_run else summary(context, done.app)
        print_json({**about, "created": done.created, "changes": done.changes})
        return
    if dry_run:
        click.echo("Nothing was changed. This would be:", err=True)
    lines = (
        "\n".join(map(visible, done.changes)) or f"{done.app.slug} is like that already; there is nothing to change."
    )
    click.echo(lines, err=not dry_run)
