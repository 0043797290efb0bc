"""The operator's read side: users and groups listed, searched and found by the value index, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
from peewee import SQL, fn

from ..apps import App
from ..db import Database
from ..db.tables import AliasRow, MemberRow, ResourceRow, ValueRow, sought
from ..directory.search.shapes import PREFIX
from ..scim import core
from ..scim import document as documents
from ..scim.schema import ResourceType
from ..scim.values import fold

if TYPE_CHECKING:
    from ..directory.members import Link

#: The attribute that people name a resource by, which every living one has.
_NAMED_BY = {core.USER.name: "userName", core.GROUP.name: "displayName"}
#: What a search looks into.
_SEARCHED = {core.USER.name: ("userName", "displayName", "emails.value"), core.GROUP.name: ("displayName",)}
#: Matches of one name that are told apart; more help nobody.
_MOST_MATCHES = 20
#: Rows read at once when all are wanted.
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """A user or group as the operator sees it; times are microseconds since 1970 UTC."""

    row: int
    app: App
    type: str
    id: str
    #: userName or displayName.
    name: str
    display: str | None
    active: int
    version: int
    created_at: int
    modified_at: int
    deleted_at: int | None
    document: str

    @property
    def attributes(self) -> dict[str, Any]:
        """The stored document: without `meta`, members, groups, and what nobody may read."""
        parsed: dict[str, Any] = orjson.loads(self.document)
        kind = next((each for each in self.app.resource_types.values() if each.name == self.type), None)
        return documents.without(kind, parsed, kind.secret_paths) if kind and kind.secret_paths else parsed

    @property
    def state(self) -> str:
        """`active`, `disabled` or `deleted`."""
        return "deleted" if self.deleted_at is not None else "active" if self.active else "disabled"


@dataclass(frozen=True, slots=True)
class Listing:
    """Which users or groups are wanted: of these apps, with this text in a name or an e-mail address."""

    resource_type: ResourceType
    apps: Sequence[App]
    text: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, and how many match in all."""

    total: int
    found: list[Found]


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group, by itself or through a group in it."""

    id: str
    type: str
    name: str
    display: str | None
    active: int
    direct: int


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of a group's members, and how many there are in all."""

    total: int
    members: list[Member]


@dataclass(frozen=True, slots=True)
class Holding:
    """How many a group holds: users and groups directly, and users also through the groups in it."""

    users: int
    groups: int
    everyone: int


_COLUMNS = (
    ResourceRow.id,
    ResourceRow.app_id,
    ResourceRow.type,
    ResourceRow.uuid,
    ResourceRow.name,
    ResourceRow.display,
    ResourceRow.active,
    ResourceRow.version,
    ResourceRow.created_at,
    ResourceRow.modified_at,
    ResourceRow.deleted_at,
    ResourceRow.document,
)


def _found(row: Sequence[Any], apps: Sequence[App]) -> Found:
    app = next(each for each in apps if each.id == row[1])
    return Found(row[0], app, *row[2 : len(_COLUMNS)])


# --- lists --------------------------------------------------------------------------------------------------------


def page(db: Database, listing: Listing, *, number: int, size: int) -> Page:
    """A page of a listing by userName or displayName; the first page is number 1."""
    offset = _offset(number, size)
    query = _listed(db, listing, ValueRow.resource_id).order_by(*_order).limit(size).offset(offset)
    ids = [row[0] for row in db.rows(query)]
    if 0 < len(ids) < size or (not ids and number == 1):
        total = offset + len(ids)
    else:
        total = _total(db, listing)
    return Page(total, _in_order(db, listing.apps, ids))


def _total(db: Database, listing: Listing) -> int:
    """How many a listing has; without a text the resources themselves tell, for each has one name."""
    if listing.text is not None:
        return int(db.scalar(_listed(db, listing, fn.count(ValueRow.resource_id))))
    query = ResourceRow.select(fn.count(ResourceRow.id)).where(
        _of_apps(ResourceRow.app_id, listing.apps), ResourceRow.type == listing.resource_type.name, *_wanted(listing)
    )
    return int(db.scalar(query))


