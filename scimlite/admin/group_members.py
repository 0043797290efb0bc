"""Members of groups as an operator looks at them: counted, and a page at a time, also through groups in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import JOIN, SQL, fn

from ..db import Database
from ..db.tables import MemberRow, ResourceRow, ValueRow
from ..scim import core
from .people import NAMED_BY, Found, rows_before


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group, directly or through a group in it."""

    id: str
    type: str
    name: str
    display: str | None
    active: int
    direct: int


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of a group's members, and the number of all."""

    total: int
    members: list[Member]


@dataclass(frozen=True, slots=True)
class Holding:
    """How many members a group has: users, groups and others directly, and users in all, through groups in it too."""

    users: int
    groups: int
    #: Resources of the app's own types.
    others: int
    everyone: int


def member_counts(db: Database, groups: Sequence[Found]) -> dict[int, int]:
    """Counts the living direct members of groups, by the group's row."""
    query = (
        MemberRow.select(MemberRow.group_id, fn.count(MemberRow.member_id))
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id.in_([group.row for group in groups]), ResourceRow.deleted_at.is_null())
        .group_by(MemberRow.group_id)
    )
    return dict(db.rows(query)) if groups else {}


def holding(db: Database, group: Found) -> Holding:
    """Counts the living members of a group, directly and in all."""
    query = (
        MemberRow.select(ResourceRow.type, fn.count(MemberRow.member_id))
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id == group.row, ResourceRow.deleted_at.is_null())
        .group_by(ResourceRow.type)
    )
    counts: dict[str, int] = dict(db.rows(query))
    users, groups = counts.get(core.USER.name, 0), counts.get(core.GROUP.name, 0)
    everyone = users
    if groups:
        reached = _reached(group, fn.count(ResourceRow.id))
        everyone = int(db.scalar(reached.where(ResourceRow.type == core.USER.name)))
    return Holding(users, groups, sum(counts.values()) - users - groups, everyone)


def members(db: Database, group: Found, *, nested: bool, number: int, size: int) -> MemberPage:
    """Returns a page of a group's members, by type and name; `nested` adds the members of groups in it."""
    columns = (ResourceRow.uuid, ResourceRow.type, ResourceRow.name, ResourceRow.display, ResourceRow.active)
    select = _reached if nested else _direct
    direct, value = MemberRow.alias(), ValueRow.alias()
    is_direct = fn.EXISTS(
        direct.select(SQL("1")).where(direct.group_id == group.row, direct.member_id == ResourceRow.id)
    )
    user, other = ((ResourceRow.type == kind) & (value.path == path) for kind, path in NAMED_BY.items())
    query = (
        select(group, *columns, is_direct)
        .join(value, JOIN.LEFT_OUTER, on=((value.resource_id == ResourceRow.id) & (user | other)))
        .order_by(ResourceRow.type, fn.coalesce(value.key, ResourceRow.name), ResourceRow.id)
        .limit(size)
        .offset(rows_before(number, size))
    )
    total = int(db.scalar(select(group, fn.count(ResourceRow.id))))
    return MemberPage(total, [Member(*row) for row in db.rows(query)])


def _direct(group: Found, *columns: Any) -> Any:
    """Returns the query of the living direct members of a group."""
    return (
        ResourceRow.select(*columns)
        .join(MemberRow, on=(MemberRow.member_id == ResourceRow.id))
        .where(MemberRow.group_id == group.row, ResourceRow.deleted_at.is_null())
    )


def _reached(group: Found, *columns: Any) -> Any:
    """Returns the query of the living members of a group and of the groups in it, but not through deleted groups.

    UNION leaves out rows that were reached before, so that a cycle of groups ends.
    """
    first, further, upper = MemberRow.alias(), MemberRow.alias(), ResourceRow.alias()
    start = first.select(first.member_id.alias("member_id")).where(first.group_id == group.row)
    within = start.cte("within", recursive=True, columns=("member_id",))
    step = (
        further.select(further.member_id)
        .join(within, on=(further.group_id == within.c.member_id))
        .join(upper, on=(upper.id == further.group_id))
        .where(upper.deleted_at.is_null())
    )
    closure = within.union(step)
    return (
        ResourceRow.select(*columns)
        .join(closure, on=(closure.c.member_id == ResourceRow.id))
        .where(ResourceRow.deleted_at.is_null(), ResourceRow.id != group.row)
        .with_cte(closure)
    )
