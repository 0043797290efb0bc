"""Queries over HTTP: GET of the base URL, GET of a collection, and POST of a SearchRequest to `/.search`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask import Response

from ...directory import cursors, read, search
from ...directory.read import SearchRequest
from ...journal import Action
from ...scim import messages
from ...scim import projection as projections
from ...scim.filter_parser import parse_filter
from ...scim.path import parse_attr_path
from ...scim.projection import Projection
from ...scim.query import SEARCH_URN, Query, load_search
from ...scim.schema import ResourceType
from .call import Call
from .conditions import conditions_of
from .rendering import Renderer
from .responses import scim_response
from .view import View


def query_response(call: Call, types: Sequence[ResourceType], query: Query) -> Response:
    """Returns one page of a query over resources of these types, as a ListResponse (RFC 7644 section 3.4.2).

    Raises InvalidFilter, InvalidPath, InvalidValue, and InvalidCursor or InvalidCount for a cursor (RFC 9865).
    """
    projection_by_type = {
        resource_type.name: projections.parse(resource_type, query.attributes, query.excluded)
        for resource_type in types
    }
    request = _search_request(call, types, query, projection_by_type)
    if query.cursor is not None:
        return _cursor_response(call, types, query, projection_by_type, request)
    page = read.find(call.reading, types, request)
    resources = _render_page(call, page, projection_by_type)
    return scim_response(messages.list_response(resources, page.total, query.start_index))


def _render_page(
    call: Call, page: read.Page | cursors.CursorPage, projection_by_type: dict[str, Projection]
) -> list[str]:
    """Returns the resources of a page as JSON texts."""
    renderers = {name: Renderer(projection, call.base) for name, projection in projection_by_type.items()}
    return [renderers[resource.type].render(resource) for resource in page.resources]


def _search_request(
    call: Call, types: Sequence[ResourceType], query: Query, projection_by_type: dict[str, Projection]
) -> SearchRequest:
    """Returns the query with its filter and sort order bound to the schemas, and its count within the limits."""
    urns = frozenset().union(*(resource_type.urns for resource_type in types))
    term = parse_filter(query.filter, urns) if query.filter is not None else None
    sort = None
    if query.sort_by is not None:
        sort = search.sort(parse_attr_path(query.sort_by, urns), types, descending=query.descending)
    projections_of_types = projection_by_type.values()
    bound = search.bind(term, types[0]) if len(types) == 1 else search.bind_across(term, types)
    search.require_affordable(call.db, call.app, types, bound, sort, call.base, call.limits.max_comparisons)
    return SearchRequest(
        bound,
        sort,
        query.start_index,
        min(call.limits.default_count if query.count is None else query.count, call.limits.max_results),
        call.base,
        any(projection.wants(projection.resource_type.links) for projection in projections_of_types),
        any(projection.wants(projection.resource_type.derived) for projection in projections_of_types),
    )


def _cursor_response(
    call: Call,
    types: Sequence[ResourceType],
    query: Query,
    projection_by_type: dict[str, Projection],
    request: SearchRequest,
) -> Response:
    """Returns the page at the query's cursor, the first page for an empty one, with its neighbours' cursors."""
    query_key = (query.filter, query.sort_by, query.descending)
    codec = cursors.Cursors(call.keyring, call.app, types, query_key)
    place = None
    if query.cursor:
        requested_count = None if query.count is None else request.count
        place, count = codec.read(query.cursor, requested_count)
        request = replace(request, count=count)
    page = cursors.find(call.reading, types, request, place)
    body = messages.cursor_response(
        _render_page(call, page, projection_by_type),
        page.total,
        next_cursor=codec.write(page.next, request.count),
        previous_cursor=codec.write(page.previous, request.count),
    )
    return scim_response(body)


class RootView(View):
    """The app's base URL: GET queries the resources of every type (RFC 7644 section 3.4.2.1)."""

    def get(self, call: Call, slug: str) -> Response:
        with call.attempt(Action.SEARCHED):
            return query_response(call, list(call.app.resource_types.values()), call.query())


class SearchView(View):
    """`/.search` below the base URL or an endpoint: POST takes a query in the body (RFC 7644 section 3.4.3)."""

    post_action = Action.SEARCHED

    def post(self, call: Call, slug: str, endpoint: str | None = None) -> Response:
        types = list(call.app.resource_types.values()) if endpoint is None else [call.resource_type(endpoint)]
        with call.attempt(self.post_action):
            call.parameters()
            conditions_of(call.request.environ).require_nothing("A search")
            body = self.read_json(call)
            query = load_search(body)
            if call.app.strictness is not None:
                call.app.strictness.check_message(body, SEARCH_URN)
            return query_response(call, types, query)


ROUTES = (
    ("/<slug>", RootView, "Root"),
    ("/<slug>/", RootView, "RootSlash"),
    ("/<slug>/.search", SearchView, "RootSearch"),
    ("/<slug>/<endpoint>/.search", SearchView, "Search"),
)
