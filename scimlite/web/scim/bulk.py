"""`/Bulk` (RFC 7644 section 3.7): many writes in one request, each with its own transaction and its own result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson
from flask import Response

from ... import deadline, errors
from ...journal import Action
from ...scim import bulk, bulk_order
from ...scim.bulk import BulkOperation, BulkRequest
from . import bulk_operation
from .bulk_circle import Circle
from .call import Call
from .conditions import conditions_of
from .failures import to_scim_error
from .rendering import etag, location
from .responses import scim_response
from .view import View
from .writes import Answer

Json = Any

#: After this many consecutive operations that found no database, the remaining ones fail without trying, because each
#: would wait for the database until the timeout.
_MOST_UNAVAILABLE = 3


class BulkView(View):
    """`/Bulk`: an error in the request as a whole changes nothing; an error in one operation is its result alone."""

    post_action = Action.BULK

    def post(self, call: Call, slug: str) -> Response:
        with call.attempt(self.post_action):
            call.parameters()
            conditions_of(call.request.environ).require_nothing("A bulk request")
            body = self.read_json(call)
            request = bulk.load(body, call.limits.max_operations)
            if call.app.strictness is not None:
                call.app.strictness.check_message(body, bulk.BULK_REQUEST_URN)
        return scim_response(orjson.dumps(bulk.response(_BulkRun(call, request).run())))

    def too_large(self, call: Call) -> errors.PayloadTooLarge:
        """Returns the error for a body above the limit, in the words of RFC 7644 section 3.7.4."""
        return errors.PayloadTooLarge(
            f"The size of the bulk operation exceeds the maxPayloadSize ({call.limits.max_body}).",
            remedy=errors.LARGER_BODIES,
        )


class _BulkRun:
    """Carries out the operations of one bulk request and collects their results.

    An operation is identified by its number, its position in the request.
    """

    def __init__(self, call: Call, request: BulkRequest) -> None:
        self._call = call
        self._operations = request.operations
        #: The run ends after this many errors.
        self._most_errors = request.fail_on_errors or len(request.operations)
        #: The id of each created resource by the bulkId of its POST.
        self._ids: dict[str, str] = {}
        #: The results by the number of the operation.
        self._results: dict[int, Json] = {}
        self._errors = 0
        #: How many operations found no database since the last one that did.
        self._unavailable = 0
        #: True when an operation has succeeded, so that its result must be told.
        self._acknowledged = False

    def run(self) -> list[Json]:
        """Carries out the operations, and returns their results in the order of the request.

        Raises Unavailable when an operation finds no database before any has succeeded: clients repeat a request that
        is 503, and not operations of one that is 200.
        """
        for numbers in bulk_order.steps(self._operations):
            if self._errors >= self._most_errors:
                break
            first = self._operations[numbers[0]]
            if len(numbers) > 1 or (first.method == "POST" and first.bulk_id in bulk.references(first)):
                self._create_circle(numbers)
            else:
                self._try(numbers[0], partial(self._carry_out, first))
        return [self._results[number] for number in sorted(self._results)]

    def _carry_out(self, operation: BulkOperation) -> Answer:
        # Hashing a password takes long too, and asks no database.
        deadline.check()
        return bulk_operation.carry_out(self._call, operation, self._ids)

    @property
    def _database_lost(self) -> bool:
        """True when the last operations found no database, so that the remaining ones need not wait for it."""
        return self._unavailable >= _MOST_UNAVAILABLE

    def _try(self, number: int, write: Callable[[], Answer]) -> None:
        """Carries out one operation; an error becomes the result of this operation alone."""
        operation = self._operations[number]
        try:
            if self._database_lost:
                raise errors.Unavailable("The database cannot be reached or is busy: this operation was not tried.")
            self._succeeded(number, operation, write())
        except Exception as error:
            scim_error = to_scim_error(error, self._call)
            if isinstance(scim_error, errors.Unavailable) and not self._acknowledged:
                raise scim_error from error
            self._unavailable = self._unavailable + 1 if isinstance(scim_error, errors.Unavailable) else 0
            self._failed(number, operation, scim_error)

    def _create_circle(self, numbers: Sequence[int]) -> None:
        """Creates resources that refer to each other (RFC 7644 section 3.7.1): all, or none when one fails.

        After a partial failure, the references to the failed resource could be removed only by undoing writes that
        the results report as done.
        """
        circle = Circle(self._call, self._operations, numbers, self._ids)
        cause: Exception | None = None
        answers: dict[int, Answer] = {}
        if not self._database_lost:
            try:
                circle.prepare()
                answers = self._call.db.transact(circle.create)
            except Exception as error:
                cause = error
        for number in numbers:
            at_fault = isinstance(cause, errors.Unavailable) or number == circle.current
            self._try(number, partial(self._circle_answer, number, answers, cause if at_fault else None))

    def _circle_answer(self, number: int, answers: dict[int, Answer], cause: Exception | None) -> Answer:
        """Returns the answer to one POST of a circle. Raises `cause`, or Conflict, when the circle was not created."""
        if answers:
            return answers[number]
        _, attempt = bulk_operation.begin(self._call, self._operations[number], self._ids)
        with attempt:
            raise cause or errors.Conflict(
                "This resource refers to others in a circle, and another one of them could not be created."
            )

    # --- results --------------------------------------------------------------------------------------------------

    def _succeeded(self, number: int, operation: BulkOperation, answer: Answer) -> None:
        result = self._result(operation, answer.status)
        if answer.resource is not None:
            result["location"] = location(answer.resource, answer.projection, self._call.base)
            result["version"] = etag(answer.resource)
            if operation.method == "POST" and operation.bulk_id is not None:
                self._ids[operation.bulk_id] = answer.resource.id
        self._results[number] = result
        self._unavailable = 0
        self._acknowledged = True

    def _failed(self, number: int, operation: BulkOperation, error: errors.ScimError) -> None:
        self._errors += 1
        self._results[number] = {**self._result(operation, error.status), "response": error.body(self._call.id)}

    def _result(self, operation: BulkOperation, status: int) -> dict[str, Json]:
        """Returns the members that every result has; a POST that failed has no location (RFC 7644 section 3.7.3)."""
        result: dict[str, Json] = {"method": operation.method}
        if operation.bulk_id is not None:
            result["bulkId"] = operation.bulk_id
        if operation.method != "POST":
            id = bulk_operation.id_in_path(operation, self._ids)
            resource_type = self._call.find_type(operation.endpoint)
            endpoint = resource_type.endpoint if resource_type else operation.endpoint
            path = "/".join(quote(part, safe=":") for part in (endpoint, id) if part)
            result["location"] = f"{self._call.base}/{path}"
        return {**result, "status": str(status)}


ROUTES = (("/<slug>/Bulk", BulkView, "Bulk"),)
