"""Counts what apps hold: users, groups, other resources and memberships."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import SQL, fn

from ..apps import App
from ..db import Database
from ..db.tables import MemberRow, ResourceRow
from ..scim import core


@dataclass(frozen=True, slots=True)
class Contents:
    """How much an app holds; deleted resources do not count."""

    users: int
    disabled_users: int
    groups: int
    #: Resources of the app's own types.
    others: int
    memberships: int


def contents(db: Database, app: App) -> Contents:
    """Counts what one app holds."""
    return contents_of(db, [app])[app.id]


def contents_of(db: Database, apps: Sequence[App]) -> dict[int, Contents]:
    """Counts what apps hold, by the app's id; four queries, however many apps there are."""
    ids = [app.id for app in apps]
    counts, disabled = _resources(db, ids), _disabled_users(db, ids)
    memberships = _memberships(db, ids)
    return {id: _contents(counts[id], disabled.get(id, 0), memberships.get(id, 0)) for id in ids}


def people_of(db: Database, ids: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Counts users, disabled users among them, and groups, by the app's id: without memberships, which are many."""
    heads, disabled = heads_of(db, ids), _disabled_users(db, ids)
    return {id: (users, disabled.get(id, 0), groups) for id, (users, groups) in heads.items()}


def heads_of(db: Database, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Counts users and groups by the app's id."""
    counts = _resources(db, ids)
    return {id: (counts[id][core.USER.name], counts[id][core.GROUP.name]) for id in ids}


def _contents(counts: Mapping[str, int], disabled: int, memberships: int) -> Contents:
    users, groups = counts.get(core.USER.name, 0), counts.get(core.GROUP.name, 0)
    return Contents(users, disabled, groups, sum(counts.values()) - users - groups, memberships)


def _resources(db: Database, ids: Sequence[int]) -> dict[int, Counter[str]]:
    """Returns app id to type to the number of living resources, from an index alone."""
    key = (ResourceRow.app_id, ResourceRow.type)
    query = ResourceRow.select(*key, fn.count(ResourceRow.id)).where(
        ResourceRow.app_id.in_(list(ids)), ResourceRow.deleted_at.is_null()
    )
    counts: dict[int, Counter[str]] = {id: Counter() for id in ids}
    for app_id, type, count in db.rows(query.group_by(*key)):
        counts[app_id][type] = count
    return counts


def _disabled_users(db: Database, ids: Sequence[int]) -> dict[int, int]:
    """Returns app id to the number of users who are disabled, from the index that has them alone."""
    query = ResourceRow.select(ResourceRow.app_id, fn.count(ResourceRow.id)).where(
        ResourceRow.app_id.in_(list(ids)),
        # SQLite would choose the index of all users by it.
        db.unindexed(ResourceRow.type) == core.USER.name,
        ResourceRow.deleted_at.is_null(),
        # A number in the text: planners know the index by it.
        ResourceRow.active == SQL("0"),
    )
    rows: list[Any] = db.rows(query.group_by(ResourceRow.app_id))
    return dict(rows)


def _memberships(db: Database, ids: Sequence[int]) -> dict[int, int]:
    """Returns app id to the memberships of living groups, without deleted members, who stay so that they can return."""
    holder, member = ResourceRow.alias(), ResourceRow.alias()
    of_groups = (
        MemberRow.select(holder.app_id, fn.count(MemberRow.member_id))
        .join(holder, on=(holder.id == MemberRow.group_id))
        .where(holder.app_id.in_(list(ids)), holder.type == core.GROUP.name, holder.deleted_at.is_null())
    )
    # Counted apart and subtracted, so that the many living members need not be looked up.
    of_deleted = of_groups.join(member, on=(member.id == MemberRow.member_id)).where(
        member.app_id.in_(list(ids)), member.deleted_at.is_null(False)
    )
    counts: Any = dict(db.rows(of_groups.group_by(holder.app_id)))
    for app_id, count in db.rows(of_deleted.group_by(holder.app_id)):
        counts[app_id] -= count
    return {app_id: int(count) for app_id, count in counts.items()}
