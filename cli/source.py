"""`scimlite source`: directories that are read into an app."""

from __future__ import annotations

from typing import Any

import click

from scimlite.admin import source_state, sources
from scimlite.apps import get as get_app
from scimlite.sync.rules import LEAVERS, MATCHES, Rules
from scimlite.visible_text import visible

from .kit.app_name import app_option, required_app_option
from .kit.choosing import chosen_apps
from .kit.confirming import confirm
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import Choice, dry_run_option, json_option, wide_option, yes_option
from .kit.output import print_fields, print_heading, print_json, print_json_lines, print_title
from .kit.secrets import secret_options, secret_reference
from .kit.times import DURATION, local_time, spoken_length
from .source_columns import COLUMNS, numbers_text
from .source_mapping import map_
from .source_options import KindCommand
from .source_runs import name_argument, preview, runs, status, sync, test

_SECOND = 1_000_000


def _rules_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--every", type=DURATION, metavar="TIME", help="Between two runs that read everything."),
            click.option("--leavers", type=Choice(LEAVERS), help="What becomes of who is not there any more."),
            click.option(
                "--missing-after", type=click.IntRange(1, 9), metavar="N", help="How many full runs must miss somebody."
            ),
            click.option("--match", type=Choice(MATCHES), help="Adopt existing users of the app that have the same."),
            click.option("--match-disabled/--no-match-disabled", default=None, help="Adopt disabled users too."),
            click.option(
                "--hold-below", type=click.IntRange(0, 100), metavar="PERCENT", help="Hold when fewer are found."
            ),
            click.option(
                "--hold-refused", type=click.IntRange(0, 100), metavar="PERCENT", help="Hold when more are refused."
            ),
            click.option(
                "--hold-changes",
                type=click.IntRange(0, 100),
                metavar="PERCENT",
                help="Hold when an attribute changes for more.",
            ),
        )
    ):
        command = option(command)
    return command


@click.group(cls=Group)
def source() -> None:
    """Read a directory into an app: LDAP, Active Directory, a file, another server.

    `scimlite work`, or `serve --work`, reads each source on schedule. A run writes what differs, and is held before it
    writes anything when it would take away too much. NAME may be left out when the app has only one source.

    \b
    Examples: scimlite source add staff --app hr --kind csv --file /srv/staff.csv
              scimlite source preview staff --app hr
              scimlite source status
    """


@source.command(cls=KindCommand)
@click.argument("name")
@required_app_option
@click.option("--kind", required=True, metavar="KIND", help="What it is; `--kind KIND --help` shows its options.")
@secret_options("What it signs in with")
@_rules_options
@click.option("--disabled", is_flag=True, help="Do not read it on schedule yet.")
@json_option
@with_installation
def add(
    context: Context,
    slug: str,
    name: str,
    kind: str,
    disabled: bool,
    as_json: bool,
    secret: dict[str, Any],
    rules: dict[str, Any],
    kind_options: dict[str, Any],
) -> None:
    """Add a source to an app. Nothing is written until it is read.

    \b
    Examples: scimlite source add staff --app hr --kind csv --file /srv/staff.csv
              scimlite source add --kind csv --help
    """
    app = get_app(context.db, slug)
    ruling = Rules().with_(**rules)
    sources.require_free_name(context.db, app, name)
    reference = secret_reference(context, secret, f"source-{app.slug}-{name}")
    made = sources.add(
        context.workspace(app), name, kind, kind_options, secret=reference, rules=ruling, disabled=disabled
    )
    if as_json:
        print_json(COLUMNS.data(source_state.status(context.db, app, made)))
        return
    click.echo(f"The source {visible(made.name)} is added to {app.slug}.", err=True)
    click.echo(f"Try it:           scimlite source test {visible(made.name)} --app {app.slug}", err=True)
    click.echo(f"See what it does: scimlite source preview {visible(made.name)} --app {app.slug}", err=True)
    if not disabled:
        click.echo("It is read by scimlite work, or by scimlite serve --work.", err=True)


@source.command(name="list")
@app_option
@json_option
@wide_option
@with_installation
def list_(context: Context, slug: str | None, as_json: bool) -> None:
    """List sources: how they are doing, and how many users come from them.

    \b
    Example: scimlite source list
    """
    listed = source_state.every(context.db, chosen_apps(context, slug))
    if as_json:
        print_json_lines(map(COLUMNS.data, listed))
        return
    empty = "There is no source. Add one: scimlite source add NAME --app SLUG --kind KIND"
    COLUMNS.print_table(listed, empty=empty, hidden_when_empty=("Refused", "Missing", "Why"))


