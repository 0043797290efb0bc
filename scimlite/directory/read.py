"""Reads resources: one by its id, or a page of a query; it opens no transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from peewee import SQL, fn

from ..apps import App
from ..apps.workspace import Workspace
from ..db import Database, Slot, StatementCache, prepared
from ..db.tables import ResourceRow
from ..errors import NotFound
from ..scim.preconditions import UNCONDITIONAL, Preconditions
from ..scim.schema import ResourceType
from . import members, search
from .members import Link


@dataclass(slots=True)
class Resource:
    """A stored resource; `document` is JSON without `meta`, links and derived attributes.

    `links` are the resources that it links to, `derived` those that link to it; None when they were not read.
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
    #: True after a write that deprovisioned the resource: no request finds it any more.
    gone: bool = False


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A checked query: its filter, its sort order, and its page."""

    filter: search.BoundFilter
    sort: search.Sort | None = None
    start_index: int = 1
    count: int = 100
    #: The app's SCIM base URL, with which `meta.location` and `$ref` begin.
    base: str = ""
    with_links: bool = True
    with_derived: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a query, and the number of all matches."""

    total: int
    resources: list[Resource] = field(default_factory=list)


#: The columns of a Resource, in the order of its fields.
COLUMNS = (
    ResourceRow.id,
    ResourceRow.uuid,
    ResourceRow.type,
    ResourceRow.version,
    ResourceRow.created_at,
    ResourceRow.modified_at,
    ResourceRow.document,
)


def _by_id(query: Any) -> Any:
    return query.where(
        ResourceRow.app_id == Slot("app"),
        ResourceRow.uuid == Slot("uuid"),
        ResourceRow.type == Slot("type"),
        ResourceRow.deleted_at.is_null(),
    )


@prepared
def _resource(db: Database) -> Any:
    return _by_id(ResourceRow.select(*COLUMNS))


@prepared
def _resource_with_groups(db: Database) -> Any:
    return _by_id(ResourceRow.select(*COLUMNS, members.groups_column(db, ResourceRow)))


def get(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    *,
    with_links: bool = True,
    with_derived: bool = True,
) -> Resource:
    """The living resource with an id; NotFound when there is none."""
    derived = with_derived and resource_type.derived is not None
    query = _resource_with_groups if derived else _resource
    row = workspace.db.row(query, app=workspace.app.id, uuid=id, type=resource_type.name)
    if row is None:
        raise _not_found(resource_type, id)
    resource = _from_row(row)
    attach(workspace, resource_type, [resource], with_links=with_links, with_derived=with_derived)
    return resource


def _from_row(row: Sequence[Any]) -> Resource:
    """The resource in a row of COLUMNS, which `members.groups_column` may follow."""
    resource = Resource(*row[: len(COLUMNS)])
    if len(row) > len(COLUMNS):
        resource.derived = members.groups_in(row[-1])
    return resource


def _not_found(resource_type: ResourceType, id: str) -> NotFound:
    return NotFound(f"There is no {resource_type.name} {id[:100]!r} in this app.")


@prepared
def _locked_resource(db: Database) -> Any:
    return db.locking(_by_id(ResourceRow.select(*COLUMNS)))


@prepared
def _locked_resource_with_groups(db: Database) -> Any:
    return db.locking(_by_id(ResourceRow.select(*COLUMNS, members.groups_column(db, ResourceRow))))


def lock(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    preconditions: Preconditions,
    *,
    with_derived: bool = False,
) -> Resource:
    """The living resource with an id, locked until the transaction ends.

    Raises NotFound, and PreconditionFailed unless the resource satisfies the preconditions.
    """
    derived = with_derived and resource_type.derived is not None
    query = _locked_resource_with_groups if derived else _locked_resource
    row = workspace.db.row(query, app=workspace.app.id, uuid=id, type=resource_type.name)
    if row is None:
        raise _not_found(resource_type, id)
    resource = _from_row(row)
    if preconditions is not UNCONDITIONAL:
        preconditions.require(f"{resource_type.name} {id}", resource.version, resource.modified_at)
    return resource


