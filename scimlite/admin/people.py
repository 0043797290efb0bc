"""Lists, searches and finds users and groups for operators; the value index answers, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
from peewee import SQL, fn

from ..apps import App
from ..db import Database
from ..db.tables import PREFIX, AliasRow, ResourceRow, ValueRow, sought
from ..scim import core
from ..scim import document as documents
from ..scim.names import fold
from ..scim.schema import ResourceType

if TYPE_CHECKING:
    from ..directory.members import Link

#: The attribute that names a resource; every living one has it.
NAMED_BY = {core.USER.name: "userName", core.GROUP.name: "displayName"}
#: The attributes in which a search looks for its text.
SEARCHED = {core.USER.name: ("userName", "displayName", "emails.value"), core.GROUP.name: ("displayName",)}
#: Matches of one name; an operator who gets more of them has to search in another way.
_MOST_MATCHES = 20
#: Rows in one query when a whole list is read.
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
    #: How a deleted one came to its end; see directory.tombstones.
    ended: str | None

    @property
    def attributes(self) -> dict[str, Any]:
        """The stored document, without `meta`, members, groups and secret attributes."""
        parsed: dict[str, Any] = orjson.loads(self.document)
        kind = next((kind for kind in self.app.resource_types.values() if kind.name == self.type), None)
        return documents.without(kind, parsed, kind.secret_paths) if kind and kind.secret_paths else parsed

    def values_of(self, path: str) -> list[str]:
        """The texts of an attribute, such as `userName` or `emails.value`."""
        name, _, inner = path.partition(".")
        stored = self.attributes.get(name)
        values = stored if isinstance(stored, list) else [stored]
        if inner:
            values = [value.get(inner) for value in values if isinstance(value, dict)]
        return [value for value in values if isinstance(value, str)]

    @property
    def email(self) -> str:
        """The primary e-mail address, else the first; empty without any."""
        emails = [email for email in self.attributes.get("emails", []) if email.get("value")]
        preferred = [email for email in emails if email.get("primary")] or emails
        return str(preferred[0]["value"]) if preferred else ""

    @property
    def is_kept(self) -> bool:
        """True for a deleted user whom no purge removes, because `delete the deactivated` was off."""
        # Imported here, because what deletes takes 20 ms that lists of the living need not.
        from ..directory.tombstones import DELETED

        return self.deleted_at is not None and self.type == core.USER.name and self.ended == DELETED

    @property
    def state(self) -> str:
        """`active`, `disabled` or `deleted`."""
        return "deleted" if self.deleted_at is not None else "active" if self.active else "disabled"


@dataclass(frozen=True, slots=True)
class Listing:
    """A selection of living users or groups: of these apps, with this text in a name or an e-mail address."""

    resource_type: ResourceType
    apps: Sequence[App]
    text: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, and the number of all that match."""

    total: int
    found: list[Found]


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
    ResourceRow.ended,
)


def _found(row: Sequence[Any], apps: Sequence[App]) -> Found:
    app = next(app for app in apps if app.id == row[1])
    return Found(row[0], app, *row[2 : len(_COLUMNS)])


# --- lists --------------------------------------------------------------------------------------------------------


def page(db: Database, listing: Listing, *, number: int, size: int) -> Page:
    """Returns a page of a listing in the order of userName or displayName; the first page is number 1."""
    offset = rows_before(number, size)
    query = _listed(db, listing, ValueRow.resource_id).order_by(*_order).limit(size).offset(offset)
    ids = [row[0] for row in db.rows(query)]
    if 0 < len(ids) < size or (not ids and number == 1):
        total = offset + len(ids)
    else:
        total = _total(db, listing)
    return Page(total, in_order(db, listing.apps, ids))


def _total(db: Database, listing: Listing) -> int:
    """Counts a listing; without a text the resources are counted instead of their names, because each has one."""
    if listing.text is not None:
        return int(db.scalar(_listed(db, listing, fn.count(ValueRow.resource_id))))
    query = ResourceRow.select(fn.count(ResourceRow.id)).where(
        _of_apps(ResourceRow.app_id, listing.apps), ResourceRow.type == listing.resource_type.name, *_wanted(listing)
    )
    return int(db.scalar(query))


