"""`/Bulk` (RFC 7644 section 3.7): many writes in one request, each with a transaction and an answer of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson
from flask import Response

from ... import errors
from ...journal import Action
from ...journal.refusals import Received
from ...scim import bulk, bulk_order, document
from ...scim.bulk import BulkOperation, BulkRequest
from ...scim.projection import Projection
from ...scim.schema import ResourceType
from . import writes
from .answers import respond
from .call import Call, HttpAttempt
from .failures import failure
from .rendering import etag, location
from .view import View
from .writes import Answer

Json = Any

#: After as many operations in a row that found no database, the others are answered without asking it: each would
#: wait as long again.
_PATIENCE = 3
#: A path that is longer names nothing, and the journal keeps ids.
_LONGEST_PATH = 1000


_ACTIONS = {
    "POST": Action.CREATED,
    "PUT": Action.UPDATED,
    "PATCH": Action.UPDATED,
    "DELETE": Action.DELETED,
}


class BulkView(View):
    """`/Bulk`: what is wrong with the request as a whole leaves nothing done; else each operation has its answer."""

    def post(self, call: Call, slug: str) -> Response:
        with call.attempt(Action.BULK):
            request = bulk.load(self.body(call), call.limits.max_operations)
        return respond(orjson.dumps(bulk.response(_Job(call, request).run())))

    def too_large(self, call: Call) -> errors.PayloadTooLarge:
        """The error for a body above the limit, in the words of RFC 7644 section 3.7.4."""
        return errors.PayloadTooLarge(
            f"The size of the bulk operation exceeds the maxPayloadSize ({call.limits.max_body}).",
            remedy=errors.LARGER_BODIES,
        )


class _Job:
    """A bulk request while its operations are carried out."""

    def __init__(self, call: Call, request: BulkRequest) -> None:
        self.call = call
        self.operations = request.operations
        self.most_errors = request.fail_on_errors or len(request.operations)
        #: The ids of what was created, by bulkId.
        self.ids: dict[str, str] = {}
        self.results: dict[int, Json] = {}
        self.errors = 0
        self._unavailable = 0

    def run(self) -> list[Json]:
        """Carry out the operations, and return their answers in the order of the request."""
        for numbers in bulk_order.steps(self.operations):
            if self.errors >= self.most_errors:
                break
            first = self.operations[numbers[0]]
            if len(numbers) > 1 or (first.method == "POST" and first.bulk_id in bulk.references(first)):
                self._create_together(numbers)
            else:
                self._guarded(numbers[0], partial(self._carry_out, first))
        return [self.results[number] for number in sorted(self.results)]

    @property
    def _in_vain(self) -> bool:
        """Whether the database is so long out of reach that asking it again is in vain."""
        return self._unavailable >= _PATIENCE

    def _guarded(self, number: int, work: Callable[[], Answer]) -> None:
        """Do an operation; whatever goes wrong is its own answer and no other's."""
        operation = self.operations[number]
        try:
            if self._in_vain:
                raise errors.Unavailable("The database cannot be reached or is busy: this was not tried.")
            self._succeeded(number, operation, work())
        except Exception as error:
            known = failure(error, self.call)
            self._unavailable = self._unavailable + 1 if isinstance(known, errors.Unavailable) else 0
            self._failed(number, operation, known)

    def _carry_out(self, operation: BulkOperation) -> Answer:
        """An operation by itself, as the same request would do it; raises what that would be answered with."""
        resource_type, attempt = self.begin(operation)
        with attempt:
            self.require(operation, self.ids)
            resolved = bulk.resolve(operation, self.ids)
            wanted = Projection(resource_type)
            if resolved.id is None:
                return writes.create(attempt, resource_type, resolved.data, wanted, self.call.limits.retention)
            expected = writes.if_match(resolved.version)
            if resolved.method == "DELETE":
                return writes.delete(attempt, resource_type, resolved.id, expected)
            change = writes.replace if resolved.method == "PUT" else writes.patch
            return change(attempt, resource_type, resolved.id, resolved.data, expected, wanted)

    def begin(self, operation: BulkOperation) -> tuple[ResourceType, HttpAttempt]:
        """The type that an operation is about, and the attempt. Raises NotFound or MethodNotAllowed."""
        id = self._id_in_path(operation)
        path = f"{operation.endpoint}/{id}"
        if "\0" in path or len(path) > _LONGEST_PATH:
            raise errors.NotFound("There is nothing at this path.")
        resource_type = self.call.resource_type(operation.endpoint)
        if (operation.method == "POST") is not (id is None):
            named = "the endpoint alone" if operation.method == "POST" else "an id behind the endpoint"
            raise errors.MethodNotAllowed(f"The path of {operation.method} in a bulk request is {named}.")
        path = f"/{path if id else operation.endpoint}"
        received = Received(operation.method, path, parsed=True, body=operation.data)
        known = None if id is None or id.startswith(bulk.PREFIX) else id
        action = _ACTIONS[operation.method]
        return resource_type, HttpAttempt(self.call, action, resource_type, id=known, received=received)

    def _id_in_path(self, operation: BulkOperation) -> str | None:
        return bulk.resolve(replace(operation, data=None), self.ids).id

    def require(self, operation: BulkOperation, known: Collection[str]) -> None:
        """Raise Conflict when an operation refers to what is not there."""
        for each in bulk.references(operation):
            if each not in known:
                # What looks like a reference may be anything, a password too: it is not repeated.
                raise errors.Conflict("A bulkId that is referred to stands for nothing that this request created.")

    def _create_together(self, numbers: Sequence[int]) -> None:
        """Create resources that refer to each other (RFC 7644 section 3.7.1): all of them or, if one fails, none.

        A reference back to one that failed could be taken out of the others only by undoing what was answered.
        """
        circle = _Circle(self, numbers)
        cause: Exception | None = None
        answers: dict[int, Answer] = {}
        if not self._in_vain:
            try:
                answers = self.call.db.transact(circle.create)
            except Exception as error:
                cause = error
        for number in numbers:
            at_fault = isinstance(cause, errors.Unavailable) or number == circle.last
            self._guarded(number, partial(self._of_circle, number, answers, cause if at_fault else None))

    def _of_circle(self, number: int, answers: dict[int, Answer], cause: Exception | None) -> Answer:
        """What became of one resource of a circle; `cause` is what was wrong with it when there are no answers."""
        if answers:
            return answers[number]
        _, attempt = self.begin(self.operations[number])
        with attempt:
            raise cause or errors.Conflict("What this refers to in a circle could not be created.")

    # --- answers --------------------------------------------------------------------------------------------------

    def _succeeded(self, number: int, operation: BulkOperation, answer: Answer) -> None:
        result = self._result(operation, answer.status)
        if answer.resource is not None:
            result["location"] = location(answer.resource, answer.wanted, self.call.base)
            result["version"] = etag(answer.resource)
            if operation.method == "POST" and operation.bulk_id is not None:
                self.ids[operation.bulk_id] = answer.resource.id
        self.results[number] = result
        self._unavailable = 0

    def _failed(self, number: int, operation: BulkOperation, error: errors.ScimError) -> None:
        self.errors += 1
        self.results[number] = {**self._result(operation, error.status), "response": error.body(self.call.id)}

    def _result(self, operation: BulkOperation, status: int) -> dict[str, Json]:
        """What an answer holds in any case: only a POST that failed has no location (RFC 7644 section 3.7.3)."""
        result: dict[str, Json] = {"method": operation.method}
        if operation.bulk_id is not None:
            result["bulkId"] = operation.bulk_id
        if operation.method != "POST":
            id = self._id_in_path(operation)
            path = "/".join(quote(part, safe=":") for part in (operation.endpoint, id) if part)
            result["location"] = f"{self.call.base}/{path}"
        return {**result, "status": str(status)}


