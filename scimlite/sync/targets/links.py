"""Links: what each user and group is at a target. They are written before a request and after its answer.

A process may end between the two: what a request was about is then unknown, and the next run sends it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson
from peewee import JOIN

from ... import clock
from ...db import Database, Insert, Slot, prepared
from ...db.tables import MemberRow, ResourceRow
from ...db.target_tables import TargetLinkRow, TargetMemberRow
from .stored import LinkState, Target

#: After so many refusals only a change has a resource tried again.
MOST_TRIES = 5
_MINUTE = 60_000_000
#: Microseconds after each refusal.
_RETRIES = (_MINUTE, 2 * _MINUTE, 5 * _MINUTE, 15 * _MINUTE)


@dataclass(slots=True)
class Link:
    """A link's row; the fields are named like the columns."""

    app_id: int
    target_id: int
    resource_id: int
    uuid: str
    type: str
    remote_id: str | None
    version: int
    digests: str
    active: int
    state: str
    tries: int
    retry_at: int
    reason: str | None
    changed_at: int

    @property
    def known(self) -> dict[str, str]:
        """The digest of each value at the target by path."""
        return dict(orjson.loads(self.digests))


@dataclass(slots=True)
class Item:
    """A user or group to look at: the resource as it is stored, and its link."""

    link: Link
    #: True when there was a link already.
    linked: bool
    name: str
    #: None when the resource was purged.
    version: int | None
    #: False for a tombstone, and for what was purged.
    living: bool
    active: bool
    document: str


_COLUMNS = tuple(part.name for part in fields(Link))
_LINK_FIELDS = tuple(getattr(TargetLinkRow, name) for name in _COLUMNS)
#: The condition on those that were not given up on purpose.
_RESTING = TargetLinkRow.state.not_in((LinkState.LEFT.value, LinkState.KEPT.value))
_put = Insert(
    TargetLinkRow,
    _COLUMNS,
    lambda query: query.on_conflict(
        conflict_target=[TargetLinkRow.app_id, TargetLinkRow.target_id, TargetLinkRow.resource_id],
        preserve=_LINK_FIELDS[3:],
    ),
)


def load(db: Database, target: Target, rows: Sequence[int]) -> list[Item]:
    """The resources of these keys with their links, in the order of the keys; those are left out that went meanwhile.

    A link of a former resource with the same key is left to `load_purged`.
    """
    found = []
    for values in db.rows(_load, app=target.app_id, target=target.id, rows=list(rows)):
        key, uuid, type, name, version, active, deleted_at, document = values[:8]
        linked = values[8] is not None
        if linked and values[11] != uuid:
            continue
        link = Link(*values[8:]) if linked else _new(target, key, uuid, type)
        found.append(Item(link, linked, name, version, deleted_at is None, bool(active), document))
    return found


def load_purged(db: Database, target: Target, rows: Sequence[int]) -> list[Item]:
    """The links of these keys, whose resources are not stored any more."""
    found = [Link(*row) for row in db.rows(_load_links, app=target.app_id, target=target.id, rows=list(rows))]
    return [Item(link, True, link.uuid, None, False, False, "{}") for link in found]


