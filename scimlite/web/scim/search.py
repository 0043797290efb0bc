"""Queries over HTTP: GET of a collection or of the root, and POST of a SearchRequest to `/.search`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask import Response

from ...directory import cursors, read, search
from ...directory.read import SearchRequest
from ...journal import Action
from ...scim import messages, projection
from ...scim.filter_parser import parse_filter
from ...scim.path import parse_attr_path
from ...scim.projection import Projection
from ...scim.query import Query, load_query, load_search
from ...scim.schema import ResourceType
from .answers import respond
from .call import Call
from .rendering import Renderer
from .view import View


def answer(call: Call, types: Sequence[ResourceType], query: Query) -> Response:
    """One page of a query over resources of these types, as a ListResponse."""
    wanted = {each.name: projection.parse(each, query.attributes, query.excluded) for each in types}
    request = _request(call, types, query, wanted)
    if query.cursor is not None:
        return _cursor_page(call, types, query, wanted, request)
    page = read.find(call.reading, types, request)
    return respond(messages.list_response(_rendered(call, page, wanted), page.total, query.start_index))


def _rendered(call: Call, page: read.Page | cursors.CursorPage, wanted: dict[str, Projection]) -> list[str]:
    renderers = {name: Renderer(projection, call.base) for name, projection in wanted.items()}
    return [renderers[each.type].render(each) for each in page.resources]


def _request(call: Call, types: Sequence[ResourceType], query: Query, wanted: dict[str, Projection]) -> SearchRequest:
    """The query, checked against the schemas."""
    urns = frozenset().union(*(each.urns for each in types))
    term = parse_filter(query.filter, urns) if query.filter is not None else None
    sort = None
    if query.sort_by is not None:
        sort = search.sort(parse_attr_path(query.sort_by, urns), types, descending=query.descending)
    return SearchRequest(
        search.bind(term, types[0]) if len(types) == 1 else search.bind_across(term, types),
        sort,
        query.start_index,
        min(call.limits.default_count if query.count is None else query.count, call.limits.max_results),
        call.base,
        any(each.wants(each.resource_type.links) for each in wanted.values()),
        any(each.wants(each.resource_type.derived) for each in wanted.values()),
    )


def _cursor_page(
    call: Call,
    types: Sequence[ResourceType],
    query: Query,
    wanted: dict[str, Projection],
    request: SearchRequest,
) -> Response:
    asked = (query.filter, query.sort_by, query.descending)
    written = cursors.Cursors(call.keyring, call.app, types, asked)
    place = None
    if query.cursor:
        given = None if query.count is None else request.count
        place, size = written.read(query.cursor, given)
        request = replace(request, count=size)
    page = cursors.find(call.reading, types, request, place)
    body = messages.cursor_response(
        _rendered(call, page, wanted),
        page.total,
        next_cursor=written.write(page.next, request.count),
        previous_cursor=written.write(page.previous, request.count),
    )
    return respond(body)


class RootView(View):
    """The app's base URL: a query over resources of every type (RFC 7644 section 3.4.2.1)."""

    def get(self, call: Call, slug: str) -> Response:
        with call.attempt(Action.SEARCHED):
            query = load_query(call.request.args.items(multi=True))
            return answer(call, list(call.app.resource_types.values()), query)


class SearchView(View):
    """`/.search`, below the base URL or an endpoint: a query in the body (RFC 7644 section 3.4.3)."""

    def post(self, call: Call, slug: str, endpoint: str | None = None) -> Response:
        types = list(call.app.resource_types.values()) if endpoint is None else [call.resource_type(endpoint)]
        with call.attempt(Action.SEARCHED):
            return answer(call, types, load_search(self.body(call)))


ROUTES = (
    ("/<slug>", RootView, "Root"),
    ("/<slug>/", RootView, "RootSlash"),
    ("/<slug>/.search", SearchView, "RootSearch"),
    ("/<slug>/<endpoint>/.search", SearchView, "Search"),
)
