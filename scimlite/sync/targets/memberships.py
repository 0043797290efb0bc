"""The members of a group at a target: what is to be added and removed, so many at a time, never the whole list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from peewee import JOIN, SQL, fn

from ...db import Database, Insert, Slot, prepared
from ...db.tables import MemberRow, ResourceRow
from ...db.target_tables import TargetLinkRow, TargetMemberRow
from .stored import LinkState, Target

_GONE = (LinkState.LEFT.value, LinkState.KEPT.value)


class Member(NamedTuple):
    """A member's key, and its id at the target."""

    row: int
    remote_id: str


@dataclass(frozen=True, slots=True)
class Step:
    """Members to add to a group, or to remove from it."""

    group: int
    members: list[Member]
    adds: bool


def next_step(db: Database, target: Target, group: int, after: int, most: int, *, adds: bool) -> Step | None:
    """The next members, behind a key, to add to a group or to remove from it; None without any.

    Members who are not at the target are left out: they have the group looked at again once they are.
    """
    binds = {"app": target.app_id, "target": target.id, "group": group, "after": after, "most": most}
    rows = db.rows(_to_add if adds else _to_remove, **binds)
    return Step(group, [Member(*row) for row in rows], adds) if rows else None


def all_of(db: Database, target: Target, group: int) -> list[Member]:
    """All members of a group that are at the target, for one that has no PATCH."""
    rows = db.rows(_present, app=target.app_id, target=target.id, group=group)
    return [Member(*row) for row in rows]


def count_differences(db: Database, target: Target, group: int) -> tuple[int, int]:
    """How many members a group is to get and to lose at a target, those included who are to come there."""
    binds = {"app": target.app_id, "target": target.id, "group": group}
    return int(db.scalar(_count_missing, **binds)), int(db.scalar(_count_surplus, **binds))


def write(db: Database, target: Target, group: int, members: Sequence[Member], *, sure: bool) -> None:
    """Notes that a group has members, or with `sure` False that it may have them."""
    rows = [(target.app_id, target.id, group, member.row, int(sure)) for member in members]
    if rows:
        db.insert(_insert, rows)


def forget(db: Database, target: Target, group: int, members: Sequence[Member] | None = None) -> None:
    """Notes that a group does not have members any more; none at all without a list."""
    binds: dict[str, Any] = {"app": target.app_id, "target": target.id, "group": group}
    if members is None:
        db.execute(_delete_all, **binds)
    else:
        db.execute(_delete, **binds, members=[member.row for member in members])


def doubt(db: Database, target: Target) -> None:
    """Takes no membership for certain, so that all are sent again."""
    db.execute(_doubt, app=target.app_id, target=target.id)


_insert = Insert(
    TargetMemberRow,
    ("app_id", "target_id", "group_id", "member_id", "sure"),
    lambda query: query.on_conflict(
        conflict_target=[
            TargetMemberRow.app_id,
            TargetMemberRow.target_id,
            TargetMemberRow.group_id,
            TargetMemberRow.member_id,
        ],
        preserve=[TargetMemberRow.sure],
    ),
)


def _pushed() -> Any:
    """The condition on what a target's group has."""
    pushed = TargetMemberRow
    return (pushed.app_id == Slot("app")) & (pushed.target_id == Slot("target")) & (pushed.group_id == Slot("group"))


def _linked(row: Any) -> Any:
    """The condition that a member is at the target."""
    link = TargetLinkRow
    return (link.app_id == Slot("app")) & (link.target_id == Slot("target")) & (link.resource_id == row)


def _members() -> Any:
    """The living members of a group that are at the target, and wanted there."""
    row, link = ResourceRow, TargetLinkRow
    query = MemberRow.select(MemberRow.member_id, link.remote_id)
    query = query.join(row, on=((row.id == MemberRow.member_id) & row.deleted_at.is_null()))
    query = query.join(link, on=(_linked(MemberRow.member_id) & (link.uuid == row.uuid)))
    there = link.remote_id.is_null(False) & link.state.not_in(_GONE)
    return query.where(MemberRow.group_id == Slot("group"), there).order_by(MemberRow.member_id)


@prepared
def _present(db: Database) -> Any:
    return _members()


@prepared
def _to_add(db: Database) -> Any:
    same = _pushed() & (TargetMemberRow.member_id == MemberRow.member_id)
    query = _members().join(TargetMemberRow, JOIN.LEFT_OUTER, on=same)
    missing = TargetMemberRow.member_id.is_null() | (TargetMemberRow.sure == 0)
    return query.where(missing, MemberRow.member_id > Slot("after")).limit(Slot("most"))


@prepared
def _to_remove(db: Database) -> Any:
    pushed, kept, link = TargetMemberRow, MemberRow, TargetLinkRow
    query = pushed.select(pushed.member_id, link.remote_id).join(link, on=_linked(pushed.member_id))
    same = (kept.group_id == pushed.group_id) & (kept.member_id == pushed.member_id)
    query = query.join(kept, JOIN.LEFT_OUTER, on=same)
    query = query.where(_pushed(), kept.member_id.is_null(), link.remote_id.is_null(False))
    return query.where(pushed.member_id > Slot("after")).order_by(pushed.member_id).limit(Slot("most"))


@prepared
def _count_missing(db: Database) -> Any:
    row = ResourceRow
    same = _pushed() & (TargetMemberRow.member_id == MemberRow.member_id)
    query = MemberRow.select(fn.count(SQL("*")))
    query = query.join(row, on=((row.id == MemberRow.member_id) & row.deleted_at.is_null()))
    query = query.join(TargetMemberRow, JOIN.LEFT_OUTER, on=same)
    missing = TargetMemberRow.member_id.is_null() | (TargetMemberRow.sure == 0)
    return query.where(MemberRow.group_id == Slot("group"), missing)


@prepared
def _count_surplus(db: Database) -> Any:
    pushed, kept = TargetMemberRow, MemberRow
    same = (kept.group_id == pushed.group_id) & (kept.member_id == pushed.member_id)
    query = pushed.select(fn.count(SQL("*"))).join(kept, JOIN.LEFT_OUTER, on=same)
    return query.where(_pushed(), kept.member_id.is_null())


@prepared
def _doubt(db: Database) -> Any:
    query = TargetMemberRow.update(sure=0)
    return query.where(TargetMemberRow.app_id == Slot("app"), TargetMemberRow.target_id == Slot("target"))


@prepared
def _delete(db: Database) -> Any:
    return TargetMemberRow.delete().where(_pushed(), db.one_of(TargetMemberRow.member_id, "members"))


@prepared
def _delete_all(db: Database) -> Any:
    return TargetMemberRow.delete().where(_pushed())