def _wanted(listing: Listing) -> list[Any]:
    """Which resources a listing is about, of those of its type."""
    living = [ResourceRow.deleted_at.is_null()]
    return living if listing.active is None else [*living, ResourceRow.active == int(listing.active)]


def _offset(number: int, size: int) -> int:
    """How many rows come before a page; no database counts further than 64 bits."""
    return min((number - 1) * size, 2**62)


def walk(db: Database, listing: Listing) -> Iterator[Found]:
    """All of a listing, app by app, without holding them or a transaction meanwhile."""
    for app in listing.apps:
        query = _listed(db, replace(listing, apps=[app]), ValueRow.resource_id, _key_start)
        query = query.order_by(*_order).limit(_CHUNK)
        rows = db.rows(query)
        while rows:
            yield from _in_order(db, [app], [row[0] for row in rows])
            if len(rows) < _CHUNK:
                break
            id, key = rows[-1]
            # `>=` says no more than the rest, but it is what an index can begin at.
            beyond = (_key_start >= key) & ((_key_start > key) | (ValueRow.resource_id > id))
            rows = db.rows(query.where(beyond))


#: What the index covers of a key, written as the index has it.
_key_start = fn.substr(ValueRow.key, SQL("1"), SQL(str(PREFIX)))
_order = (_key_start, ValueRow.resource_id)


def _of_apps(column: Any, apps: Sequence[App]) -> Any:
    """With one app an equality, so that the index also gives the order."""
    return column == apps[0].id if len(apps) == 1 else column.in_([app.id for app in apps])


def _listed(db: Database, listing: Listing, *columns: Any) -> Any:
    """The living resources of a listing, each as the value that names it: its index has their order."""
    kind = listing.resource_type.name
    query = (
        ValueRow.select(*columns)
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .where(
            _of_apps(ValueRow.app_id, listing.apps),
            ValueRow.type == kind,
            ValueRow.path == _NAMED_BY[kind],
            sought(ValueRow),
            *_wanted(listing),
        )
    )
    if listing.text is not None:
        value = ValueRow.alias()
        holds = value.select(SQL("1")).where(
            value.resource_id == ValueRow.resource_id,
            value.path.in_(_SEARCHED[kind]),
            db.contains(value.key, fold(listing.text)),
        )
        query = query.where(fn.EXISTS(holds))
    return query


def _in_order(db: Database, apps: Sequence[App], ids: Sequence[int]) -> list[Found]:
    found = {each.row: each for each in _rows(db, apps, set(ids))}
    return [found[id] for id in ids if id in found]


# --- one user or group --------------------------------------------------------------------------------------------


def find(db: Database, resource_type: ResourceType, apps: Sequence[App], text: str) -> list[Found]:
    """The users or groups that go by this id, userName or displayName (without case) or externalId.

    Without a living one: those that went by this name before, and the deleted.
    """
    by_id = ResourceRow.select(ResourceRow.id).where(
        _of_apps(ResourceRow.app_id, apps), ResourceRow.uuid == text.lower(), ResourceRow.type == resource_type.name
    )
    ids = {row[0] for row in db.rows(by_id)}
    named = {row[0] for row in db.rows(_named(resource_type, apps, _NAMED_BY[resource_type.name], fold(text)))}
    named |= {row[0] for row in db.rows(_named(resource_type, apps, "externalId", text))}
    living = _rows(db, apps, ids | named, ResourceRow.deleted_at.is_null())
    if living or resource_type.name != core.USER.name:
        return living or _rows(db, apps, ids)
    return _rows(db, apps, ids | _formerly(db, apps, text))


def _named(resource_type: ResourceType, apps: Sequence[App], path: str, key: str) -> Any:
    return (
        ValueRow.select(ValueRow.resource_id)
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .where(
            ResourceRow.deleted_at.is_null(),
            _of_apps(ValueRow.app_id, apps),
            ValueRow.type == resource_type.name,
            ValueRow.path == path,
            sought(ValueRow),
            _key_start == key[:PREFIX],
            # Not `==`, which SQLite would put into the line above and then no longer find the index for it.
            ValueRow.key.between(key, key),
        )
        .limit(_MOST_MATCHES)
    )


