"""`scimlite purge`: what was deleted long ago goes for good."""

from __future__ import annotations

import sys

import click

from scimlite.admin import deleted

from .choosing import app_option, chosen_apps
from .context import Context
from .installation import with_installation
from .moments import DURATION, now
from .output import json_option, local_time, print_json, print_table


@click.command()
@app_option
@click.option(
    "--older-than",
    "age",
    type=DURATION,
    metavar="TIME",
    help="How long ago it was deleted: 30d, 12w.  [retention time]",
)
@click.option("--apply", is_flag=True, help="Do it; without this it is only said what would go.")
@json_option
@with_installation
def purge(context: Context, slug: str | None, age: int | None, apply: bool, as_json: bool) -> None:
    """Remove deleted users and groups for good, once they are older than the retention time.

    Says what would go, and does it only with --apply. Users who were deleted while the feature
    delete-the-deactivated was off are kept, however old they are: `scimlite user erase` removes one of them. What was
    purged cannot be restored; its history stays in the report. The service goes on meanwhile; a run that was stopped
    can be repeated. SCIMLITE_RETENTION sets the retention time.

    \b
    Examples: scimlite purge
              scimlite purge --older-than 90d --app entra-id --apply
    """
    wanted = chosen_apps(context, slug)
    before = now() - (context.settings.retention if age is None else age)
    counts = deleted.purgeable(context.db, wanted, before)
    total = sum(counts.values())
    if apply and total:
        _purge(context, slug, before, total)
    if as_json:
        listed = [{"app": app, "type": kind, "count": number} for (app, kind), number in sorted(counts.items())]
        print_json({"applied": apply, "total": total, "purged" if apply else "would_go": listed})
    elif not total:
        click.echo(f"Nothing that may go was deleted before {local_time(before)}.", err=True)
    elif not apply:
        rows = [(app, kind, f"{number:,}") for (app, kind), number in sorted(counts.items())]
        print_table(("App", "What", "Count"), rows, empty="")
        click.echo(f"\nThis was deleted before {local_time(before)} and would go. Do it: --apply", err=True)


def _purge(context: Context, slug: str | None, before: int, total: int) -> None:
    gone = 0
    with click.progressbar(length=total, label="Purging", file=sys.stderr) as bar:
        for step in deleted.purge(context.scope, chosen_apps(context, slug), before):
            gone += step
            bar.update(step)
    click.echo(f"{gone:,} deleted users and groups are gone for good.", err=True)