class _Circle:
    """Resources that refer to each other, on their way to be created in one transaction."""

    def __init__(self, job: _Job, numbers: Sequence[int]) -> None:
        self._job = job
        self._numbers = numbers
        #: The operation that was begun last: when the circle fails, the fault is there.
        self.last: int | None = None

    def create(self) -> dict[int, Answer]:
        """Create them without the values that refer to those not there yet, and then add these."""
        job, operations = self._job, self._job.operations
        ids = dict(job.ids)
        missing = {operations[number].bulk_id or "" for number in self._numbers}
        answers: dict[int, Answer] = {}
        postponed: dict[int, list[Json]] = {}
        for number in self._numbers:
            self.last = number
            operation = operations[number]
            resource_type, attempt = job.begin(operation)
            job.require(operation, ids.keys() | missing)
            data, postponed[number] = bulk.postpone(operation.data, missing)
            _check_part(resource_type, data, operation.data)
            part = bulk.resolve(replace(operation, data=data), ids)
            wanted = Projection(resource_type)
            answers[number] = writes.create(attempt, resource_type, part.data, wanted, job.call.limits.retention)
            bulk_id = operation.bulk_id or ""
            ids[bulk_id] = _id(answers[number])
            missing.discard(bulk_id)
        for number, changes in postponed.items():
            if changes:
                self.last = number
                answers[number] = self._complete(operations[number], _id(answers[number]), changes, ids)
        return answers

    def _complete(self, operation: BulkOperation, id: str, changes: list[Json], ids: dict[str, str]) -> Answer:
        """Add the values that had to wait; the client gets one answer for both, that of the creation."""
        resource_type, attempt = self._job.begin(operation)
        attempt.answer = writes.always(201)
        rest = bulk.resolve(BulkOperation("PATCH", "", data={"Operations": changes}), ids)
        return writes.patch(attempt, resource_type, id, rest.data, (), Projection(resource_type))


def _id(answer: Answer) -> str:
    assert answer.resource is not None
    return answer.resource.id


def _check_part(resource_type: ResourceType, part: Json, whole: Json) -> None:
    """Raise Conflict when a resource cannot be created without the values that have to wait."""
    try:
        document.clean(resource_type, part)
    except errors.InvalidValue:
        document.clean(resource_type, whole)
        raise errors.Conflict("This refers to others in a circle, and cannot be created without that.") from None


ROUTES = (("/<slug>/Bulk", BulkView, "Bulk"),)