def attach(
    workspace: Workspace,
    resource_type: ResourceType,
    resources: list[Resource],
    *,
    with_links: bool,
    with_derived: bool,
) -> None:
    """Adds links and derived attributes to resources without them, with one statement for all resources."""
    if resource_type.links is not None and with_links:
        links = members.members_of(workspace.db, [resource.row for resource in resources])
        for resource in resources:
            resource.links = links.get(resource.row, [])
    if resource_type.derived is not None and with_derived:
        lacking = [resource for resource in resources if resource.derived is None]
        groups = members.groups_of(workspace.db, [resource.row for resource in lacking]) if lacking else {}
        for resource in lacking:
            resource.derived = groups.get(resource.row, [])


def find(workspace: Workspace, types: Sequence[ResourceType], request: SearchRequest) -> Page:
    """One page of a query over resources of these types; the database counts the total with the same condition."""
    db = workspace.db
    binds = search_binds(workspace.app, types, request)
    statements = _statements(db, types, request)
    offset = max(request.start_index - 1, 0)
    total = None
    if offset > 0 or request.count == 0:
        total = db.total(statements.count, **binds)
        if offset >= total or request.count == 0:
            return Page(total)
    limit = request.count if total is None else min(request.count, total - offset)
    if total is not None and offset > total // 2:
        # Pages near the end are read from the end, because an OFFSET costs as much as the rows that it skips.
        rows = db.rows(statements.backwards, **binds, limit=limit, offset=total - offset - limit)
        rows.reverse()
    else:
        rows = db.rows(statements.forwards, **binds, limit=limit, offset=offset)
    if total is None:
        # A first page that is not full contains all matches.
        total = len(rows) if len(rows) < limit else db.total(statements.count, **binds)
    return Page(total, complete(workspace, types, request, rows))


def count(workspace: Workspace, types: Sequence[ResourceType], request: SearchRequest) -> int:
    """The number of resources that match a query."""
    statement = _statements(workspace.db, types, request).count
    return workspace.db.total(statement, **search_binds(workspace.app, types, request))


def search_binds(app: App, types: Sequence[ResourceType], request: SearchRequest) -> dict[str, Any]:
    """The values of the Slots in a search's condition."""
    one = types[0]
    binds = {"app": app.id, "base": request.base, "type": one.name, "endpoint": one.endpoint}
    return {**binds, **request.filter.binds}


def complete(
    workspace: Workspace, types: Sequence[ResourceType], request: SearchRequest, rows: Sequence[Sequence[Any]]
) -> list[Resource]:
    """The resources in the rows of a search, with the links and derived attributes that the request wants."""
    resources = [_from_row(row) for row in rows]
    for resource_type in types:
        of_type = [resource for resource in resources if resource.type == resource_type.name]
        if of_type:
            attach(workspace, resource_type, of_type, with_links=request.with_links, with_derived=request.with_derived)
    return resources


@dataclass(frozen=True, slots=True)
class _Search:
    forwards: Any
    backwards: Any
    count: Any


_searches: StatementCache[_Search] = StatementCache()


def _statements(db: Database, types: Sequence[ResourceType], request: SearchRequest) -> _Search:
    """The statements of a search, built once for all searches of the same shape."""
    shape = (db.kind, *types, request.filter.shape, request.sort, request.with_derived)
    return _searches.get(shape, lambda: _build_search(db, types, request))


def _build_search(db: Database, types: Sequence[ResourceType], request: SearchRequest) -> _Search:
    where = search.condition(db, request.filter.shape, types)
    narrow = search.narrow(request.filter.shape)
    columns = list(COLUMNS)
    if request.with_derived and len(types) == 1 and types[0].derived is not None and search.few(request.filter.shape):
        # The column pays for a few users; for a whole page one more statement costs less.
        columns.append(members.groups_column(db, ResourceRow))

    def page(backwards: bool) -> Any:
        ordered = search.order(db, request.sort, narrow=narrow, backwards=backwards)
        query = ResourceRow.select(*columns).order_by(*ordered)
        if narrow:
            query = query.where(where).limit(Slot("limit")).offset(Slot("offset"))
        else:
            # OFFSET skips entries of an index, and only the rows of the page are read.
            ids = ResourceRow.select(ResourceRow.id).where(where).order_by(*ordered)
            query = query.where(db.among(ResourceRow.id, ids.limit(Slot("limit")).offset(Slot("offset"))))
        return prepared(lambda db: query)

    count = ResourceRow.select(fn.count(SQL("*"))).where(where)
    return _Search(page(False), page(True), prepared(lambda db: count))
