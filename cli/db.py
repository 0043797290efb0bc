"""`scimlite db`: upgrade and inspect the database."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from scimlite.admin import apps
from scimlite.admin.contents import contents_of
from scimlite.config import Settings
from scimlite.db import Database, drift, migration
from scimlite.events import epoch
from scimlite.installation import StartupError, check_not_lost, database
from scimlite.journal import report

from .db_check import check
from .db_copies import backup, restore
from .kit.confirming import confirm
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import json_option, yes_option
from .kit.output import print_fields, print_json
from .kit.sizes import spoken_size


@click.group(cls=Group)
def db() -> None:
    """Upgrade, inspect, check, back up and restore the database.

    It is the one that SCIMLITE_DATABASE_URL names, else scimlite.db in the state folder.

    \b
    Example: scimlite db status
    """


@db.command()
@click.option("--begin-anew", is_flag=True, help="Make an empty database where there was one before.")
def upgrade(begin_anew: bool) -> None:
    """Bring the database to this version's schema, or make it when it is empty.

    It makes none where a secret key or the address of a former service says that there was one, unless --begin-anew
    is given.

    Safe to run at every deployment, and on several servers at once: one of them does the work. All of it
    happens in one transaction, so a failure leaves the database as it was. Exits with 1 when the tables are not as
    this version needs them although all migrations ran, and names what is missing.

    \b
    Example: scimlite db backup before.db && scimlite db upgrade
    """
    settings = Settings.from_environment()
    with closing(database(settings)) as opened:
        before = migration.status(opened)
        if before.unknown:
            raise StartupError(migration.advice(opened, before))
        if before.empty and not begin_anew:
            check_not_lost(opened, settings)
        applied = migration.upgrade(opened)
        different = drift.differences(opened)
    if different:
        _print_trouble(opened, [], different)
        raise click.ClickException(
            f"{opened.described} is not as this version needs it (applied now: {', '.join(applied) or 'nothing'})."
        )
    if not applied:
        click.echo(f"{opened.described} is up to date; nothing was changed.")
    elif before.empty:
        click.echo(f"{opened.described} is ready: an empty database was initialised ({', '.join(applied)}).")
    else:
        click.echo(f"{opened.described} is up to date: applied {', '.join(applied)}.")


@db.command()
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show which database is used, its migrations, and how much it holds.

    Exits with 1 when the database is not at this version's schema, and says on stderr what to do. Tables, columns,
    keys and indexes are compared with what this version needs, and migrations with those that were applied.

    \b
    Example: scimlite db status --json
    """
    with closing(database(Settings.from_environment())) as opened:
        found = migration.status(opened)
        changed = migration.changed(opened)
        different = drift.differences(opened) if found.current else []
        facts: dict[str, Any] = {
            "database": opened.described,
            "kind": opened.kind,
            "current": found.current,
            "applied": found.applied,
            "pending": found.pending,
            "unknown": found.unknown,
            "changed": changed,
            "differences": different,
            "bytes": opened.size(),
            **(_contents(opened) if found.current and not different else {}),
        }
    if as_json:
        print_json(facts)
    else:
        _print(facts)
    if not found.current:
        click.echo(migration.advice(opened, found), err=True)
    _print_trouble(opened, changed, different)
    if changed or different or not found.current:
        ctx.exit(1)


def _print_trouble(opened: Database, changed: list[str], different: list[str]) -> None:
    """Print on stderr what is wrong with a database although its migrations were applied, and what to do."""
    if changed:
        click.echo(str(migration.ChangedMigrationError(opened, changed)), err=True)
    if different:
        click.echo(
            f"{opened.described} differs from what this version needs, although its migrations were applied:", err=True
        )
        for sentence in different:
            click.echo(f"  {sentence}", err=True)
        click.echo(
            "It was made by a version between two releases, or changed by hand. Restore a backup from before that, or "
            "change these tables to what is said here.",
            err=True,
        )


@db.command(name="new-epoch")
@yes_option
@with_installation
def new_epoch(context: Context, yes: bool) -> None:
    """Have every application read all profiles anew, after PostgreSQL was set back to an earlier state.

    Applications that read the feed of events may have seen what a restored backup does not have. Their cursors are
    refused from now on, and they begin with the profiles. `scimlite db restore` does it by itself, and so does the
    service when the database came to another server.

    \b
    Example: scimlite db new-epoch
    """
    if not yes:
        click.echo("Every cursor of the feed is refused then; applications read all profiles once more.", err=True)
    confirm("Begin anew?", yes=yes)
    epoch.begin(context.scope)
    click.echo("The feed begins anew.", err=True)


def _contents(opened: Database) -> dict[str, int]:
    """Count what a database of this version's schema holds."""
    every = apps.every(opened)
    counted = contents_of(opened, every).values()
    return {
        "apps": len(every),
        "users": sum(contents.users for contents in counted),
        "groups": sum(contents.groups for contents in counted),
        "journal": report.count(opened),
    }


def _print(facts: dict[str, Any]) -> None:
    schema = "up to date" if facts["current"] else "not up to date"
    lines = {
        "Database": facts["database"],
        "Schema": "not as this version needs it" if facts["changed"] or facts["differences"] else schema,
        "Applied": ", ".join(facts["applied"]) or "nothing",
        "Pending": ", ".join(facts["pending"]) or "nothing",
    }
    if facts["unknown"]:
        lines["Unknown"] = ", ".join(facts["unknown"])
    if facts["bytes"] is not None:
        lines["Size"] = spoken_size(facts["bytes"])
    for name in ("apps", "users", "groups", "journal"):
        if name in facts:
            lines[name.capitalize()] = f"{facts[name]:,}" + (" entries" if name == "journal" else "")
    print_fields(lines.items())


db.add_command(check)
db.add_command(backup)
db.add_command(restore)
