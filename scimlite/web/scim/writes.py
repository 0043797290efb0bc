"""Writes over HTTP: each calls `directory.write`, and returns the status and the resource of the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ... import clock
from ...apps.workspace import Workspace
from ...directory import members, write
from ...directory.read import Resource
from ...scim import projection as projections
from ...scim.preconditions import Preconditions
from ...scim.projection import Projection
from ...scim.schema import ResourceType
from .call import HttpAttempt

Json = Any

#: A resource that a POST is about to create, in words, for conditions on its version.
NEW = "A resource that is being created"
#: A PATCH of a group with more members than this is answered with 204 (app setting `patch answer`: auto).
_MOST_MEMBERS_ANSWERED = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a write: its status, the resource after the write, and the attributes to show.

    `resource` is None after a DELETE. Its links and derived attributes are None when the write did not look them up.
    """

    status: int
    resource: Resource | None
    projection: Projection


def create(
    attempt: HttpAttempt, resource_type: ResourceType, body: Json, projection: Projection, retention: int
) -> Answer:
    """Creates a resource by POST (RFC 7644 section 3.3).

    In: `retention`, the time in microseconds in which a deleted user can be revived. Raises the errors of
    `directory.write.create`.
    """
    attempt.status_for = always(201)
    since = clock.now() - retention
    result = write.create(attempt.workspace, resource_type, body, revive_since=since, attempt=attempt)
    return Answer(201, result.resource, _with_written(projection, resource_type, result))


def replace(
    attempt: HttpAttempt,
    resource_type: ResourceType,
    id: str,
    body: Json,
    preconditions: Preconditions,
    projection: Projection,
) -> Answer:
    """Replaces a resource by PUT (RFC 7644 section 3.5.1). Raises the errors of `directory.write.replace`."""
    attempt.status_for = always(200)
    result = write.replace(attempt.workspace, resource_type, id, body, preconditions=preconditions, attempt=attempt)
    return Answer(200, result.resource, _with_written(projection, resource_type, result))


def patch(
    attempt: HttpAttempt,
    resource_type: ResourceType,
    id: str,
    body: Json,
    preconditions: Preconditions,
    projection: Projection,
) -> Answer:
    """Changes a resource by PATCH (RFC 7644 section 3.5.2). Raises the errors of `directory.write.patch`.

    The status is 200 or 204 by the app's setting, unless the attempt already has a `status_for`.
    """
    attempt.status_for = attempt.status_for or partial(_patch_status, attempt.workspace, projection)
    result = write.patch(attempt.workspace, resource_type, id, body, preconditions=preconditions, attempt=attempt)
    resource = result.resource
    status = attempt.recorded_status or attempt.status_for(resource)
    if resource.gone:
        return Answer(status, resource, projection)
    return Answer(status, resource, projection.after_writing(projections.of_edits(result.edits)))


def delete(attempt: HttpAttempt, resource_type: ResourceType, id: str, preconditions: Preconditions) -> Answer:
    """Deletes a resource by DELETE (RFC 7644 section 3.6). Raises the errors of `directory.write.delete`."""
    attempt.status_for = always(204)
    write.delete(attempt.workspace, resource_type, id, preconditions=preconditions, attempt=attempt)
    return Answer(204, None, Projection(resource_type))


def always(status: int) -> Callable[[Resource], int]:
    """Returns a `status_for` that gives the same status for every resource."""
    return lambda resource: status


def _with_written(projection: Projection, resource_type: ResourceType, result: write.Written) -> Projection:
    """Returns the projection that also shows the `returned: request` attributes which a POST or PUT wrote."""
    return projection.after_writing(projections.of_document(resource_type, result.document))


def _patch_status(workspace: Workspace, projection: Projection, resource: Resource) -> int:
    """Returns the status of a PATCH: 204 for a deprovisioned user, 200 with `attributes`, else by the app's setting."""
    patch_answer = workspace.app.settings.patch_answer
    if resource.gone:
        return 204
    if projection.only is not None or patch_answer == "body":
        return 200
    if patch_answer == "empty":
        return 204
    if not projection.wants(projection.resource_type.links):
        return 200
    return 204 if members.more_than(workspace.db, resource.row, _MOST_MEMBERS_ANSWERED) else 200
