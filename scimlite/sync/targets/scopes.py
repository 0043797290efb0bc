"""Which users and groups a target is to have, and which of them differ from what was pushed: versions, no documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Case, fn

from ...apps import App
from ...db import Database, Slot, Statement, prepared
from ...db.sync_tables import SourceLinkRow
from ...db.tables import MemberRow, ResourceRow
from ...db.target_tables import TargetLinkRow, TargetMemberRow
from ...directory import search
from ...directory.read import SearchRequest, search_binds
from ...errors import InvalidFilter
from ...scim import core
from ...scim.filter_parser import parse_filter
from ...scim.schema import ResourceType
from . import loops
from .stored import Leavers, LinkState, Target, TargetError

_LINK = TargetLinkRow
#: Those whose place at the target was given up on purpose.
_GONE = (LinkState.LEFT.value, LinkState.KEPT.value)
_AS_PUSHED = (LinkState.OK.value, LinkState.WAITS.value)
#: Keys that are read at once: a filter is evaluated once for so many.
_PAGE = 1000


class Due(NamedTuple):
    """The key of a resource to look at, and whether the target is to have it."""

    row: int
    wanted: bool


@dataclass(frozen=True, slots=True)
class Census:
    """What a run would take away, and of how much; users are those who are active at the target."""

    users: int
    users_there: int
    groups: int
    groups_there: int
    memberships: int
    memberships_there: int
    #: True when the app has nobody left that the target is to have.
    empty: bool

    @property
    def total(self) -> int:
        """The number that an operator accepts."""
        return self.users + self.groups + self.memberships


class Scope:
    """The users and groups of an app that a target is to have."""

    def __init__(self, db: Database, app: App, target: Target, *, takes_groups: bool = True) -> None:
        """Raises TargetError for a filter that does not fit the app's schemas."""
        self._db = db
        self.options = target.options
        self.types = types(app, groups=self.options.groups and takes_groups)
        self._binds: dict[str, Any] = {"app": app.id, "target": target.id}
        bound = bound_filter(app, self.options.filter)
        user = self.types[0]
        self._from_there = loops.sources_there(db, target)
        self._inside: Any = None
        self._filter_binds: dict[str, Any] = {}
        if bound is not None:
            self._inside = ResourceRow.select(ResourceRow.id).where(search.condition(db, bound.shape, [user]))
            self._filter_binds = search_binds(app, [user], SearchRequest(bound))
        self._statements = {each.name: self._due(each) for each in self.types}

    def due(self, resource_type: ResourceType, now: int, *, again: bool = False) -> Iterator[Due]:
        """Yields what differs, in the order of creation; `again`, those too whose references waited."""
        statement, after = self._statements[resource_type.name], 0
        binds = {**self._binds_of(resource_type), "now": now, "again": int(again)}
        while rows := self._db.rows(statement, **binds, after=after):
            for row, wanted in rows:
                yield Due(row, bool(wanted))
            after = rows[-1][0]

    def purged(self, resource_type: ResourceType, now: int) -> list[int]:
        """The keys of links whose resources are not stored any more."""
        deletes = int(self.options.delete)
        binds = {**self._binds, "type": resource_type.name, "now": now, "deletes": deletes}
        return [row[0] for row in self._db.rows(_purged, **binds)]

    def census(self) -> Census:
        """What a run would take away; nothing is read but columns."""
        user = self.types[0]
        users, users_there = self._leaving(user)
        groups, groups_there = self._leaving(self.types[1]) if len(self.types) > 1 else (0, 0)
        any_user = ResourceRow.alias()
        living = any_user.select(any_user.id).where(self._wanted(user, any_user)).limit(1)
        empty = not self._db.rows(living, **self._binds_of(user))
        memberships, memberships_there = (int(self._db.scalar(each, **self._binds)) for each in (_ending, _memberships))
        return Census(users, users_there, groups, groups_there, memberships, memberships_there, empty)

    # --- conditions -----------------------------------------------------------------------------------------------

    def _binds_of(self, resource_type: ResourceType) -> dict[str, Any]:
        return {**self._filter_binds, **self._binds, "type": resource_type.name}

    def _within(self, resource_type: ResourceType, row: Any) -> Any:
        """The condition that a resource is in the filter, and did not come from the target; None for all."""
        inside = None
        if self._inside is not None and resource_type.name == core.USER.name:
            inside = row.id.in_(self._inside)
        if self._from_there:
            link = SourceLinkRow
            came = link.select(link.resource_id).where(
                link.source_id.in_(self._from_there), link.resource_id.is_null(False)
            )
            inside = row.id.not_in(came) if inside is None else inside & row.id.not_in(came)
        return inside

    def _wanted(self, resource_type: ResourceType, row: Any) -> Any:
        living = (row.app_id == Slot("app")) & (row.type == Slot("type")) & row.deleted_at.is_null()
        inside = self._within(resource_type, row)
        return living if inside is None else living & inside

    def _leaving(self, resource_type: ResourceType) -> tuple[int, int]:
        """How many of a type would be disabled or deleted at the target, and how many are there."""
        resource = ResourceRow.alias()
        inside = self._within(resource_type, resource)
        ends = resource.id.is_null() | resource.deleted_at.is_null(False)
        if resource_type.name == core.USER.name:
            ends |= resource.active == 0
            if inside is not None and self.options.leavers != Leavers.IGNORE:
                ends |= ~inside
        elif not self.options.delete:
            # Groups are left as they are.
            ends = SQL("1 = 0")
        counted = fn.coalesce(fn.sum(Case(None, [(ends, 1)], 0)), 0)
        query = _LINK.select(counted, fn.count(SQL("*"))).join(resource, JOIN.LEFT_OUTER, on=_same(resource))
        query = query.where(*_of_target(), _LINK.type == Slot("type"), _LINK.remote_id.is_null(False))
        row = self._db.row(query.where(_LINK.active == 1, _LINK.state.not_in(_GONE)), **self._binds_of(resource_type))
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def _due(self, resource_type: ResourceType) -> Statement:
        """The keys of a type that differ from what was pushed, and whether the target is to have them."""
        options = self.options
        row = ResourceRow.alias()
        wanted = row.deleted_at.is_null()
        if (inside := self._within(resource_type, row)) is not None:
            wanted &= inside
        retried = (_LINK.state == LinkState.FAILED.value) & (_LINK.retry_at <= Slot("now"))
        stale = (_LINK.version != row.version) | (_LINK.state == LinkState.SENDING.value) | retried
        ends = _LINK.state.in_(_AS_PUSHED) & ~wanted
        waits = (_LINK.state == LinkState.WAITS.value) & (Slot("again") == 1)
        returns = wanted
        if options.delete and options.leavers != Leavers.IGNORE:
            returns |= (_LINK.state == LinkState.LEFT.value) & row.deleted_at.is_null(False)
        linked = (_LINK.state.in_(_GONE) & returns) | (_LINK.state.not_in(_GONE) & (stale | ends | waits))
        due = (_LINK.resource_id.is_null() & wanted) | ((_LINK.uuid == row.uuid) & linked)
        joined = (_LINK.resource_id == row.id) & (_LINK.app_id == row.app_id) & (_LINK.target_id == Slot("target"))
        query = row.select(row.id, Case(None, [(wanted, 1)], 0)).join(_LINK, JOIN.LEFT_OUTER, on=joined)
        query = query.where(row.app_id == Slot("app"), row.type == Slot("type"), row.id > Slot("after"), due)
        return prepared(lambda db: query.order_by(row.id).limit(_PAGE))


