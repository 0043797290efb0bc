"""`scimlite group`: lists, shows and restores groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from scimlite.admin import group_members, people
from scimlite.admin.group_members import Holding, Member, MemberPage
from scimlite.admin.people import Found, Listing
from scimlite.db import chunks
from scimlite.scim import core

from .kit.app_name import app_option
from .kit.choosing import chosen_apps, the_one
from .kit.columns import Column, Columns
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import json_option, page_options, wide_option
from .kit.output import print_fields, print_heading, print_json, print_json_lines, print_place, print_title
from .kit.times import iso_time, local_time
from .user_output import GROUPS_OF_ONE

if TYPE_CHECKING:
    from scimlite.directory.members import Link

#: Groups whose members are counted by one query.
_CHUNK = 500

_MEMBERS = Columns[Member](
    Column("id", "Id", value=lambda member: member.id, rank=3),
    Column("type", "Type", lambda member: member.type, lambda member: member.type.lower()),
    Column("name", "Name", value=lambda member: member.name),
    Column(
        "display_name",
        "Display name",
        value=lambda member: member.display,
        shown=lambda member: member.display if member.display and member.display != member.name else "",
        old="display",
        rank=2,
    ),
    Column("state", "State", lambda member: _state(member) or None, lambda member: _state(member)),
    Column("membership", "Membership", value=lambda member: "direct" if member.direct else "indirect"),
    # Older keys of the two, for one more release.
    Column("active", value=lambda member: bool(member.active)),
    Column("direct", value=lambda member: bool(member.direct)),
    table=("Type", "Name", "Display name", "State", "Membership", "Id"),
)


def _state(member: Member) -> str:
    if member.type != core.USER.name:
        return ""
    return "active" if member.active else "disabled"


def _columns(counts: Mapping[int, int]) -> Columns[Found]:
    """Return the columns of groups; `counts` is a group's row to its number of members."""
    return Columns(
        Column("app", "App", value=lambda group: group.app.slug, rank=1),
        Column("id", "Id", value=lambda group: group.id),
        Column("display_name", "Group", value=lambda group: group.name),
        Column("created_at", value=lambda group: iso_time(group.created_at)),
        Column(
            "modified_at",
            "Changed",
            value=lambda group: iso_time(group.modified_at),
            shown=lambda group: local_time(group.modified_at, seconds=False),
            rank=2,
        ),
        Column(
            "members",
            "Members",
            value=lambda group: counts.get(group.row, 0),
            shown=lambda group: f"{counts.get(group.row, 0):,}",
        ),
        table=("Group", "Members", "App", "Changed", "Id"),
    )


@click.group(cls=Group)
def group() -> None:
    """List groups, show one with its members, and restore deleted ones.

    \b
    Example: scimlite group show Engineering
    """


@group.command(name="list")
@app_option
@click.option("--search", metavar="TEXT", help="Part of a displayName, in any case.")
@click.option(
    "--deleted",
    is_flag=True,
    help="Deleted groups instead, the newest first, with the date from which each may be purged.",
)
@page_options
@json_option
@wide_option
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

    The members counted are those directly in a group.

    \b
    Example: scimlite group list --app entra-id --search sales
    """
    apps = chosen_apps(context, slug)
    if deleted:
        # Imported here and below, because what deletes and restores takes 20 ms that lists of the living need not.
        from .deleted import print_deleted

        print_deleted(context, apps, core.GROUP, search or None, page=page, per_page=per_page, as_json=as_json)
        return
    listing = Listing(core.GROUP, apps, search or None)
    if as_json and page is None:
        print_json_lines(_every(context, listing))
        return
    number = page or 1
    shown = people.page(context.db, listing, number=number, size=per_page)
    columns = _columns(group_members.member_counts(context.db, shown.found))
    if as_json:
        print_json_lines(map(columns.data, shown.found))
    elif shown.found or not shown.total:
        empty = "No group matches." if search else "No group yet."
        columns.print_table(shown.found, empty=empty, hidden=["App"] if len(apps) == 1 else [])
    print_place("group", number, per_page, len(shown.found), shown.total)


def _every(context: Context, listing: Listing) -> Iterator[dict[str, Any]]:
    """Yield all groups of a listing as JSON data; members are counted some groups at a time."""
    for some in chunks(people.walk(context.db, listing), _CHUNK):
        yield from map(_columns(group_members.member_counts(context.db, some)).data, some)


@group.command(name="restore")
@click.argument("group")
@app_option
@with_installation
def restore_(context: Context, group: str, slug: str | None) -> None:
    """Restore a deleted group with those of its members that still exist.

    GROUP is the group's id, which `scimlite group list --deleted` shows.

    \b
    Example: scimlite group restore 2819c223-7f76-453a-919d-413861904646
    """
    from .deleted import restore

    restore(context, core.GROUP, slug, group)


@group.command()
@click.argument("group")
@app_option
@click.option("--nested", is_flag=True, help="List also the members of groups in it.")
@page_options
@json_option
@wide_option
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

    GROUP is an id, a displayName (in any case) or an externalId.

    \b
    Examples: scimlite group show Engineering
              scimlite group show Engineering --nested --page 2
    """
    shown = the_one(context, core.GROUP, slug, group)
    number = page or 1
    holding = group_members.holding(context.db, shown)
    holders = people.groups_of(context.db, shown)
    members = group_members.members(context.db, shown, nested=nested, number=number, size=per_page)
    if as_json:
        print_json({**_data(shown, holding, holders), **_member_data(members, number, per_page)})
        return
    _print(shown, holding, holders)
    heading = "Members, those of its groups included" if nested else "Members"
    print_heading(heading + (", when it was deleted" if shown.deleted_at is not None else ""))
    if members.members or not members.total:
        hidden = () if nested else ("Membership",)
        _MEMBERS.print_table(members.members, empty="No members.", hidden=hidden)
    print_place("member", number, per_page, len(members.members), members.total)


def _data(group: Found, holding: Holding, holders: Sequence[Link]) -> dict[str, Any]:
    facts = _columns({}).data(group)
    del facts["members"]
    return {
        **facts,
        "deleted_at": iso_time(group.deleted_at),
        "version": group.version,
        "external_id": group.attributes.get("externalId"),
        "users": holding.users,
        "groups": holding.groups,
        "others": holding.others,
        "users_with_nested": holding.everyone,
        "in_groups": [GROUPS_OF_ONE.data(holder) for holder in holders],
    }


def _member_data(members: MemberPage, number: int, per_page: int) -> dict[str, Any]:
    return {
        "total": members.total,
        "page": number,
        "per_page": per_page,
        "members": [_MEMBERS.data(member) for member in members.members],
    }


def _print(group: Found, holding: Holding, holders: Sequence[Link]) -> None:
    print_title(group.name)
    print_fields(
        [
            ("App", group.app.slug),
            ("Id", group.id),
            ("externalId", group.attributes.get("externalId", "")),
            ("Created", local_time(group.created_at)),
            ("Changed", f"{local_time(group.modified_at)}, version {group.version}"),
            ("Deleted", local_time(group.deleted_at)),
            ("In groups", ", ".join(link.name + (" (indirect)" * (link.kind == "indirect")) for link in holders)),
            ("Users", f"{holding.users:,}"),
            ("Groups in it", f"{holding.groups:,}" if holding.groups else ""),
            ("Others in it", f"{holding.others:,}" if holding.others else ""),
            ("Users in all", f"{holding.everyone:,}, those in its groups included" if holding.groups else ""),
        ]
    )
