"""Cursor pagination (RFC 9865): a place in the order of a query, signed and bound to that query.

A page begins behind the resource that the last one ended with, by its sort key and row, so that whoever comes or goes
in between moves nobody else, and every page costs the same. Only a resource whose sort key changes meanwhile may be met
twice or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, URLSafeSerializer
from peewee import SQL

from ..apps import App
from ..apps.keyring import Keyring
from ..apps.workspace import Workspace
from ..db import Database, Slot, Statement, StatementCache, prepared
from ..db.tables import ResourceRow
from ..errors import InvalidCount, InvalidCursor
from ..scim.schema import ResourceType
from . import search
from .read import COLUMNS, Resource, SearchRequest, complete, count, search_binds

_SALT = "scimlite.cursor"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: behind this row, or before it; `rank` is its sort key, None without a value or sort."""

    row: int
    rank: str | int | None
    backwards: bool


@dataclass(frozen=True, slots=True)
class CursorPage:
    """One page, how many resources match in all, and the places of its neighbours if there are any."""

    total: int
    resources: list[Resource]
    next: Place | None
    previous: Place | None


class Cursors:
    """Writes and reads the cursors of one query: of this app, these types, this filter, sort and count."""

    def __init__(self, keyring: Keyring, app: App, types: Sequence[ResourceType], asked: Sequence[Any]) -> None:
        self._serializer: URLSafeSerializer = keyring.serializer(_SALT)
        scope = repr((app.id, [each.name for each in types], *asked))
        self._scope = hashlib.sha256(scope.encode()).hexdigest()[:24]

    def write(self, place: Place | None, count: int) -> str | None:
        """A place as the text that a client sends back."""
        if place is None:
            return None
        return str(self._serializer.dumps([self._scope, count, place.row, place.rank, int(place.backwards)]))

    def read(self, text: str, count: int | None) -> tuple[Place, int]:
        """The place that a cursor names and the count of its query.

        Raises InvalidCursor when it is none of ours or of another query, InvalidCount when the count is another.
        """
        try:
            scope, size, row, rank, backwards = self._serializer.loads(text)
        except (BadData, ValueError):
            raise InvalidCursor("The cursor is not one that this service gave.") from None
        if scope != self._scope:
            raise InvalidCursor("The cursor belongs to another query: only the cursor itself may change.")
        if count is not None and count != size:
            raise InvalidCount(f"count was {size} in the first request of this query; it stays that.")
        return Place(row, rank, bool(backwards)), size


def find(
    workspace: Workspace, types: Sequence[ResourceType], request: SearchRequest, place: Place | None
) -> CursorPage:
    """The page at a place, the first one without; `request.start_index` does not matter."""
    total = count(workspace, types, request)
    if request.count == 0:
        return CursorPage(total, [], None, None)
    backwards = place is not None and place.backwards
    statement = _statement(workspace.db, types, request, place)
    binds = search_binds(workspace.app, types, request) | {"limit": request.count + 1}
    if place is not None:
        binds |= {"row": place.row, "rank": place.rank}
    rows = workspace.db.rows(statement, **binds)
    if backwards and not rows:
        # Everybody before the place has gone: what is left begins there.
        return find(workspace, types, request, None)
    more = len(rows) > request.count
    rows = rows[: request.count]
    if backwards:
        rows.reverse()
    found = complete(workspace, types, request, [row[:-1] for row in rows])
    if not rows:
        return CursorPage(total, found, None, None)
    first, last = (Place(row[0], row[-1], backwards=at == 0) for at, row in enumerate((rows[0], rows[-1])))
    return CursorPage(
        total,
        found,
        last if more or backwards else None,
        first if (more if backwards else place is not None) else None,
    )


_statements: StatementCache[Statement] = StatementCache()


def _statement(db: Database, types: Sequence[ResourceType], request: SearchRequest, place: Place | None) -> Statement:
    """The statement of a page by its shape: built once, then only bound."""
    kind = None if place is None else (place.backwards, place.rank is None)
    shape = (db.kind, *types, request.filter.shape, request.sort, kind)

    def build() -> Statement:
        query = _page(db, types, request, place)
        return prepared(lambda db: query)

    return _statements.get(shape, build)


def _page(db: Database, types: Sequence[ResourceType], request: SearchRequest, place: Place | None) -> Any:
    """The query of a page: the resource's columns, and its rank last."""
    where = search.condition(db, request.filter.shape, types)
    by, backwards = request.sort, place is not None and place.backwards
    if by is None:
        query = ResourceRow.select(*COLUMNS, SQL("NULL")).where(where)
        narrow = search.narrow(request.filter.shape)
        ordered = search.order(db, None, narrow=narrow, backwards=backwards)
        row, rank = ResourceRow.id, None
    else:
        keys = ResourceRow.select(ResourceRow.id.alias("row"), search.rank(db, by).alias("rank")).where(where)
        # Materialized: else each comparison with the place would look every key up again.
        ranked = keys.cte("ranked", materialized=True)
        resource = ResourceRow.alias("resource")
        columns = [getattr(resource, column.name) for column in COLUMNS]
        row, rank = ranked.c.row, ranked.c.rank
        query = resource.select(*columns, rank).join(ranked, on=(resource.id == row)).with_cte(ranked)
        ordered = search.ranked_order(rank, row, by, backwards=backwards)
    if place is not None:
        query = query.where(search.after(rank, row, by, backwards=backwards, unranked=place.rank is None))
    return query.order_by(*ordered).limit(Slot("limit"))
