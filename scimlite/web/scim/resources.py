"""The endpoints of resources: a collection such as `/Users`, and one resource such as `/Users/<id>`."""

from __future__ import annotations

from flask import Response

from ...directory import members, read
from ...journal import Action, report
from ...scim import core
from ...scim import projection as projections
from ...scim.preconditions import UNCONDITIONAL
from ...scim.projection import Projection
from ...scim.schema import ResourceType
from . import search, writes
from .call import Call
from .conditions import conditions_of
from .rendering import etag, location, render
from .responses import empty_response, scim_response
from .view import View
from .writes import Answer


class _ResourceView(View):
    """The base of both endpoints: the parameters of a request, and the response with a resource."""

    def projection(self, call: Call, resource_type: ResourceType) -> Projection:
        """Returns the projection of `attributes` and `excludedAttributes`. Raises InvalidValue or InvalidPath."""
        if not call.request.query_string:
            return Projection(resource_type)
        query = call.query()
        return projections.parse(resource_type, query.attributes, query.excluded)

    def write_response(self, call: Call, answer: Answer) -> Response:
        """Returns the response to a write; it reads the links and derived attributes that the answer lacks."""
        resource, projection = answer.resource, answer.projection
        if resource is None:
            return empty_response(answer.status)
        if answer.status == 204:
            return empty_response(204, {"ETag": etag(resource)})
        resource_type = projection.resource_type
        read.attach(
            call.reading,
            resource_type,
            [resource],
            with_links=resource.links is None and projection.wants(resource_type.links),
            with_derived=resource.derived is None and projection.wants(resource_type.derived),
        )
        body = render(resource, projection, call.base, written=True)
        return scim_response(body, answer.status, self.headers(call, resource, projection))

    def headers(self, call: Call, resource: read.Resource, projection: Projection) -> dict[str, str]:
        """Returns the ETag and the Location of a resource."""
        return {"ETag": etag(resource), "Location": location(resource, projection, call.base)}


class CollectionView(_ResourceView):
    """`/Users`, `/Groups` and the like: GET queries them (RFC 7644 section 3.4.2), POST creates (section 3.3)."""

    def get(self, call: Call, slug: str, endpoint: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.SEARCHED):
            return search.query_response(call, [resource_type], call.query())

    def post(self, call: Call, slug: str, endpoint: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.CREATED, resource_type) as attempt:
            projection = self.projection(call, resource_type)
            conditions_of(call.request.environ).require_nothing(writes.NEW)
            answer = writes.create(attempt, resource_type, self.read_json(call), projection, call.limits.retention)
            return self.write_response(call, answer)


class ResourceView(_ResourceView):
    """`/Users/<id>`, `/Groups/<id>` and the like: GET, PUT, PATCH, DELETE (RFC 7644 sections 3.4.1, 3.5 and 3.6)."""

    versioned = True

    def get(self, call: Call, slug: str, endpoint: str, id: str) -> Response:
        resource_type = call.resource_type(endpoint)
        projection = self.projection(call, resource_type)
        conditions = conditions_of(call.request.environ)
        resource = read.get(
            call.reading,
            resource_type,
            id,
            with_links=projection.wants(resource_type.links),
            with_derived=projection.wants(resource_type.derived),
        )
        if conditions is not UNCONDITIONAL:
            version, modified_at = resource.version, resource.modified_at
            conditions.require_match(f"{resource_type.name} {id}", version, modified_at)
            if conditions.not_modified(version, modified_at) and self._complete(call, resource, projection):
                return empty_response(304, {"ETag": etag(resource)})
        body = render(resource, projection, call.base)
        return scim_response(body, headers=self.headers(call, resource, projection))

    def _complete(self, call: Call, resource: read.Resource, projection: Projection) -> bool:
        """True when the answer shows nothing that a version omits.

        A version omits the groups of a user, so an answer with groups is never 304 for a user who is or was in one.
        Of other members of groups the journal does not tell who was in one.
        It also omits the members' own changes, so an answer with members is never 304 after such a change.
        """
        db, resource_type = call.db, projection.resource_type
        if projection.wants(resource_type.links) and members.changed_since(db, resource.row, resource.modified_at):
            return False
        if not projection.wants(resource_type.derived):
            return True
        return resource_type.name == core.USER.name and not (
            resource.derived or members.may_have_changed(db, resource.row) or report.left_a_group(db, resource.id)
        )

    def put(self, call: Call, slug: str, endpoint: str, id: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.UPDATED, resource_type, id) as attempt:
            projection = self.projection(call, resource_type)
            body = self.read_json(call)
            answer = writes.replace(attempt, resource_type, id, body, conditions_of(call.request.environ), projection)
            return self.write_response(call, answer)

    def patch(self, call: Call, slug: str, endpoint: str, id: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.UPDATED, resource_type, id) as attempt:
            projection = self.projection(call, resource_type)
            body = self.read_json(call)
            answer = writes.patch(attempt, resource_type, id, body, conditions_of(call.request.environ), projection)
            return self.write_response(call, answer)

    def delete(self, call: Call, slug: str, endpoint: str, id: str) -> Response:
        resource_type = call.resource_type(endpoint)
        with call.attempt(Action.DELETED, resource_type, id) as attempt:
            # The answer has no attributes to choose, and malformed parameters are refused all the same.
            call.parameters()
            answer = writes.delete(attempt, resource_type, id, conditions_of(call.request.environ))
            return self.write_response(call, answer)


ROUTES = (
    ("/<slug>/<endpoint>", CollectionView, "Collection"),
    ("/<slug>/<endpoint>/<id>", ResourceView, "Resource"),
)