def remote_ids(db: Database, target: Target, uuids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The type and the id at the target of resources, by their own ids, as far as they are there."""
    wanted = sorted(set(uuids))
    if not wanted:
        return {}
    rows = db.rows(_by_uuid, app=target.app_id, target=target.id, uuids=wanted)
    return {uuid: (type, remote_id) for uuid, type, remote_id in rows}


def page(db: Database, target: Target, after: int, most: int) -> list[Link]:
    """The links of a target behind a key, of those that are not given up on purpose."""
    rows = db.rows(_page, app=target.app_id, target=target.id, after=after, most=most)
    return [Link(*row) for row in rows]


def taken(db: Database, target: Target) -> set[str]:
    """The ids at the target that something is pushed to."""
    return {row[0] for row in db.rows(_taken, app=target.app_id, target=target.id)}


def put(db: Database, links: Sequence[Link]) -> None:
    """Writes links, inside the caller's transaction."""
    if links:
        db.insert(_put, [tuple(getattr(link, name) for name in _COLUMNS) for link in links])


def drop(db: Database, links: Sequence[Link]) -> None:
    """Takes away links, and what is known about their memberships, inside the caller's transaction."""
    for link in links:
        binds = {"app": link.app_id, "target": link.target_id, "row": link.resource_id}
        db.execute(_drop, **binds)
        forget_memberships(db, link)


def forget_memberships(db: Database, link: Link) -> None:
    """Forgets the memberships of a resource that is another one at the target by now, or none."""
    binds = {"app": link.app_id, "target": link.target_id, "row": link.resource_id}
    db.execute(_forget_members if link.type == "Group" else _forget_member, **binds)


def reopen_groups(db: Database, target: Target, rows: Sequence[int]) -> None:
    """Has the groups looked at again that have these members, who are at the target from now on."""
    if rows:
        db.execute(_reopen_groups, app=target.app_id, target=target.id, rows=list(rows))


def forget_there(db: Database, target: Target, rows: Sequence[int]) -> None:
    """Has resources pushed anew that somebody deleted at the target."""
    if rows:
        db.execute(_forget_there, app=target.app_id, target=target.id, rows=list(rows))


def note_refusal(link: Link, reason: str) -> bool:
    """Counts a refusal; returns whether that was the last try."""
    link.tries += 1
    link.reason = reason
    parked = link.tries >= MOST_TRIES
    link.state = (LinkState.PARKED if parked else LinkState.FAILED).value
    link.retry_at = clock.now() + _RETRIES[min(link.tries, len(_RETRIES)) - 1]
    return parked


def digests_text(digests: Mapping[str, str]) -> str:
    """Digests for a row."""
    return orjson.dumps(dict(digests), option=orjson.OPT_SORT_KEYS).decode()


def _new(target: Target, key: int, uuid: str, type: str) -> Link:
    return Link(target.app_id, target.id, key, uuid, type, None, 0, "{}", 0, LinkState.SENDING.value, 0, 0, None, 0)


def _of_target(model: Any) -> Any:
    return (model.app_id == Slot("app")) & (model.target_id == Slot("target"))


@prepared
def _load(db: Database) -> Any:
    row = ResourceRow
    joined = (TargetLinkRow.resource_id == row.id) & _of_target(TargetLinkRow)
    columns = (row.id, row.uuid, row.type, row.name, row.version, row.active, row.deleted_at, row.document)
    query = row.select(*columns, *_LINK_FIELDS).join(TargetLinkRow, JOIN.LEFT_OUTER, on=joined)
    return query.where(row.app_id == Slot("app"), db.one_of(row.id, "rows")).order_by(row.id)


@prepared
def _load_links(db: Database) -> Any:
    query = TargetLinkRow.select(*_LINK_FIELDS)
    return query.where(_of_target(TargetLinkRow), db.one_of(TargetLinkRow.resource_id, "rows"))


@prepared
def _by_uuid(db: Database) -> Any:
    query = TargetLinkRow.select(TargetLinkRow.uuid, TargetLinkRow.type, TargetLinkRow.remote_id)
    return query.where(
        _of_target(TargetLinkRow), TargetLinkRow.remote_id.is_null(False), db.one_of(TargetLinkRow.uuid, "uuids")
    )


@prepared
def _page(db: Database) -> Any:
    query = TargetLinkRow.select(*_LINK_FIELDS).where(_of_target(TargetLinkRow), _RESTING)
    return (
        query.where(TargetLinkRow.resource_id > Slot("after")).order_by(TargetLinkRow.resource_id).limit(Slot("most"))
    )


@prepared
def _taken(db: Database) -> Any:
    query = TargetLinkRow.select(TargetLinkRow.remote_id)
    return query.where(_of_target(TargetLinkRow), TargetLinkRow.remote_id.is_null(False))


@prepared
def _drop(db: Database) -> Any:
    return TargetLinkRow.delete().where(_of_target(TargetLinkRow), TargetLinkRow.resource_id == Slot("row"))


@prepared
def _forget_members(db: Database) -> Any:
    row = Slot("row")
    # A group is also a member of groups.
    ends = (TargetMemberRow.group_id == row) | (TargetMemberRow.member_id == row)
    return TargetMemberRow.delete().where(_of_target(TargetMemberRow), ends)


@prepared
def _forget_member(db: Database) -> Any:
    return TargetMemberRow.delete().where(_of_target(TargetMemberRow), TargetMemberRow.member_id == Slot("row"))


@prepared
def _forget_there(db: Database) -> Any:
    query = TargetLinkRow.update(version=0, remote_id=None, digests="{}", active=0)
    return query.where(_of_target(TargetLinkRow), db.one_of(TargetLinkRow.resource_id, "rows"))


@prepared
def _reopen_groups(db: Database) -> Any:
    groups = MemberRow.select(MemberRow.group_id).where(db.one_of(MemberRow.member_id, "rows"))
    query = TargetLinkRow.update(version=0)
    return query.where(_of_target(TargetLinkRow), TargetLinkRow.resource_id.in_(groups), _RESTING)
