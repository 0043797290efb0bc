"""What each SCIM endpoint does: parse, call one function of the store, render."""

from __future__ import annotations

from flask import Response

from ...directory import members, read
from ...journal import Action, report
from ...scim import projection
from ...scim.projection import Projection
from ...scim.query import load_query
from ...scim.schema import ResourceType
from . import search, writes
from .answers import empty, respond
from .call import Call
from .rendering import etag, location, render
from .view import View
from .writes import Answer


class _ResourceView(View):
    """Common ground of the endpoints for users, groups and other resources."""

    def projection(self, call: Call, resource_type: ResourceType) -> Projection:
        """What `attributes` and `excludedAttributes` of the request ask for."""
        if not call.request.query_string:
            return Projection(resource_type)
        query = load_query(call.request.args.items(multi=True))
        return projection.parse(resource_type, query.attributes, query.excluded)

    def if_match(self, call: Call) -> list[str]:
        """The versions that If-Match names, `*` included; empty when there is no such header."""
        return writes.if_match(call.request.headers.get("If-Match"))

    def answer(self, call: Call, answer: Answer) -> Response:
        """A write as the answer to a request."""
        resource, wanted = answer.resource, answer.wanted
        if resource is None:
            return empty(answer.status)
        if answer.status == 204:
            return empty(204, {"ETag": etag(resource)})
        read.attach(
            call.reading,
            wanted.resource_type,
            [resource],
            with_links=resource.links is None and wanted.wants(wanted.resource_type.links),
            with_derived=resource.derived is None and wanted.wants(wanted.resource_type.derived),
        )
        return self.respond(call, resource, wanted, answer.status)

    def respond(self, call: Call, resource: read.Resource, wanted: Projection, status: int = 200) -> Response:
        """A resource as the answer to a request."""
        headers = {"ETag": etag(resource), "Location": location(resource, wanted, call.base)}
        return respond(render(resource, wanted, call.base), status, headers)


class CollectionView(_ResourceView):
    """`/Users`, `/Groups`: list, search and create."""

    def get(self, call: Call, slug: str, endpoint: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.SEARCHED):
            query = load_query(call.request.args.items(multi=True))
            return search.answer(call, [resource_type], query)

    def post(self, call: Call, slug: str, endpoint: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.CREATED, resource_type) as attempt:
            wanted = self.projection(call, resource_type)
            answer = writes.create(attempt, resource_type, self.body(call), wanted, call.limits.retention)
            return self.answer(call, answer)


class ResourceView(_ResourceView):
    """`/Users/<id>`, `/Groups/<id>`: read, replace, patch and delete."""

    def get(self, call: Call, slug: str, endpoint: str, id: str) -> Response:
        resource_type = call.resource_type(endpoint)
        wanted = self.projection(call, resource_type)
        resource = read.get(
            call.reading,
            resource_type,
            id,
            with_links=wanted.wants(resource_type.links),
            with_derived=wanted.wants(resource_type.derived),
        )
        if self._unchanged(call, resource, wanted):
            return empty(304, {"ETag": etag(resource)})
        return self.respond(call, resource, wanted)

    def _unchanged(self, call: Call, resource: read.Resource, wanted: Projection) -> bool:
        """Whether If-None-Match names this version, and that vouches for the whole answer.

        No version vouches for groups that a user is or was in, nor a group's for members that changed after it.
        """
        given = call.request.headers.get("If-None-Match")
        if not given:
            return False
        versions = writes.versions(given)
        if "*" not in versions and str(resource.version) not in versions:
            return False
        db = call.db
        if wanted.wants(wanted.resource_type.links) and members.changed_since(db, resource.row, resource.modified_at):
            return False
        if not wanted.wants(wanted.resource_type.derived):
            return True
        return not (
            resource.derived or members.may_have_changed(db, resource.row) or report.left_a_group(db, resource.id)
        )

    def put(self, call: Call, slug: str, endpoint: str, id: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.UPDATED, resource_type, id) as attempt:
            wanted = self.projection(call, resource_type)
            body = self.body(call)
            return self.answer(call, writes.replace(attempt, resource_type, id, body, self.if_match(call), wanted))

    def patch(self, call: Call, slug: str, endpoint: str, id: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.UPDATED, resource_type, id) as attempt:
            wanted = self.projection(call, resource_type)
            body = self.body(call)
            return self.answer(call, writes.patch(attempt, resource_type, id, body, self.if_match(call), wanted))

    def delete(self, call: Call, slug: str, endpoint: str, id: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.DELETED, resource_type, id) as attempt:
            return self.answer(call, writes.delete(attempt, resource_type, id, self.if_match(call)))


ROUTES = (
    ("/<slug>/<endpoint>", CollectionView, "Collection"),
    ("/<slug>/<endpoint>/<id>", ResourceView, "Resource"),
)
