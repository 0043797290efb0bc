"""`scimlite db check`: whether the database is sound."""

from __future__ import annotations

import sys

import click

from scimlite.admin.check import Check, Counts
from scimlite.visible_text import visible

from .kit.app_name import app_option
from .kit.context import Context, with_installation
from .kit.keys import present_keyring
from .kit.options import json_option
from .kit.output import print_json
from .kit.sizes import counted


@click.command()
@app_option
@json_option
@with_installation
def check(context: Context, slug: str | None, as_json: bool) -> None:
    """Check that the database is sound, and that everything in it agrees.

    First by the database's own means: SQLite's integrity_check and foreign keys, PostgreSQL's constraints and indexes.
    Then every column of every table by itself, each document with its columns, value rows and profile, members with
    both their ends, and whatever refers to something else. Nothing is changed, and the service can go on. Exits with 1
    when something is wrong, with a line for each kind of it. 100,000 users take about a minute.

    \b
    Examples: scimlite db check
              scimlite db check --app entra-id --json
    """
    keyring = present_keyring(context.settings)
    check = Check(context.db, slug, keyring.fingerprints if keyring is not None else None)
    counts = check.counts()
    total = counts.resources + counts.memberships + counts.entries
    with click.progressbar(length=total, label=f"First {check.begins_with}", file=sys.stderr) as bar:
        for step in check.run():
            bar.label = "Checking"
            bar.update(step)
    for note in check.notes:
        click.echo(note, err=True)
    if as_json:
        found = [
            {
                "kind": finding.kind.value,
                "what": finding.kind.words,
                "count": finding.count,
                "examples": finding.examples,
            }
            for finding in check.findings
        ]
        print_json({"sound": not found, "checked": counts._asdict(), "findings": found, "notes": check.notes})
    else:
        for finding in check.findings:
            line = f"{finding.kind}: {finding.count:,} {finding.kind.words}: {'; '.join(finding.examples)}"
            click.echo(visible(line))
        if not check.findings:
            click.echo(f"{context.db.described} is sound: {_spoken(counts)}.")
    if check.findings:
        click.echo("Restore a backup from before this, or ask for help: docs/operate.md, Check the database.", err=True)
        click.get_current_context().exit(1)


def _spoken(counts: Counts) -> str:
    return (
        f"{counts.resources:,} users, groups and other resources, {counted(counts.memberships, 'membership')} and "
        f"{counts.entries:,} entries of {counted(counts.apps, 'app')} were checked"
    )
