"""One operation of a bulk request (RFC 7644 section 3.7): its attempt, its references and its write."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ... import errors
from ...journal.refusals import Received
from ...scim import bulk, preconditions
from ...scim.bulk import BulkOperation
from ...scim.preconditions import Preconditions
from ...scim.projection import Projection
from ...scim.schema import ResourceType
from . import writes
from .call import ACTIONS, Call, HttpAttempt
from .writes import Answer

#: The longest path in characters: no resource has a longer one, and the journal keeps the id.
_LONGEST_PATH = 1000


def carry_out(call: Call, operation: BulkOperation, ids: Mapping[str, str]) -> Answer:
    """Carries out an operation in its own transaction, and returns its answer.

    In: `ids`, the ids of the resources that the request created so far, by bulkId. Raises the errors of
    `begin`, `check_references` and the write.
    """
    resource_type, attempt = begin(call, operation, ids)
    with attempt:
        check_references(operation, ids)
        resolved = bulk.resolve(operation, ids)
        projection = Projection(resource_type)
        conditions = conditions_of(resolved)
        if resolved.id is None:
            return writes.create(attempt, resource_type, resolved.data, projection, call.limits.retention)
        if resolved.method == "DELETE":
            return writes.delete(attempt, resource_type, resolved.id, conditions)
        change = writes.replace if resolved.method == "PUT" else writes.patch
        return change(attempt, resource_type, resolved.id, resolved.data, conditions, projection)


def begin(call: Call, operation: BulkOperation, ids: Mapping[str, str]) -> tuple[ResourceType, HttpAttempt]:
    """Returns the resource type of an operation, and the attempt that records its refusal.

    Raises NotFound for a path without a resource type, MethodNotAllowed when the path does not fit the method.
    """
    id = id_in_path(operation, ids)
    path = f"{operation.endpoint}/{id}"
    if "\0" in path or len(path) > _LONGEST_PATH:
        raise errors.NotFound("There is nothing at this path.")
    resource_type = call.resource_type(operation.endpoint)
    if (operation.method == "POST") is not (id is None):
        form = (
            "an endpoint, such as /Users" if operation.method == "POST" else "an endpoint and an id, such as /Users/1"
        )
        raise errors.MethodNotAllowed(f"In a bulk request the path of {operation.method} is {form}.")
    path = f"/{path if id else operation.endpoint}"
    received = Received(operation.method, path, parsed=True, body=operation.data)
    # An unresolved reference is not the id of a resource.
    resource_id = None if id is None or id.startswith(bulk.PREFIX) else id
    action = ACTIONS[operation.method]
    return resource_type, HttpAttempt(call, action, resource_type, id=resource_id, received=received)


def id_in_path(operation: BulkOperation, ids: Mapping[str, str]) -> str | None:
    """Returns the id in an operation's path, with a reference resolved; None when the path is an endpoint."""
    return bulk.resolve(replace(operation, data=None), ids).id


def conditions_of(operation: BulkOperation) -> Preconditions:
    """Returns the conditions of an operation: its `version` is what If-Match is in a request of its own.

    Raises PreconditionFailed for a POST with a version, because what it creates has none yet.
    """
    match = preconditions.versions_for_match(operation.version)
    conditions = preconditions.UNCONDITIONAL if match is None else Preconditions(match)
    if operation.method == "POST":
        conditions.require_nothing(writes.NEW)
    return conditions


def check_references(operation: BulkOperation, bulk_ids: Collection[str]) -> None:
    """Raises Conflict when an operation refers to a bulkId that is not in `bulk_ids`."""
    for bulk_id in bulk.references(operation):
        if bulk_id not in bulk_ids:
            # The text omits the reference: any value can look like one, also a password.
            raise errors.Conflict("This operation refers to a bulkId for which this request created no resource.")
