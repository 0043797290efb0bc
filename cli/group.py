"""`scimlite group`: list groups, and show one with its members."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from scimlite.admin import people
from scimlite.admin.people import Found, Listing
from scimlite.scim import core

from .choosing import app_option, chosen_apps, page_options, print_place, the_one
from .context import Context
from .deleted import print_deleted, restore
from .installation import with_installation
from .output import (
    iso_time,
    json_option,
    local_time,
    print_fields,
    print_heading,
    print_json,
    print_table,
    visible,
    width,
)

#: Columns from which ids are shown too.
_WIDE = 120


@click.group()
def group() -> None:
    """List groups, and show one with its members.

    \b
    Example: scimlite group show Engineering
    """


@group.command(name="list")
@app_option
@click.option("--search", metavar="TEXT", help="Part of a displayName, without case.")
@click.option("--deleted", is_flag=True, help="Deleted groups, the newest first, and until when each is kept.")
@page_options
@json_option
@with_installation
def list_(
    context: Context,
    slug: str | None,
    search: str | None,
    deleted: bool,
    page: int | None,
    per_page: int,
    as_json: bool,
) -> None:
    """List groups by displayName, a page at a time.

    Members are counted that are directly in a group.

    \b
    Example: scimlite group list --app entra-id --search sales
    """
    apps = chosen_apps(context, slug)
    if deleted:
        print_deleted(context, apps, core.GROUP, search or None, page=page, per_page=per_page, as_json=as_json)
        return
    wanted = Listing(core.GROUP, apps, search or None)
    number = page or 1
    found = people.page(context.db, wanted, number=number, size=per_page)
    counts = people.member_counts(context.db, found.found)
    if as_json:
        print_json(
            {
                "total": found.total,
                "page": number,
                "per_page": per_page,
                "groups": [{**_data(each), "members": counts.get(each.row, 0)} for each in found.found],
            }
        )
        return
    one_app = len(wanted.apps) == 1
    if found.found or not found.total:
        print_table(
            ("Group", "Members", *(() if one_app else ("App",)), "Changed", "Id"),
            [
                (
                    each.name,
                    f"{counts.get(each.row, 0):,}",
                    *(() if one_app else (each.app.slug,)),
                    local_time(each.modified_at, seconds=False),
                    each.id,
                )
                for each in found.found
            ],
            empty="No group matches." if search else "No group yet.",
        )
    print_place("group", number, per_page, len(found.found), found.total)


@group.command(name="restore")
@click.argument("group")
@app_option
@with_installation
def restore_(context: Context, group: str, slug: str | None) -> None:
    """Give back a deleted group, with its members that still exist.

    GROUP is the group's id, which `scimlite group list --deleted` shows.

    \b
    Example: scimlite group restore 2819c223-7f76-453a-919d-413861904646
    """
    restore(context, core.GROUP, slug, group)


@group.command()
@click.argument("group")
@app_option
@click.option("--nested", is_flag=True, help="List also the members of groups in it.")
@page_options
@json_option
@with_installation
def show(
    context: Context,
    group: str,
    slug: str | None,
    nested: bool,
    page: int | None,
    per_page: int,
    as_json: bool,
) -> None:
    """Show a group and its members, a page at a time.

    GROUP is an id, a displayName (without case) or an externalId.

    \b
    Examples: scimlite group show Engineering
              scimlite group show Engineering --nested --page 2
    """
    found = the_one(context, core.GROUP, slug, group)
    number = page or 1
    held = people.holding(context.db, found)
    inside = people.groups_of(context.db, found)
    members = people.members(context.db, found, nested=nested, number=number, size=per_page)
    if as_json:
        print_json(
            {
                **_data(found),
                "deleted_at": iso_time(found.deleted_at),
                "version": found.version,
                "external_id": found.attributes.get("externalId"),
                "users": held.users,
                "groups": held.groups,
                "users_with_nested": held.everyone,
                "in_groups": [{"id": each.id, "name": each.display, "membership": each.kind} for each in inside],
                "total": members.total,
                "page": number,
                "per_page": per_page,
                "members": [
                    {**asdict(each), "active": bool(each.active), "direct": bool(each.direct)}
                    for each in members.members
                ],
            }
        )
        return
    click.echo(click.style(visible(found.name), bold=True))
    print_fields(
        [
            ("App", found.app.slug),
            ("Id", found.id),
            ("externalId", found.attributes.get("externalId", "")),
            ("Created", local_time(found.created_at)),
            ("Changed", f"{local_time(found.modified_at)}, version {found.version}"),
            ("Deleted", local_time(found.deleted_at)),
            ("In groups", ", ".join(each.display + (" (indirect)" * (each.kind == "indirect")) for each in inside)),
            ("Users", f"{held.users:,}"),
            ("Groups in it", f"{held.groups:,}" if held.groups else ""),
            ("Users in all", f"{held.everyone:,}, those in its groups included" if held.groups else ""),
        ]
    )
    heading = "Members, those of its groups included" if nested else "Members"
    print_heading(heading + (", when it was deleted" if found.deleted_at is not None else ""))
    if members.members or not members.total:
        _print_members(members.members, nested=nested)
    print_place("member", number, per_page, len(members.members), members.total)


def _print_members(members: list[people.Member], *, nested: bool) -> None:
    """The table; a narrow one without ids, which `scimlite user show` tells."""
    rows = [
        {
            "Type": each.type.lower(),
            "Name": each.name,
            "Display name": each.display if each.display and each.display != each.name else "",
            "State": "" if each.type == core.GROUP.name else "active" if each.active else "disabled",
            "Membership": "direct" if each.direct else "indirect",
            "Id": each.id,
        }
        for each in members
    ]
    left_out = {*(() if nested else ("Membership",)), *(() if width() >= _WIDE else ("Id",))}
    columns = [name for name in ("Type", "Name", "Display name", "State", "Membership", "Id") if name not in left_out]
    print_table(columns, [[row[name] for name in columns] for row in rows], empty="No members.")


def _data(found: Found) -> dict[str, Any]:
    return {
        "app": found.app.slug,
        "id": found.id,
        "display_name": found.name,
        "created_at": iso_time(found.created_at),
        "modified_at": iso_time(found.modified_at),
    }
