"""Deleted users and groups: listed, and restored; what `user` and `group` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from scimlite.admin import deleted, people
from scimlite.admin.deleted import Tombstone
from scimlite.apps import App
from scimlite.directory.tombstones import DEACTIVATED, DEPROVISIONED
from scimlite.scim.schema import ResourceType

from .choosing import print_place, the_one
from .context import Context
from .output import iso_time, local_time, print_csv, print_json, print_table, visible

#: What `--csv` and `--json` call the facts of a tombstone.
_FIELDS = ("app", "id", "name", "display_name", "deleted_at", "ended", "purgeable_from")
_ENDED = {DEPROVISIONED: "deleted, deprovisioned", DEACTIVATED: "deactivated, deprovisioned"}


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
    """A page of the deleted users or groups of apps, the newest first, with when each may be purged."""
    number = page or 1
    total = deleted.count(context.db, apps, resource_type, search)
    found = deleted.page(context.db, apps, resource_type, search, number=number, size=per_page)
    noun = resource_type.name.lower()
    if as_csv:
        print_csv(_FIELDS, (tuple(_data(context, each).values()) for each in found))
    elif as_json:
        listed = [_data(context, each) for each in found]
        print_json({"total": total, "page": number, "per_page": per_page, f"{noun}s": listed})
    else:
        print_table(
            ("Name", "App", "Deleted", "How", "May be purged", "Id"),
            [
                (
                    each.name,
                    each.app.slug,
                    local_time(each.deleted_at, seconds=False),
                    _ENDED.get(each.ended, "deleted"),
                    f"from {local_time(_purgeable_from(context, each), seconds=False)}" if each.purgeable else "never",
                    each.id,
                )
                for each in found
            ],
            empty=f"No deleted {noun}{' matches' if search else ''}.",
        )
        print_place(f"deleted {noun}", number, per_page, len(found), total)


def _purgeable_from(context: Context, tombstone: Tombstone) -> int | None:
    return tombstone.deleted_at + context.settings.retention if tombstone.purgeable else None


def _data(context: Context, tombstone: Tombstone) -> dict[str, Any]:
    values = (
        tombstone.app.slug,
        tombstone.id,
        tombstone.name,
        tombstone.display,
        iso_time(tombstone.deleted_at),
        tombstone.ended,
        iso_time(_purgeable_from(context, tombstone)),
    )
    return dict(zip(_FIELDS, values, strict=True))


def restore(context: Context, resource_type: ResourceType, slug: str | None, text: str) -> None:
    """Restore the deleted user or group that goes by this name; fails when there is none, or a living one."""
    found = the_one(context, resource_type, slug, text)
    if found.deleted_at is None:
        newer = [each.id for each in people.find(context.db, resource_type, [found.app], text)]
        hint = f"To restore a deleted one of the same name, give its id: scimlite {resource_type.name.lower()} list"
        raise click.ClickException(f"{visible(found.name)} ({newer[0]}) is not deleted. {hint} --deleted")
    # The app's own: what it declares beside the built-in schemas counts as well.
    kind = found.app.resource_types[resource_type.endpoint]
    told = deleted.restore(context.workspace(found.app), kind, found.id)
    click.echo(f"Restored {visible(found.name)} in {found.app.slug}: {told}.", err=True)
