"""`scimlite purge`: removes for good the users and groups that were deleted long ago."""

from __future__ import annotations

import sys
from functools import partial

import click

from scimlite import clock
from scimlite.admin import deleted

from .kit.app_name import app_option
from .kit.choosing import chosen_apps
from .kit.columns import Column, Columns
from .kit.confirming import confirm
from .kit.context import Context, with_installation
from .kit.options import dry_run_option, json_option, yes_option
from .kit.output import print_json
from .kit.times import DURATION, spoken_time

_Counted = tuple[tuple[str, str], int]
_COUNTS = Columns[_Counted](
    Column("app", "App", value=lambda counted: counted[0][0]),
    Column("type", "What", value=lambda counted: counted[0][1]),
    Column("count", "Count", value=lambda counted: counted[1], shown=lambda counted: f"{counted[1]:,}"),
)


@click.command()
@app_option
@click.option(
    "--older-than",
    "age",
    type=DURATION,
    metavar="TIME",
    help="Only what was deleted longer ago than this: 30d, 12w.  [retention time]",
)
@partial(yes_option, old=["--apply"])
@dry_run_option
@json_option
@with_installation
def purge(context: Context, slug: str | None, age: int | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Remove deleted users and groups for good, once they are older than the retention time.

    Shows what would go; removes it with --yes, or when you say yes on a terminal. Users who were deleted while the
    feature delete-the-deactivated was off are kept, however old they are: `scimlite user erase` removes one of them. A
    purged user or group cannot be restored; its history stays in the report. The service keeps running meanwhile, and a
    run that was stopped can be repeated. SCIMLITE_RETENTION sets the retention time.

    \b
    Examples: scimlite purge --dry-run
              scimlite purge --older-than 90d --app entra-id --yes
    """
    apps = chosen_apps(context, slug)
    before = clock.now() - (context.settings.retention if age is None else age)
    counts = deleted.purgeable(context.db, apps, before)
    total = sum(counts.values())
    listed = sorted(counts.items())
    if not total and not as_json:
        click.echo(f"Nothing that may go was deleted before {spoken_time(before)}.", err=True)
        return
    if not yes and not as_json:
        _COUNTS.print_table(listed, empty="")
        click.echo(f"\nThis was deleted before {spoken_time(before)} and would go. Remove it: --yes", err=True)
    # Nobody to ask is no error here: to show what would go is half of what the command is for.
    asked = not (yes or dry_run or as_json) and sys.stdin.isatty()
    if asked:
        confirm("Remove it?", yes=False)
    removes = (yes or asked) and not dry_run
    if removes and total:
        _purge(context, slug, before, total)
    if as_json:
        data = [_COUNTS.data(counted) for counted in listed]
        print_json({"applied": removes, "total": total, "purged" if removes else "would_go": data})


def _purge(context: Context, slug: str | None, before: int, total: int) -> None:
    gone = 0
    with click.progressbar(length=total, label="Purging", file=sys.stderr) as bar:
        for step in deleted.purge(context.scope, chosen_apps(context, slug), before):
            gone += step
            bar.update(step)
    click.echo(f"{gone:,} deleted users and groups are gone for good.", err=True)