def types(app: App, *, groups: bool) -> list[ResourceType]:
    """The types that a target gets: users, and perhaps groups."""
    wanted = (core.USER, core.GROUP) if groups else (core.USER,)
    return [app.resource_types[each.endpoint] for each in wanted]


def bound_filter(app: App, text: str | None) -> search.BoundFilter | None:
    """A filter of users, checked against the app's schemas. Raises TargetError."""
    if text is None:
        return None
    user = app.resource_types[core.USER.endpoint]
    try:
        return search.bind(parse_filter(text, user.urns), user)
    except InvalidFilter as error:
        raise TargetError(f"The filter cannot be used: {error.detail}") from None


def _of_target() -> tuple[Any, Any]:
    return (_LINK.app_id == Slot("app"), _LINK.target_id == Slot("target"))


def _same(row: Any) -> Any:
    """The condition that a link is of a resource, and not of a former one with the same key.

    By the key alone: without statistics PostgreSQL would look for each link through an index over the whole app.
    """
    return (row.id == _LINK.resource_id) & (row.uuid == _LINK.uuid)


@prepared
def _purged(db: Database) -> Any:
    row = ResourceRow.alias()
    resting = _LINK.state.in_((LinkState.FAILED.value, LinkState.PARKED.value, LinkState.KEPT.value))
    retried = (_LINK.state == LinkState.FAILED.value) & (_LINK.retry_at <= Slot("now"))
    left = (_LINK.state == LinkState.LEFT.value) & (Slot("deletes") == 0)
    query = _LINK.select(_LINK.resource_id).join(row, JOIN.LEFT_OUTER, on=_same(row))
    query = query.where(*_of_target(), _LINK.type == Slot("type"), row.id.is_null(), ~left, ~resting | retried)
    return query.order_by(_LINK.resource_id)


@prepared
def _memberships(db: Database) -> Any:
    query = TargetMemberRow.select(fn.count(SQL("*")))
    return query.where(TargetMemberRow.app_id == Slot("app"), TargetMemberRow.target_id == Slot("target"))


@prepared
def _ending(db: Database) -> Any:
    """Memberships that would end, of groups that changed or went; those of users who go are counted as users."""
    group, kept = ResourceRow.alias(), MemberRow.alias()
    pushed = TargetMemberRow
    of_target = (pushed.app_id == Slot("app")) & (pushed.target_id == Slot("target"))
    linked = (
        (_LINK.app_id == pushed.app_id) & (_LINK.target_id == pushed.target_id) & (_LINK.resource_id == pushed.group_id)
    )
    same = (kept.group_id == pushed.group_id) & (kept.member_id == pushed.member_id)
    query = pushed.select(fn.count(SQL("*"))).join(_LINK, on=linked)
    query = query.join(group, on=((group.id == _LINK.resource_id) & (group.uuid == _LINK.uuid)))
    query = query.join(kept, JOIN.LEFT_OUTER, on=same)
    return query.where(of_target, _LINK.version != group.version, group.deleted_at.is_null(), kept.member_id.is_null())
