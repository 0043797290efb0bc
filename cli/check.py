"""`scimlite check`: whether something needs the operator, for cron and monitoring."""

from __future__ import annotations

import click

from scimlite import apps
from scimlite.admin import backups, figures, watch
from scimlite.admin.watch import Finding, Thresholds

from .kit.app_name import app_option
from .kit.columns import Column, Columns
from .kit.context import Context, with_installation
from .kit.options import json_option, wide_option
from .kit.times import DURATION

_DEFAULTS = Thresholds()
_SHARE = click.IntRange(0, 100)

_FINDINGS = Columns[Finding](
    Column("fine", "State", value=lambda found: found.fine, shown=lambda found: "ok" if found.fine else "FAIL"),
    Column("app", "App", value=lambda found: found.app, shown=lambda found: found.app or "", whole=True),
    Column("topic", "What", value=lambda found: found.topic, rank=1),
    Column("text", "Finding", value=lambda found: found.text, wraps=True),
)


def _off_or_duration(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    return None if value == "off" else DURATION.convert(value, param, ctx)


@click.command()
@app_option
@click.option(
    "--contact",
    callback=_off_or_duration,
    default="24h",
    show_default=True,
    metavar="TIME",
    help="The longest time without a request of a client; off for no limit.",
)
@click.option(
    "--refusals",
    type=_SHARE,
    default=round(_DEFAULTS.refusals * 100),
    show_default=True,
    metavar="PERCENT",
    help="The largest share of refused and failed requests in 24 hours; fewer than 10 never count.",
)
@click.option(
    "--tokens",
    type=DURATION,
    default="14d",
    show_default=True,
    metavar="TIME",
    help="How long before its end a token is told about, unless the client has moved to a newer one.",
)
@click.option(
    "--disk",
    type=_SHARE,
    default=round(_DEFAULTS.disk * 100),
    show_default=True,
    metavar="PERCENT",
    help="The smallest free share of the disk.",
)
@click.option(
    "--backup",
    callback=_off_or_duration,
    default="off",
    show_default=True,
    metavar="TIME",
    help="The oldest that the last `scimlite db backup` may be.",
)
@click.option("--all", "everything", is_flag=True, help="Print what is well too.")
@wide_option
@json_option
@with_installation
def check(
    context: Context,
    slug: str | None,
    contact: int | None,
    refusals: int,
    tokens: int,
    disk: int,
    backup: int | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Say whether something needs you, for cron and monitoring: exit code 0 when all is well, else 1.

    It looks at the database (reached, and of this version), the free disk, the age of the last backup, and for each
    enabled app at brakes, the last contact of its client, the share of refused requests, and tokens that end soon. An
    app that no client has reached yet has no contact to miss. Prints what is wrong, and with --all or --json everything
    that it looked at.

    \b
    Examples: scimlite check
              scimlite check --contact 3h || mail -s Look ops@example.com
    """
    thresholds = Thresholds(contact, refusals / 100, tokens, disk / 100, backup)
    folders = [context.settings.state_dir, *context.db.folders()]
    chosen = apps.every(context.db) if slug is None else [apps.get(context.db, slug)]
    found = watch.judge(
        figures.of_apps(context.db, chosen), folders, backups.last(context.settings.state_dir), thresholds
    )
    wrong = [each for each in found if not each.fine]
    if as_json:
        _FINDINGS.print_data(found, as_csv=False)
    else:
        _FINDINGS.print_table(found if everything else wrong, empty=f"All is well: {len(found)} things were looked at.")
    if wrong:
        raise click.exceptions.Exit(1)
