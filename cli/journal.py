"""`scimlite journal`: deletes old entries of the report."""

from __future__ import annotations

import sys

import click

from scimlite import clock
from scimlite.admin import webhook_state
from scimlite.journal import pruning
from scimlite.visible_text import visible

from .kit.confirming import confirm
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import dry_run_option, yes_option
from .kit.times import DURATION, spoken_time


@click.group(cls=Group)
def journal() -> None:
    """Delete old entries of the report. Users and groups, deleted ones too, stay as they are.

    \b
    Example: scimlite journal prune --older-than 180d
    """


@journal.command()
@click.option(
    "--older-than",
    "age",
    type=DURATION,
    required=True,
    metavar="TIME",
    help="Age of the entries to delete: 180d, 52w.",
)
@click.option("--force", is_flag=True, help="Also what a webhook's receiver has not got yet.")
@yes_option
@dry_run_option
@with_installation
def prune(context: Context, age: int, force: bool, yes: bool, dry_run: bool) -> None:
    """Delete entries of the report that are older than a time. It cannot be undone.

    A new entry records that it was done, and how many entries were deleted. The service keeps running meanwhile, and a
    run that was stopped can be repeated. What a webhook's receiver has not got yet stays, unless --force is given.

    \b
    Examples: scimlite journal prune --older-than 180d
              scimlite journal prune --older-than 52w --yes
    """
    before = clock.now() - age
    holding = [] if force else webhook_state.holding(context.db, before)
    for status in holding:
        since = spoken_time(status.behind_since)
        name = f"{visible(status.webhook.name)} of {status.app.slug}"
        click.echo(
            f"The webhook {name} has not got the events since {since}: they stay. --force deletes them.", err=True
        )
    before = min([before, *(status.behind_since for status in holding if status.behind_since is not None)])
    count = pruning.prunable(context.db, before)
    if not count:
        click.echo(f"No entry is from before {spoken_time(before)}.", err=True)
        return
    if dry_run:
        click.echo(f"{count:,} entries are from before {spoken_time(before)} and would be deleted.")
        return
    if not yes:
        click.echo(f"{count:,} entries are from before {spoken_time(before)}. It cannot be undone.", err=True)
    confirm("Delete them?", yes=yes)
    gone = 0
    with click.progressbar(length=count, label="Deleting", file=sys.stderr) as bar:
        for step in pruning.prune(context.scope, before):
            gone += step
            bar.update(step)
    click.echo(f"{gone:,} entries were deleted.", err=True)