def _formerly(db: Database, apps: Sequence[App], text: str) -> set[int]:
    """Users who were ever known by this userName or externalId."""
    query = (
        AliasRow.select(ResourceRow.id)
        .join(ResourceRow, on=((ResourceRow.app_id == AliasRow.app_id) & (ResourceRow.uuid == AliasRow.user_uuid)))
        .where(AliasRow.name.in_(sorted({text, fold(text)})), _of_apps(AliasRow.app_id, apps))
        .limit(_MOST_MATCHES)
    )
    return {row[0] for row in db.rows(query)}


def _rows(db: Database, apps: Sequence[App], ids: set[int], *where: Any) -> list[Found]:
    if not ids:
        return []
    query = ResourceRow.select(*_COLUMNS).where(ResourceRow.id.in_(sorted(ids)), *where).order_by(ResourceRow.id)
    return [_found(row, apps) for row in db.rows(query)]


def groups_of(db: Database, found: Found) -> list[Link]:
    """The groups that a living user or group is in, directly or through other groups, by name."""
    if found.deleted_at is not None:
        return []
    # Imported here, because what changes memberships takes 20 ms that lists need not.
    from ..directory import members as links

    held = links.groups_of(db, [found.row]).get(found.row, [])
    return sorted(held, key=lambda group: fold(group.display))


# --- members ------------------------------------------------------------------------------------------------------


def member_counts(db: Database, groups: Sequence[Found]) -> dict[int, int]:
    """How many living members groups have directly, by the group's row."""
    query = (
        MemberRow.select(MemberRow.group_id, fn.count(MemberRow.member_id))
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id.in_([group.row for group in groups]), ResourceRow.deleted_at.is_null())
        .group_by(MemberRow.group_id)
    )
    return dict(db.rows(query)) if groups else {}


def holding(db: Database, group: Found) -> Holding:
    """How many a group holds, directly and in all."""
    query = (
        MemberRow.select(ResourceRow.type, fn.count(MemberRow.member_id))
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id == group.row, ResourceRow.deleted_at.is_null())
        .group_by(ResourceRow.type)
    )
    direct: dict[str, int] = dict(db.rows(query))
    users, groups = direct.get(core.USER.name, 0), direct.get(core.GROUP.name, 0)
    everyone = users
    if groups:
        reached = _reached(group, fn.count(ResourceRow.id))
        everyone = int(db.scalar(reached.where(ResourceRow.type == core.USER.name)))
    return Holding(users, groups, everyone)


def members(db: Database, group: Found, *, nested: bool, number: int, size: int) -> MemberPage:
    """A page of a group's members, groups first, then by name; with `nested` also those of the groups in it."""
    columns = (ResourceRow.uuid, ResourceRow.type, ResourceRow.name, ResourceRow.display, ResourceRow.active)
    wanted = _reached if nested else _held
    direct, value = MemberRow.alias(), ValueRow.alias()
    is_direct = fn.EXISTS(
        direct.select(SQL("1")).where(direct.group_id == group.row, direct.member_id == ResourceRow.id)
    )
    user, other = ((ResourceRow.type == kind) & (value.path == path) for kind, path in _NAMED_BY.items())
    query = (
        wanted(group, *columns, is_direct)
        .join(value, on=((value.resource_id == ResourceRow.id) & (user | other)))
        .order_by(ResourceRow.type, value.key, ResourceRow.id)
        .limit(size)
        .offset(_offset(number, size))
    )
    total = int(db.scalar(wanted(group, fn.count(ResourceRow.id))))
    return MemberPage(total, [Member(*row) for row in db.rows(query)])


def _held(group: Found, *columns: Any) -> Any:
    """The living members of a group."""
    return (
        ResourceRow.select(*columns)
        .join(MemberRow, on=(MemberRow.member_id == ResourceRow.id))
        .where(MemberRow.group_id == group.row, ResourceRow.deleted_at.is_null())
    )


def _reached(group: Found, *columns: Any) -> Any:
    """The living members of a group and of the groups in it; UNION makes cycles end, the deleted conduct nothing."""
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