@source.command()
@name_argument
@required_app_option
@json_option
@with_installation
def show(context: Context, slug: str, name: str | None, as_json: bool) -> None:
    """Show a source: its options, its rules, its last run, and what is refused.

    \b
    Example: scimlite source show staff --app hr
    """
    app = get_app(context.db, slug)
    shown = sources.get(context.db, app, name)
    state = source_state.status(context.db, app, shown)
    refused = source_state.refused(context.db, app, shown, 20)
    ruling = shown.ruling
    if as_json:
        rules = {"every_seconds": ruling.every, "leavers": ruling.leavers, "missing_after": ruling.missing_after}
        rules |= {"match": ruling.match, "match_disabled": ruling.match_disabled}
        rules |= {name: getattr(ruling, name) for name in ("hold_below", "hold_refused", "hold_changes")}
        entries = [{"type": each.type, "key": each.key, "reason": each.reason} for each in refused]
        options = {"options": shown.options, "secret": shown.secret, "mapping": shown.rows}
        print_json({**COLUMNS.data(state), **options, "rules": rules, "refused_entries": entries})
        return
    print_title(f"{app.slug}: {shown.name}")
    every = spoken_length(ruling.seconds_between(state.users + state.groups) * _SECOND)
    print_fields(
        [
            ("Kind", shown.kind),
            ("State", state.state + (f": {state.why}" if state.why else "")),
            *((f"--{option}", _option_text(value)) for option, value in shown.options.items()),
            ("Secret", shown.secret or ""),
            ("Read", f"every {every}"),
            ("Leavers", f"{ruling.leavers}, when {ruling.missing_after} full runs did not find them"),
            ("Match", ruling.match if ruling.match != "none" else ""),
            ("Users", f"{state.users:,}"),
            ("Groups", f"{state.groups:,}" if state.groups else ""),
            ("Missing", f"{state.missing:,}" if state.missing else ""),
            ("Last good run", local_time(shown.last_ok_at) or "never"),
            ("Last run", numbers_text(state.last.numbers) if state.last else ""),
        ]
    )
    if refused:
        print_heading("Refused entries")
        for each in refused:
            click.echo(f"{each.type} {visible(each.key)}: {visible(each.reason or '')}")


def _option_text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


@source.command(cls=KindCommand)
@name_argument
@required_app_option
@click.option("--name", "new_name", metavar="NAME", help="Another name.")
@secret_options("What it signs in with")
@_rules_options
@click.option("--accept-identity", is_flag=True, help="It is another directory now, and that is right.")
@with_installation
def edit(
    context: Context,
    slug: str,
    name: str | None,
    new_name: str | None,
    accept_identity: bool,
    secret: dict[str, Any],
    rules: dict[str, Any],
    kind_options: dict[str, Any],
) -> None:
    """Change a source; an option with an empty value goes. The next run reads everything.

    \b
    Examples: scimlite source edit staff --app hr --leavers delete
              scimlite source edit staff --app hr --every 30m
    """
    app = get_app(context.db, slug)
    edited = sources.get(context.db, app, name)
    reference = secret_reference(context, secret, f"source-{app.slug}-{edited.name}")
    given = {key: value for key, value in rules.items() if value is not None}
    if not (new_name or accept_identity or reference or given or kind_options):
        raise click.UsageError("Nothing to change: give an option of its kind, a rule, or --name.")
    changed = sources.edit(
        context.workspace(app),
        edited,
        name=new_name,
        options=kind_options,
        secret=reference,
        rules=edited.ruling.with_(**given) if given else None,
        accept_identity=accept_identity,
    )
    click.echo(f"The source {visible(changed.name)} of {app.slug} is changed.", err=True)


@source.command()
@name_argument
@required_app_option
@with_installation
def enable(context: Context, slug: str, name: str | None) -> None:
    """Read a source on schedule again.

    \b
    Example: scimlite source enable staff --app hr
    """
    _set_state(context, slug, name, enabled=True)


@source.command()
@name_argument
@required_app_option
@with_installation
def disable(context: Context, slug: str, name: str | None) -> None:
    """Do not read a source on schedule; its users stay as they are.

    \b
    Example: scimlite source disable staff --app hr
    """
    _set_state(context, slug, name, enabled=False)


def _set_state(context: Context, slug: str, name: str | None, *, enabled: bool) -> None:
    app = get_app(context.db, slug)
    chosen = sources.get(context.db, app, name)
    sources.set_state(context.workspace(app), chosen, enabled=enabled)
    word = "enabled" if enabled else "disabled"
    click.echo(f"The source {visible(chosen.name)} of {app.slug} is {word}.", err=True)


@source.command()
@name_argument
@required_app_option
@click.option(
    "--users",
    type=Choice([sources.KEEP, sources.DISABLE]),
    help="Keep its users as they are, or disable them first.",
)
@yes_option
@dry_run_option
@with_installation
def remove(context: Context, slug: str, name: str | None, users: str | None, yes: bool, dry_run: bool) -> None:
    """Remove a source. Say with --users what becomes of the users who come from it.

    \b
    Example: scimlite source remove staff --app hr --users keep
    """
    app = get_app(context.db, slug)
    removed = sources.get(context.db, app, name)
    state = source_state.status(context.db, app, removed)
    if users is None and state.users:
        raise click.UsageError(
            f"{state.users:,} users come from it: say --users keep to leave them as they are, or --users disable."
        )
    then = f"disable its {state.users:,} users" if users == sources.DISABLE else f"keep its {state.users:,} users"
    what = f"the source {visible(removed.name)} of {app.slug}"
    if dry_run:
        click.echo(f"It would remove {what}, and {then}.")
        return
    confirm(f"Remove {what}, and {then}?", yes=yes)
    state_dir = context.settings.state_dir
    disabled = sources.remove(context.workspace(app), removed, users=users or sources.KEEP, state_dir=state_dir)
    more = f" {disabled:,} users are disabled." if users == sources.DISABLE else ""
    click.echo(f"The source {visible(removed.name)} of {app.slug} is removed.{more}", err=True)


for command in (test, preview, sync, status, runs, map_):
    source.add_command(command)
