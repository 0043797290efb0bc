"""What each SCIM endpoint does: parse, call one function of the store, render."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, g, request
from flask.views import MethodView

from . import errors, journal, links, search, store
from .journal import Action
from .provider import METHODS, Attempt, Service, base_url, empty, respond
from .rendering import etag, location, render
from .scim import document, messages, patch, projection
from .scim.filter import parse_filter
from .scim.path import parse_attr_path
from .scim.projection import Projection
from .scim.schema import ResourceType

_JSON_TYPES = ("application/scim+json", "application/json")
_ENTITY_TAG = re.compile(r'\*|(?:W/)?"([^"]*)"')
#: Above this many members a PATCH of a group is answered with 204 (app setting `patch answer`: auto).
_MOST_MEMBERS_ANSWERED = 100

_WRITES = {
    "POST": Action.CREATED,
    "PUT": Action.UPDATED,
    "PATCH": Action.UPDATED,
    "DELETE": Action.DELETED,
}


class View(MethodView):
    """An endpoint: methods that it lacks are 405 with what it has."""

    init_every_request = False

    def __init__(self, service: Service) -> None:
        self.service = service

    def dispatch_request(self, **arguments: Any) -> Any:
        method = "get" if request.method == "HEAD" else request.method.lower()
        handler = getattr(self, method, None)
        if handler is None:
            known = [name for name in METHODS if hasattr(self, name.lower())]
            raise errors.MethodNotAllowed(
                f"{request.method} is not possible here; {', '.join(known)} is.",
                headers={"Allow": ", ".join(known)},
            )
        return handler(**arguments)


class _ResourceView(View):
    """Common ground of the endpoints for users, groups and other resources."""

    def resource_type(self, endpoint: str, id: str | None = None) -> ResourceType:
        """The type behind an endpoint of this app; NotFound otherwise. Notes what is tried, for the journal."""
        found: ResourceType | None = g.caller.app.resource_types.get(endpoint)
        if found is None:
            raise errors.NotFound(f"There is nothing at /{endpoint[:100]}.")
        if request.method in _WRITES:
            g.attempt = Attempt(_WRITES[request.method], found.name, id)
        return found

    def projection(self, resource_type: ResourceType) -> Projection:
        """What `attributes` and `excludedAttributes` of the request ask for."""
        if not request.query_string:
            return Projection(resource_type)
        query = messages.load_query(request.args.items(multi=True))
        return projection.parse(resource_type, query.attributes, query.excluded)

    def body(self) -> Any:
        """The JSON of a write; a content type that is not JSON is refused, none at all is accepted."""
        if request.content_type and request.mimetype not in _JSON_TYPES:
            raise errors.UnsupportedMediaType(
                f"The content type {request.mimetype[:100]!r} is not JSON; send application/scim+json."
            )
        parsed = messages.load_json(request.get_data(cache=False))
        if isinstance(parsed, dict) and request.method in ("POST", "PUT"):
            named = parsed.get("userName") or parsed.get("displayName")
            g.attempt.name = named if isinstance(named, str) else None
        return parsed

    def if_match(self) -> list[str]:
        """The versions that If-Match names, `*` included; empty when there is no such header."""
        given = request.headers.get("If-Match")
        return _versions(given) or ["none"] if given else []

    def respond(self, resource: store.Resource, wanted: Projection, status: int = 200) -> Response:
        """A resource as the answer to a request."""
        base = base_url(g.caller.app.slug)
        headers = {"ETag": etag(resource), "Location": location(resource, wanted, base)}
        return respond(render(resource, wanted, base), status, headers)


def _versions(header: str) -> list[str]:
    return ["*" if match.group() == "*" else match.group(1) for match in _ENTITY_TAG.finditer(header)]


class CollectionView(_ResourceView):
    """`/Users`, `/Groups`: list, search and create."""

    def get(self, slug: str, endpoint: str) -> Response:
        resource_type = self.resource_type(endpoint)
        g.attempt = Attempt(Action.SEARCHED)
        query = messages.load_query(request.args.items(multi=True))
        wanted = projection.parse(resource_type, query.attributes, query.excluded)
        base = base_url(slug)
        page = store.find(
            self.service.db, g.caller.app, resource_type, self._search(resource_type, query, wanted, base)
        )
        rendered = [render(resource, wanted, base) for resource in page.resources]
        return respond(messages.list_response(rendered, page.total, query.start_index))

    def _search(
        self, resource_type: ResourceType, query: messages.Query, wanted: Projection, base: str
    ) -> store.SearchRequest:
        term = parse_filter(query.filter, resource_type.urns) if query.filter is not None else None
        sort = None
        if query.sort_by is not None:
            path = parse_attr_path(query.sort_by, resource_type.urns)
            sort = search.sort(path, resource_type, descending=query.descending)
        count = self.service.default_count if query.count is None else query.count
        return store.SearchRequest(
            search.bind(term, resource_type),
            sort,
            query.start_index,
            min(count, self.service.max_results),
            base,
            wanted.wants(resource_type.links),
            wanted.wants(resource_type.derived),
        )

    def post(self, slug: str, endpoint: str) -> Response:
        resource_type = self.resource_type(endpoint)
        wanted = self.projection(resource_type)
        cleaned = document.clean(resource_type, self.body())
        resource = store.create(self.service.db, g.caller.app, resource_type, cleaned, g.origin)
        if resource_type.links is not None and wanted.wants(resource_type.links):
            resource.links = links.members_of(self.service.db, [resource.row]).get(resource.row, [])
        return self.respond(resource, wanted, 201)


class ResourceView(_ResourceView):
    """`/Users/<id>`, `/Groups/<id>`: read, replace, patch and delete."""

    def get(self, slug: str, endpoint: str, id: str) -> Response:
        resource_type = self.resource_type(endpoint)
        wanted = self.projection(resource_type)
        resource = self._read(resource_type, id, wanted)
        if self._unchanged(resource, resource_type, wanted):
            return empty(304, {"ETag": etag(resource)})
        return self.respond(resource, wanted)

    def _read(self, resource_type: ResourceType, id: str, wanted: Projection) -> store.Resource:
        return store.get(
            self.service.db,
            g.caller.app,
            resource_type,
            id,
            with_links=wanted.wants(resource_type.links),
            with_derived=wanted.wants(resource_type.derived),
        )

    def _unchanged(self, resource: store.Resource, resource_type: ResourceType, wanted: Projection) -> bool:
        """Whether If-None-Match names this version. No version vouches for groups that a user is or was in."""
        given = request.headers.get("If-None-Match")
        if not given:
            return False
        versions = _versions(given)
        if "*" not in versions and str(resource.version) not in versions:
            return False
        if not wanted.wants(resource_type.derived):
            return True
        db = self.service.db
        return not (
            resource.derived
            or links.may_have_changed(db, resource.row)
            or journal.left_a_group(db, resource.id)
        )

    def put(self, slug: str, endpoint: str, id: str) -> Response:
        resource_type = self.resource_type(endpoint, id)
        wanted = self.projection(resource_type)
        cleaned = document.clean(resource_type, self.body())
        resource = store.replace_resource(
            self.service.db, g.caller.app, resource_type, id, cleaned, g.origin, if_match=self.if_match()
        )
        return self.respond(self._completed(resource, resource_type, wanted), wanted)

    def patch(self, slug: str, endpoint: str, id: str) -> Response:
        resource_type = self.resource_type(endpoint, id)
        wanted = self.projection(resource_type)
        app = g.caller.app
        plan = patch.plan(
            messages.load_patch(self.body()),
            resource_type,
            ignore_unknown=app.settings.unknown_attributes == "ignore",
        )
        resource = store.patch(
            self.service.db, app, resource_type, id, plan, g.origin, if_match=self.if_match()
        )
        return self._patched(resource, resource_type, wanted, app.settings.patch_answer)

    def _patched(
        self, resource: store.Resource, resource_type: ResourceType, wanted: Projection, answer: str
    ) -> Response:
        """The answer to a PATCH as the app's setting wants it; with `attributes` always the resource."""
        headers = {"ETag": etag(resource)}
        if wanted.only is None and answer == "empty":
            return empty(204, headers)
        brief = wanted.only is None and answer == "auto"
        at_most = _MOST_MEMBERS_ANSWERED + 1 if brief else None
        resource = self._completed(resource, resource_type, wanted, at_most)
        if brief and len(resource.links or ()) > _MOST_MEMBERS_ANSWERED:
            return empty(204, headers)
        return self.respond(resource, wanted)

    def _completed(
        self,
        resource: store.Resource,
        resource_type: ResourceType,
        wanted: Projection,
        at_most_links: int | None = None,
    ) -> store.Resource:
        """A written resource with the links and derived attributes that its answer needs."""
        store.attach(
            self.service.db,
            g.caller.app,
            resource_type,
            [resource],
            with_links=wanted.wants(resource_type.links),
            with_derived=wanted.wants(resource_type.derived),
            at_most_links=at_most_links,
        )
        return resource

    def delete(self, slug: str, endpoint: str, id: str) -> Response:
        resource_type = self.resource_type(endpoint, id)
        store.delete(self.service.db, g.caller.app, resource_type, id, g.origin, if_match=self.if_match())
        return empty(204)


def add_routes(blueprint: Blueprint, service: Service) -> None:
    """The resource endpoints; a trailing slash is the same route."""
    for rule, view in (
        ("/<slug>/<endpoint>", CollectionView),
        ("/<slug>/<endpoint>/<id>", ResourceView),
    ):
        blueprint.add_url_rule(
            rule,
            view_func=view.as_view(view.__name__, service),
            methods=METHODS,
            strict_slashes=False,
            merge_slashes=False,
            provide_automatic_options=False,
        )

