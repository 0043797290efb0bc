"""`scimlite db backup` and `db restore`: copies of a SQLite database."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scimlite import service_address
from scimlite.admin import backups
from scimlite.config import Settings
from scimlite.db import migration
from scimlite.installation import StartupError, database
from scimlite.own_files import UntrustedPlace

from .kit.confirming import confirm
from .kit.keys import present_keyring
from .kit.options import yes_option
from .kit.sizes import counted, spoken_size

if TYPE_CHECKING:
    from scimlite.admin.restore import Backup


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Copy the SQLite database to FILE while it is in use.

    The copy is one consistent state, and is checked before it gets its name. The service goes on meanwhile; nothing
    that exists is written over. A damaged database exits with 1, and leaves no file. To restore it, stop the service
    and run `scimlite db restore`.

    \b
    Example: scimlite db backup /backup/scimlite-$(date +%F).db
    """
    settings = Settings.from_environment()
    with closing(database(settings)) as opened:
        command = opened.dump_command(file)
        if command is not None:
            raise click.ClickException(f"{opened.described} is backed up with PostgreSQL's own tool: {command}")
        found = migration.status(opened)
        if found.empty and not found.unknown:
            raise StartupError(migration.advice(opened, found))
        try:
            opened.backup(file)
        except FileExistsError:
            raise click.ClickException(
                f"{file} exists already, and nothing is written over. Name another file."
            ) from None
        except OSError as error:
            raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None
    click.echo(f"Wrote {file}, {spoken_size(file.stat().st_size)}.")
    try:
        backups.record(settings.state_dir)
    except (OSError, UntrustedPlace) as error:
        # The copy is whole all the same.
        reason = error if isinstance(error, UntrustedPlace) else f"{settings.state_dir}: {error.strerror}"
        click.echo(f"`scimlite check` will not know of it: {reason}.", err=True)
    if (settings.state_dir / "secret_key").exists():
        click.echo(f"Keep {settings.state_dir / 'secret_key'} with it: no token works without that key.", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@yes_option
@click.option("--dry-run", is_flag=True, help="Check FILE and say what would be done, and change nothing.")
def restore(file: Path, yes: bool, dry_run: bool) -> None:
    """Put FILE, a copy by `scimlite db backup`, in the place of the SQLite database.

    Stop the service first: while one runs, or anything else has the database open, nothing is done. FILE is checked as
    a whole, and whether this version can use it and the secret key fits its tokens. The former file is kept beside the
    new one under a name with the time. At each moment one of both is in place, whole.

    \b
    Examples: scimlite db restore /backup/scimlite-2026-11-26.db --dry-run
              scimlite db restore /backup/scimlite-2026-11-26.db --yes
    """
    # Imported here, because `db status` and `db upgrade` do not need it.
    from scimlite.admin import restore as restoring

    settings = Settings.from_environment()
    opened = database(settings)
    command = opened.restore_command(file)
    if command is not None:
        raise click.ClickException(f"{opened.described} is restored with PostgreSQL's own tool: {command}")
    _refuse_running(settings)
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    with restoring.prepare(path, file, present_keyring(settings)) as restoration:
        _describe(file, restoration.backup)
        there = path.exists()
        question = f"Put it in the place of {opened.described}?" if there else f"Put it at {path}, where nothing is?"
        if dry_run:
            click.echo(f"{'It would replace' if there else 'It would become'} {opened.described}. Nothing was changed.")
            return
        confirm(question, yes=yes)
        kept = restoration.carry_out()
    click.echo(f"Restored {opened.described} from {file}.")
    if kept is not None:
        click.echo(f"The former file is {kept}.", err=True)
    if restoration.backup.pending:
        click.echo("Run `scimlite db upgrade` before you start the service.", err=True)


def _refuse_running(settings: Settings) -> None:
    """Raises ClickException when a service that was started with this state folder runs."""
    url = service_address.running(settings.state_dir)
    if url is not None:
        raise click.ClickException(f"A service runs at {url}: stop it first.")


def _describe(file: Path, backup: Backup) -> None:
    """Print what a backup holds, and on stderr what an operator should know about it."""
    click.echo(
        f"{file} is sound: {spoken_size(backup.size)}, {counted(backup.apps, 'app')}, {counted(backup.users, 'user')}, "
        f"{counted(backup.groups, 'group')} and {backup.entries:,} entries of the report."
    )
    if backup.pending:
        click.echo(f"It is of an earlier version, and needs an upgrade ({', '.join(backup.pending)}).", err=True)
    for warning in backup.warnings:
        click.echo(f"Warning: {warning}", err=True)
