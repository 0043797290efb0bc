"""Resources: create, get, search, replace, patch and delete, each in one transaction, the only ones on resources."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import peewee
from peewee import fn

from . import journal, links, search
from .apps import App, unique_key
from .db import Database, Slot, prepared
from .errors import NotFound, PreconditionFailed, Uniqueness
from .journal import Action, Entry, Origin
from .links import Link
from .models import ResourceRow, ValueRow
from .scim import document as documents
from .scim import patch as patching
from .scim.document import Cleaned, Document
from .scim.schema import ResourceType
from .scim.values import fold

#: Compiled searches kept for each process; a client asks few different questions.
_MOST_SEARCHES = 500


@dataclass(slots=True)
class Resource:
    """A resource as it was read or written; `document` is JSON without `meta`, links and derived attributes.

    `links` are what it links to, `derived` what links to it; None when they were not asked for.
    """

    row: int
    id: str
    type: str
    version: int
    created_at: int
    modified_at: int
    document: str
    links: list[Link] | None = None
    derived: list[Link] | None = None


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A query, already checked: what to find, in which order, and which page of it."""

    filter: search.BoundFilter
    sort: search.Sort | None = None
    start_index: int = 1
    count: int = 100
    #: The app's SCIM base URL, which `meta.location` and `$ref` are compared with.
    base: str = ""
    with_links: bool = True
    with_derived: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a query and how many resources match in all."""

    total: int
    resources: list[Resource] = field(default_factory=list)


_COLUMNS = (
    ResourceRow.id,
    ResourceRow.uuid,
    ResourceRow.type,
    ResourceRow.version,
    ResourceRow.created_at,
    ResourceRow.modified_at,
    ResourceRow.document,
)


def _named(query: Any) -> Any:
    return query.where(
        ResourceRow.app_id == Slot("app"),
        ResourceRow.uuid == Slot("uuid"),
        ResourceRow.type == Slot("type"),
        ResourceRow.deleted_at.is_null(),
    )


# --- reading ------------------------------------------------------------------------------------------------------


@prepared
def _GET(db: Database) -> Any:
    return _named(ResourceRow.select(*_COLUMNS))


def get(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    *,
    with_links: bool = True,
    with_derived: bool = True,
) -> Resource:
    """A living resource by its id; NotFound otherwise."""
    row = db.row(_GET, app=app.id, uuid=id, type=resource_type.name)
    if row is None:
        raise _not_found(resource_type, id)
    resource = Resource(*row)
    attach(db, app, resource_type, [resource], with_links=with_links, with_derived=with_derived)
    return resource


def _not_found(resource_type: ResourceType, id: str) -> NotFound:
    return NotFound(f"There is no {resource_type.name} {id[:100]!r} in this app.")


def attach(
    db: Database,
    app: App,
    resource_type: ResourceType,
    resources: list[Resource],
    *,
    with_links: bool,
    with_derived: bool,
    at_most_links: int | None = None,
) -> None:
    """Add links and derived attributes to resources, with one query for all of them."""
    if resource_type.links is not None and with_links:
        found = links.members_of(db, [resource.row for resource in resources], at_most=at_most_links)
        for resource in resources:
            resource.links = found.get(resource.row, [])
    if resource_type.derived is not None and with_derived:
        found = links.groups_of(db, app.id, [resource.row for resource in resources])
        for resource in resources:
            resource.derived = found.get(resource.row, [])


def find(db: Database, app: App, resource_type: ResourceType, request: SearchRequest) -> Page:
    """One page of a query. The total is exact, computed by the database with the same condition."""
    binds = {
        "app": app.id,
        "type": resource_type.name,
        "base": request.base,
        "endpoint": resource_type.endpoint,
        **request.filter.binds,
    }
    statements = _statements(db, resource_type, request)
    offset = max(request.start_index - 1, 0)
    total = None
    if offset > 0 or request.count == 0:
        total = int(db.scalar(statements.count, **binds))
        if offset >= total or request.count == 0:
            return Page(total)
    limit = request.count if total is None else min(request.count, total - offset)
    if total is not None and offset > total // 2:
        # Pages near the end are read from the end: an OFFSET costs what it skips.
        rows = db.rows(statements.backwards, **binds, limit=limit, offset=total - offset - limit)
        rows.reverse()
    else:
        rows = db.rows(statements.forwards, **binds, limit=limit, offset=offset)
    if total is None:
        # A first page that is not full has everything.
        total = len(rows) if len(rows) < limit else int(db.scalar(statements.count, **binds))
    resources = [Resource(*row) for row in rows]
    if resources:
        attach(
            db,
            app,
            resource_type,
            resources,
            with_links=request.with_links,
            with_derived=request.with_derived,
        )
    return Page(total, resources)


@dataclass(frozen=True, slots=True)
class _Search:
    forwards: Any
    backwards: Any
    count: Any


_searches: dict[Any, _Search] = {}


def _statements(db: Database, resource_type: ResourceType, request: SearchRequest) -> _Search:
    """The statements of a search by its shape: built once, then only bound."""
    key = (db.kind, resource_type, request.filter.shape, request.sort)
    found = _searches.get(key)
    if found is None:
        if len(_searches) >= _MOST_SEARCHES:
            _searches.clear()
        found = _searches[key] = _build_search(db, resource_type, request)
    return found


def _build_search(db: Database, resource_type: ResourceType, request: SearchRequest) -> _Search:
    where = search.condition(db, request.filter.shape, resource_type)
    narrow = search.narrow(request.filter.shape)

    def page(backwards: bool) -> Any:
        ordered = search.order(db, request.sort, narrow=narrow, backwards=backwards)
        query = ResourceRow.select(*_COLUMNS).where(where).order_by(*ordered)
        return prepared(lambda db: query.limit(Slot("limit")).offset(Slot("offset")))

    count = ResourceRow.select(fn.count(ResourceRow.id)).where(where)
    return _Search(page(False), page(True), prepared(lambda db: count))


# --- writing ------------------------------------------------------------------------------------------------------


@prepared
def _INSERT(db: Database) -> Any:
    columns = ("app_id", "type", "uuid", "name", "display", "active", "created_at", "modified_at", "document")
    values = {getattr(ResourceRow, column): Slot(column) for column in columns}
    return ResourceRow.insert({**values, ResourceRow.version: 1}).returning(ResourceRow.id)


@prepared
def _INSERT_VALUE(db: Database) -> Any:
    columns = ("app_id", "type", "resource_id", "path", "item", "nth", "key", "unique_key")
    return ValueRow.insert({getattr(ValueRow, column): Slot(column) for column in columns})


@prepared
def _DELETE_VALUE(db: Database) -> Any:
    return ValueRow.delete().where(
        ValueRow.resource_id == Slot("resource_id"),
        ValueRow.path == Slot("path"),
        ValueRow.item == Slot("item"),
        ValueRow.nth == Slot("nth"),
    )


@prepared
def _DELETE_VALUES(db: Database) -> Any:
    return ValueRow.delete().where(ValueRow.resource_id == Slot("resource_id"))


@prepared
def _LOCK(db: Database) -> Any:
    return db.locking(_named(ResourceRow.select(*_COLUMNS)))


@prepared
def _UPDATE(db: Database) -> Any:
    columns = ("name", "display", "active", "version", "modified_at", "document")
    values = {getattr(ResourceRow, column): Slot(column) for column in columns}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))


@prepared
def _BURY(db: Database) -> Any:
    return ResourceRow.update(
        {
            ResourceRow.deleted_at: Slot("at"),
            ResourceRow.modified_at: Slot("at"),
            ResourceRow.active: 0,
            ResourceRow.version: Slot("version"),
        }
    ).where(ResourceRow.id == Slot("row"))


def create(db: Database, app: App, resource_type: ResourceType, cleaned: Cleaned, origin: Origin) -> Resource:
    """Store a new resource; Uniqueness when a unique value is taken, InvalidValue when a member is refused."""
    id = str(uuid.uuid4())
    filled = documents.with_defaults(resource_type, cleaned.document)
    document = {"schemas": filled["schemas"], "id": id, **filled}
    text = orjson.dumps(document).decode()
    at = journal.now()
    who = _Who(resource_type, id, document)

    def work() -> Resource:
        row = db.scalar(
            _INSERT,
            app_id=app.id,
            type=resource_type.name,
            uuid=id,
            name=who.name,
            display=document.get("displayName"),
            active=who.active,
            created_at=at,
            modified_at=at,
            document=text,
        )
        resource = Resource(row, id, resource_type.name, 1, at, at, text, None, None)
        _write_values(db, app, resource_type, row, set(), documents.value_rows(resource_type, document))
        entries = [_entry(Action.CREATED, who, {}, 201, cleaned.ignored)]
        if cleaned.links:
            step = patching.LinkStep(add=dict.fromkeys(cleaned.links))
            entries += links.change(db, app, row, [step], who.pair, 201).entries
        journal.record(db, app.id, origin, entries, at)
        _remember(db, app, who, {})
        return resource

    return _unique(db, app, resource_type, document, None, lambda: db.transact(work))


def replace_resource(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    cleaned: Cleaned,
    origin: Origin,
    *,
    if_match: Sequence[str] = (),
) -> Resource:
    """PUT: the document becomes what was sent (RFC 7644 section 3.5.1), links included."""
    steps = []
    if resource_type.links is not None:
        steps.append(patching.LinkStep(reset=True, add=dict.fromkeys(cleaned.links)))

    def renew(current: Document) -> Document:
        return documents.renewed(resource_type, current, cleaned.document)

    return _change(db, app, resource_type, id, _Change(renew, steps, cleaned.ignored), origin, if_match)


def patch(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    plan: patching.Plan,
    origin: Origin,
    *,
    if_match: Sequence[str] = (),
) -> Resource:
    """PATCH: all changes of a plan, or none."""

    def renew(current: Document) -> Document:
        return patching.apply(plan.edits, resource_type, current) if plan.edits else current

    return _change(db, app, resource_type, id, _Change(renew, plan.links, plan.ignored), origin, if_match)


def delete(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    origin: Origin,
    *,
    if_match: Sequence[str] = (),
) -> None:
    """Hide a resource and free its names; a tombstone and its member rows stay for a restore."""

    def work() -> None:
        resource = _lock(db, app, resource_type, id, if_match)
        who = _Who(resource_type, id, orjson.loads(resource.document))
        at = journal.now()
        db.execute(_BURY, row=resource.row, at=at, version=resource.version + 1)
        db.execute(_DELETE_VALUES, resource_id=resource.row)
        entries = [_entry(Action.DELETED, who, {}, 204, [])]
        if resource_type.links is not None:
            entries += links.lost_by_deletion(db, resource.row, who.pair, 204)
        journal.record(db, app.id, origin, entries, at)

    db.transact(work)


@dataclass(frozen=True, slots=True)
class _Change:
    """What PUT or PATCH does to a locked resource: a new document, steps on its links."""

    renew: Callable[[Document], Document]
    steps: Sequence[patching.LinkStep]
    ignored: Sequence[str]


class _Who:
    """The person or group that a change concerns, for columns and journal."""

    def __init__(self, resource_type: ResourceType, id: str, document: Document) -> None:
        self.id = id
        self.is_user = resource_type.name == "User"
        self.is_group = resource_type.links is not None
        self.name = str(document.get("userName") or document.get("displayName") or id)
        self.external_id = document.get("externalId")
        # A user whose `active` was removed may not use the application: nothing says that it may.
        self.active = int(bool(document.get("active"))) if self.is_user else 1
        self.pair = (id, self.name)


def _lock(db: Database, app: App, resource_type: ResourceType, id: str, if_match: Sequence[str]) -> Resource:
    """The resource, locked until the transaction ends; checks If-Match inside it."""
    row = db.row(_LOCK, app=app.id, uuid=id, type=resource_type.name)
    if row is None:
        raise _not_found(resource_type, id)
    resource = Resource(*row)
    if if_match and "*" not in if_match and str(resource.version) not in if_match:
        raise PreconditionFailed(f'{resource_type.name} {id} has changed: its version is W/"{resource.version}".')
    return resource


def _change(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    change: _Change,
    origin: Origin,
    if_match: Sequence[str],
) -> Resource:
    seen: list[Document] = []

    def work() -> Resource:
        resource = _lock(db, app, resource_type, id, if_match)
        old = orjson.loads(resource.document)
        new = change.renew(old)
        seen[:] = [new]
        differences = documents.differences(resource_type, old, new)
        who = _Who(resource_type, id, new)
        linked = links.change(db, app, resource.row, change.steps, who.pair, 200) if change.steps else links.NOTHING
        entries = linked.entries
        if differences:
            action = _action(who, _Who(resource_type, id, old))
            entries = [_entry(action, who, differences, 200, change.ignored), *entries]
        changed = bool(differences) or linked.changed
        if changed:
            _write(db, app, resource_type, resource, old, new, who)
            _remember(db, app, who, old)
        if entries:
            # Refused members alone change nothing: then the resource's time is of an older change.
            journal.record(db, app.id, origin, entries, resource.modified_at if changed else journal.now())
        return resource

    return _unique(db, app, resource_type, None, id, lambda: db.transact(work), seen)


def _action(now: _Who, before: _Who) -> Action:
    if now.is_user and now.active != before.active:
        return Action.ENABLED if now.active else Action.DISABLED
    return Action.UPDATED


def _write(
    db: Database,
    app: App,
    resource_type: ResourceType,
    resource: Resource,
    old: Document,
    new: Document,
    who: _Who,
) -> None:
    """Write a changed resource: a new version, and only the value rows that differ."""
    before = documents.value_rows(resource_type, old)
    after = documents.value_rows(resource_type, new)
    resource.version += 1
    resource.modified_at = max(journal.now(), resource.modified_at + 1)
    resource.document = orjson.dumps(new).decode()
    db.execute(
        _UPDATE,
        row=resource.row,
        name=who.name,
        display=new.get("displayName"),
        active=who.active,
        version=resource.version,
        modified_at=resource.modified_at,
        document=resource.document,
    )
    _write_values(db, app, resource_type, resource.row, before, after)


def _write_values(
    db: Database,
    app: App,
    resource_type: ResourceType,
    row: int,
    before: set[documents.ValueRow],
    after: set[documents.ValueRow],
) -> None:
    gone = [{"resource_id": row, "path": v.path, "item": v.item, "nth": v.nth} for v in before - after]
    db.execute_many(_DELETE_VALUE, gone)
    unique = resource_type.unique_paths
    common = {"app_id": app.id, "type": resource_type.name, "resource_id": row}
    db.execute_many(
        _INSERT_VALUE,
        [
            {**common, **value._asdict(), "unique_key": unique_key(value.key) if value.path in unique else None}
            for value in sorted(after - before)
        ],
    )


def _remember(db: Database, app: App, who: _Who, before: Document) -> None:
    """Keep the names a user is known by, when they are new."""
    if not who.is_user:
        return
    names = [fold(who.name)] if before.get("userName") != who.name else []
    if who.external_id and before.get("externalId") != who.external_id:
        names.append(who.external_id)
    journal.known_as(db, app.id, who.id, names)


def _entry(action: Action, who: _Who, changes: dict[str, list[Any]], status: int, ignored: Iterable[str]) -> Entry:
    listed = ", ".join(list(ignored)[:20])
    return Entry(
        action,
        user=who.pair if who.is_user else None,
        group=who.pair if who.is_group else None,
        changes=changes or None,
        status=status,
        detail=f"not taken: {listed}" if listed else None,
    )


def _unique(
    db: Database,
    app: App,
    resource_type: ResourceType,
    document: Document | None,
    id: str | None,
    work: Callable[[], Resource],
    seen: list[Document] | None = None,
) -> Resource:
    """Run a write; a violated unique index becomes 409 naming the attribute."""
    try:
        return work()
    except peewee.IntegrityError as error:
        if not db.not_unique(error, "value", "unique_key"):
            raise
        new = document or (seen[0] if seen else {})
        raise Uniqueness(_taken(db, app, resource_type, new, id)) from None


@prepared
def _HOLDERS(db: Database) -> Any:
    return (
        ValueRow.select(ResourceRow.uuid)
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .where(
            ValueRow.app_id == Slot("app"),
            ValueRow.type == Slot("type"),
            ValueRow.path == Slot("path"),
            ValueRow.unique_key == Slot("key"),
        )
    )


def _taken(db: Database, app: App, resource_type: ResourceType, new: Document, id: str | None) -> str:
    """Which unique value is taken, in words."""
    for value in sorted(documents.value_rows(resource_type, new)):
        if value.path in resource_type.unique_paths:
            held = db.rows(_HOLDERS, app=app.id, type=resource_type.name, path=value.path, key=unique_key(value.key))
            if any(row[0] != id for row in held):
                return f"Another {resource_type.name} of this app already has this {value.path}."
    return f"Another {resource_type.name} of this app already has one of these unique values."
