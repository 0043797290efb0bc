"""Counts what apps hold: users, groups, other resources and memberships."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

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
    """Counts what apps hold, by the app's id; three queries, however many apps there are."""
    ids = [app.id for app in apps]
    counts = _resources(db, ids)
    memberships = _memberships(db, ids)
    return {id: _contents(counts[id], memberships.get(id, 0)) for id in ids}


def people_of(db: Database, ids: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Counts users, disabled users among them, and groups, by the app's id: without memberships, which are many."""
    found = {}
    counts = _resources(db, list(ids))
    for id in ids:
        held = _contents(counts[id], 0)
        found[id] = (held.users, held.disabled_users, held.groups)
    return found


def heads_of(db: Database, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Counts users and groups by the app's id, in an index alone: it does not have who is disabled."""
    counts: dict[int, dict[str, int]] = {id: {} for id in ids}
    key = (ResourceRow.app_id, ResourceRow.type)
    query = ResourceRow.select(*key, fn.count(ResourceRow.id)).where(
        ResourceRow.app_id.in_(list(ids)),
        ResourceRow.type.in_([core.USER.name, core.GROUP.name]),
        ResourceRow.deleted_at.is_null(),
    )
    for app_id, type, count in db.rows(query.group_by(*key)):
        counts[app_id][type] = count
    return {id: (found.get(core.USER.name, 0), found.get(core.GROUP.name, 0)) for id, found in counts.items()}


def _contents(counts: dict[tuple[str, int], int], memberships: int) -> Contents:
    users, groups = core.USER.name, core.GROUP.name
    return Contents(
        users=sum(count for (type, _), count in counts.items() if type == users),
        disabled_users=counts.get((users, 0), 0),
        groups=sum(count for (type, _), count in counts.items() if type == groups),
        others=sum(count for (type, _), count in counts.items() if type not in (users, groups)),
        memberships=memberships,
    )


def _resources(db: Database, ids: list[int]) -> dict[int, dict[tuple[str, int], int]]:
    """Returns app id to (type, active) to the number of living resources."""
    key = (ResourceRow.app_id, ResourceRow.type, ResourceRow.active)
    query = ResourceRow.select(*key, fn.count(ResourceRow.id)).where(
        ResourceRow.app_id.in_(ids), ResourceRow.deleted_at.is_null()
    )
    counts: dict[int, dict[tuple[str, int], int]] = defaultdict(dict)
    for app_id, type, active, count in db.rows(query.group_by(*key)):
        counts[app_id][type, active] = count
    return counts


def _memberships(db: Database, ids: list[int]) -> dict[int, int]:
    """Returns app id to the memberships of living groups, without deleted members, who stay so that they can return."""
    holder, member = ResourceRow.alias(), ResourceRow.alias()
    of_groups = (
        MemberRow.select(holder.app_id, fn.count(MemberRow.member_id))
        .join(holder, on=(holder.id == MemberRow.group_id))
        .where(holder.app_id.in_(ids), holder.type == core.GROUP.name, holder.deleted_at.is_null())
    )
    # Counted apart and subtracted, so that the many living members need not be looked up.
    of_deleted = of_groups.join(member, on=(member.id == MemberRow.member_id)).where(
        member.app_id.in_(ids), member.deleted_at.is_null(False)
    )
    counts: Any = dict(db.rows(of_groups.group_by(holder.app_id)))
    for app_id, count in db.rows(of_deleted.group_by(holder.app_id)):
        counts[app_id] -= count
    return {app_id: int(count) for app_id, count in counts.items()}
