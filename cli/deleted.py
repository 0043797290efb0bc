"""Deleted users and groups, listed and restored by `scimlite user` and `scimlite group`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from scimlite.admin import deleted, people
from scimlite.admin.deleted import Tombstone
from scimlite.apps import App
from scimlite.directory.tombstones import DEACTIVATED, DEPROVISIONED
from scimlite.scim import core
from scimlite.scim.schema import ResourceType
from scimlite.visible_text import visible

from .kit.choosing import the_one
from .kit.columns import Column, Columns
from .kit.context import Context
from .kit.output import print_place
from .kit.times import iso_time, local_time

_ENDED = {DEPROVISIONED: "deleted, deprovisioned", DEACTIVATED: "deactivated, deprovisioned"}


def _columns(resource_type: ResourceType, retention: int) -> Columns[Tombstone]:
    names: list[Column[Tombstone]] = [
        Column("user_name", "Name", value=lambda tombstone: tombstone.name, old="name"),
        Column("display_name", value=lambda tombstone: tombstone.display),
    ]
    if resource_type is core.GROUP:
        names = [Column("display_name", "Name", value=lambda tombstone: tombstone.name, old="name")]

    def purgeable_from(tombstone: Tombstone) -> int | None:
        return tombstone.deleted_at + retention if tombstone.purgeable else None

    return Columns(
        Column("app", "App", value=lambda tombstone: tombstone.app.slug, rank=2),
        Column("id", "Id", value=lambda tombstone: tombstone.id),
        *names,
        Column(
            "deleted_at",
            "Deleted",
            value=lambda tombstone: iso_time(tombstone.deleted_at),
            shown=lambda tombstone: local_time(tombstone.deleted_at, seconds=False),
        ),
        Column(
            "ended",
            "How",
            value=lambda tombstone: tombstone.ended,
            shown=lambda tombstone: _ENDED.get(tombstone.ended, "deleted"),
            rank=3,
        ),
        Column(
            "purgeable_at",
            "May go from",
            value=lambda tombstone: iso_time(purgeable_from(tombstone)),
            old="purgeable_from",
            shown=lambda tombstone: local_time(purgeable_from(tombstone), seconds=False) or "never",
            rank=1,
        ),
        table=("Name", "App", "Deleted", "How", "May go from", "Id"),
    )


def print_deleted(
    context: Context,
    apps: Sequence[App],
    resource_type: ResourceType,
    search: str | None,
    *,
    page: int | None,
    per_page: int,
    as_json: bool = False,
    as_csv: bool = False,
) -> None:
    """Print a page of the deleted users or groups of apps, the newest first, with the time from which each may go."""
    number = page or 1
    columns = _columns(resource_type, context.settings.retention)
    noun = resource_type.name.lower()
    if (as_csv or as_json) and page is None:
        columns.print_data(deleted.walk(context.db, apps, resource_type, search), as_csv=as_csv)
        return
    total = deleted.count(context.db, apps, resource_type, search)
    listed = deleted.page(context.db, apps, resource_type, search, number=number, size=per_page)
    if as_csv or as_json:
        columns.print_data(listed, as_csv=as_csv)
    elif listed or not total:
        columns.print_table(listed, empty=f"No deleted {noun}{' matches' if search else ''}.")
    print_place(f"deleted {noun}", number, per_page, len(listed), total)


def restore(context: Context, resource_type: ResourceType, slug: str | None, text: str) -> None:
    """Restore the deleted user or group with this name. Raises ClickException when there is none, or it is alive."""
    match = the_one(context, resource_type, slug, text)
    if match.deleted_at is None:
        ids = [living.id for living in people.find(context.db, resource_type, [match.app], text)]
        hint = f"To restore a deleted one of the same name, give its id: scimlite {resource_type.name.lower()} list"
        raise click.ClickException(f"{visible(match.name)} ({ids[0]}) is not deleted. {hint} --deleted")
    # The app's own resource type, so that what the app declares beside the built-in schemas counts as well.
    own_type = match.app.resource_types[resource_type.endpoint]
    result = deleted.restore(context.workspace(match.app), own_type, match.id)
    click.echo(f"Restored {visible(match.name)} in {match.app.slug}: {result}.", err=True)
