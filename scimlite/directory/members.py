"""Reads memberships: the members of groups, and the groups of users, direct and indirect."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import orjson
from peewee import JOIN, SQL, Case, Expression, Select, fn

from ..db import Database, Outer, Slot, prepared
from ..db.tables import MemberRow, ResourceRow


class Link(NamedTuple):
    """The other end of a link: `kind` is its type, or for a user's groups `direct` or `indirect`.

    `display` is what the client called a member, else its displayName; None without one, and for groups.
    """

    id: str
    kind: str
    name: str
    display: str | None = None


# --- the members of groups ----------------------------------------------------------------------------------------


def members_of(db: Database, groups: list[int]) -> dict[int, list[Link]]:
    """The living members of groups, by the group's row."""
    members: dict[int, list[Link]] = {}
    # As slices, and by the constructor of tuples: a group may have 100,000 members, and each call for a row of them
    # would cost as much again.
    make = partial(tuple.__new__, Link)
    for row in db.rows(_members_of_groups, groups=groups):
        members.setdefault(row[-1], []).append(make(row[:-1]))
    return members


@prepared
def _members_of_groups(db: Database) -> Any:
    other = ResourceRow.alias()
    return (
        MemberRow.select(
            other.uuid, other.type, other.name, fn.coalesce(MemberRow.display, other.display), MemberRow.group_id
        )
        .join(other, on=(other.id == MemberRow.member_id))
        .where(db.one_of(MemberRow.group_id, "groups"), other.deleted_at.is_null())
        .order_by(MemberRow.group_id, MemberRow.member_id)
    )


def page(db: Database, group: int, after: int, limit: int) -> list[tuple[int, Link]]:
    """Up to `limit` living members of a group behind a member's row, each with its row."""
    rows = db.rows(_page_of_members, group=group, after=after, limit=limit)
    return [(row[0], Link(*row[1:])) for row in rows]


@prepared
def _page_of_members(db: Database) -> Any:
    other = ResourceRow.alias()
    return (
        MemberRow.select(
            MemberRow.member_id, other.uuid, other.type, other.name, fn.coalesce(MemberRow.display, other.display)
        )
        .join(other, on=(other.id == MemberRow.member_id))
        .where(MemberRow.group_id == Slot("group"), MemberRow.member_id > Slot("after"), other.deleted_at.is_null())
        .order_by(MemberRow.member_id)
        .limit(Slot("limit"))
    )


def more_than(db: Database, group: int, number: int) -> bool:
    """True when a group has more living members than `number`; it reads at most so many, and the deleted ones."""
    return count(db, group, number + 1) > number


def count(db: Database, group: int, most: int) -> int:
    """Counts the living members of a group up to a number; it reads at most so many, and the deleted ones."""
    return int(db.scalar(_count_members, group=group, limit=most))


@prepared
def _count_members(db: Database) -> Any:
    living = (
        MemberRow.select(MemberRow.member_id)
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id == Slot("group"), ResourceRow.deleted_at.is_null())
        .limit(Slot("limit"))
        .alias("living")
    )
    return Select([living], [fn.count(SQL("*"))])


def changed_since(db: Database, group: int, at: int) -> bool:
    """True when a member was changed, deleted or restored after `at`.

    The group shows the member's name, but such a change makes no new version of the group.
    """
    return db.row(_changed_member, group=group, at=at) is not None


@prepared
def _changed_member(db: Database) -> Any:
    return (
        MemberRow.select(MemberRow.member_id)
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id == Slot("group"), ResourceRow.modified_at > Slot("at"))
        .limit(1)
    )


# --- the groups of users ------------------------------------------------------------------------------------------


def groups_of(db: Database, users: list[int]) -> dict[int, list[Link]]:
    """The living groups that users are in, directly or through other groups, by the user's row."""
    groups: dict[int, list[Link]] = {}
    for user, id, depth, name in db.rows(_groups_of_users, users=users):
        groups.setdefault(user, []).append(Link(id, "direct" if depth == 0 else "indirect", name))
    return groups


@prepared
def _groups_of_users(db: Database) -> Any:
    direct, group = MemberRow.alias(), ResourceRow.alias()
    closure = _above(direct, db.one_of(direct.member_id, "users"))
    user = closure.c.user_id
    return (
        _living_groups(closure, group, user, group.uuid, fn.min(closure.c.depth), group.name)
        .group_by(user, group.id, group.uuid, group.name)
        .order_by(user, group.id)
    )


def groups_column(db: Database, row: type[ResourceRow]) -> Any:
    """The groups of a user as a column of a query on users, which saves a statement for one user or a few.

    `groups_in` reads the column.
    """
    membership, direct, group = MemberRow.alias(), MemberRow.alias(), ResourceRow.alias()
    closure = _above(direct, direct.member_id == Outer(row.id))
    groups = _living_groups(closure, group, db.json_rows(group.id, closure.c.depth, group.uuid, group.name))
    # For a user without any membership the recursion is left out.
    return Case(None, [(fn.EXISTS(membership.select(SQL("1")).where(membership.member_id == row.id)), groups)])


def groups_in(column: str | None) -> list[Link]:
    """The groups in a `groups_column`, in the order of `groups_of`."""
    groups: dict[str, Link] = {}
    for _, depth, id, name in sorted(orjson.loads(column or "[]")):
        groups.setdefault(id, Link(id, "direct" if depth == 0 else "indirect", name))
    return list(groups.values())


def may_have_changed(db: Database, row: int) -> bool:
    """True when a user is in a group, living or deleted: a change of the group makes no new version of the user."""
    return db.row(_any_group, row=row) is not None


@prepared
def _any_group(db: Database) -> Any:
    return MemberRow.select(MemberRow.group_id).where(MemberRow.member_id == Slot("row")).limit(1)


def _above(direct: Any, of_users: Any) -> Any:
    """A CTE of the direct and indirect groups of users, with depth 0 or 1.

    In: `direct`, an alias of MemberRow, and `of_users`, the condition on it. UNION ends cycles. A deleted group leads
    to no other group; the CTE contains it, and `_living_groups` leaves it out.
    """
    start = direct.select(
        direct.member_id.alias("user_id"), direct.group_id.alias("group_id"), SQL("0").alias("depth")
    ).where(of_users)
    above = start.cte("above", recursive=True, columns=("user_id", "group_id", "depth"))
    outer = MemberRow.alias()
    # CROSS JOIN keeps SQLite to this order: from the few groups to their memberships, which an index finds.
    step = (
        Select([above], [above.c.user_id, outer.group_id, SQL("1")])
        .join(outer, JOIN.CROSS)
        .where(outer.member_id == above.c.group_id, _lives(above.c.group_id))
    )
    return above.union(step)


def _lives(group: Any) -> Any:
    """The condition that a group of a CTE is not deleted.

    It is a subquery about the CTE's column: with a join, or with a condition on the joined table, PostgreSQL reads
    whole tables, and SQLite makes a Bloom filter of a whole table.
    """
    row = ResourceRow.alias()
    return Expression(row.select(row.deleted_at).where(row.id == group), "IS", SQL("NULL"))


def _living_groups(closure: Any, group: Any, *columns: Any) -> Any:
    """A query of the living groups in the CTE of `_above`; `group` is the alias of ResourceRow in the columns."""
    return (
        Select([closure], columns)
        .join(group, JOIN.CROSS)
        .where(group.id == closure.c.group_id, _lives(closure.c.group_id))
        .with_cte(closure)
    )