def _wanted(listing: Listing) -> list[Any]:
    """Returns the conditions on the resources of a listing's type."""
    living = [ResourceRow.deleted_at.is_null()]
    return living if listing.active is None else [*living, ResourceRow.active == int(listing.active)]


def rows_before(number: int, size: int) -> int:
    """Returns how many rows come before a page, at most what fits into 64 bits."""
    return min((number - 1) * size, 2**62)


def walk(db: Database, listing: Listing) -> Iterator[Found]:
    """Yields all of a listing, app by app, in chunks, without a transaction that stays open."""
    for app in listing.apps:
        query = _listed(db, replace(listing, apps=[app]), ValueRow.resource_id, key_start)
        query = query.order_by(*_order).limit(_CHUNK)
        rows = db.rows(query)
        while rows:
            yield from in_order(db, [app], [row[0] for row in rows])
            if len(rows) < _CHUNK:
                break
            id, key = rows[-1]
            # `>=` repeats a part of the rest, as a condition at which an index can begin.
            beyond = (key_start >= key) & ((key_start > key) | (ValueRow.resource_id > id))
            rows = db.rows(query.where(beyond))


#: The part of a key that the index covers, written as in the index.
key_start = fn.substr(ValueRow.key, SQL("1"), SQL(str(PREFIX)))
_order = (key_start, ValueRow.resource_id)


def _of_apps(column: Any, apps: Sequence[App]) -> Any:
    """Returns a condition for apps; an equality for one app, so that the index also gives the order."""
    return column == apps[0].id if len(apps) == 1 else column.in_([app.id for app in apps])


def _listed(db: Database, listing: Listing, *columns: Any) -> Any:
    """Returns the query of a listing over the values that name the resources, because their index has the order."""
    kind = listing.resource_type.name
    query = (
        ValueRow.select(*columns)
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .where(
            _of_apps(ValueRow.app_id, listing.apps),
            ValueRow.type == kind,
            ValueRow.path == NAMED_BY[kind],
            sought(ValueRow),
            *_wanted(listing),
        )
    )
    if listing.text is not None:
        value = ValueRow.alias()
        holds = value.select(SQL("1")).where(
            value.resource_id == ValueRow.resource_id,
            value.path.in_(SEARCHED[kind]),
            db.contains(value.key, fold(listing.text)),
        )
        query = query.where(fn.EXISTS(holds))
    return query


def in_order(db: Database, apps: Sequence[App], ids: Sequence[int]) -> list[Found]:
    """Returns the users or groups of these rows, in the order of the rows; those that are gone are left out."""
    by_row = {person.row: person for person in _rows(db, apps, set(ids))}
    return [by_row[id] for id in ids if id in by_row]


# --- one user or group --------------------------------------------------------------------------------------------


def find(db: Database, resource_type: ResourceType, apps: Sequence[App], text: str) -> list[Found]:
    """Returns the users or groups with this id, userName or displayName (in any case) or externalId.

    When none is alive, returns those that had the name before, and the deleted ones.
    """
    by_id = ResourceRow.select(ResourceRow.id).where(
        _of_apps(ResourceRow.app_id, apps), ResourceRow.uuid == text.lower(), ResourceRow.type == resource_type.name
    )
    ids = {row[0] for row in db.rows(by_id)}
    named = {row[0] for row in db.rows(_named(resource_type, apps, NAMED_BY[resource_type.name], fold(text)))}
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
            key_start == key[:PREFIX],
            # Not `==`, which SQLite would put into the line above and then no longer find the index for it.
            ValueRow.key.between(key, key),
        )
        .limit(_MOST_MATCHES)
    )


def _formerly(db: Database, apps: Sequence[App], text: str) -> set[int]:
    """Returns the rows of users who ever had this userName or externalId."""
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
    """Returns the groups that a living user or group is in, directly or through other groups, by name."""
    if found.deleted_at is not None:
        return []
    # Imported here, because what changes memberships takes 20 ms that lists need not.
    from ..directory import members as links

    groups = links.groups_of(db, [found.row]).get(found.row, [])
    return sorted(groups, key=lambda group: fold(group.name))
