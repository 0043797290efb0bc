"""Resources of a bulk request that refer to each other in a circle (RFC 7644 section 3.7.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ... import errors
from ...directory import passwords
from ...scim import bulk, intake
from ...scim.bulk import BulkOperation
from ...scim.messages import PATCH_URN
from ...scim.preconditions import UNCONDITIONAL
from ...scim.projection import Projection
from ...scim.schema import ResourceType
from . import bulk_operation, writes
from .call import Call
from .writes import Answer

Json = Any


class Circle:
    """The POST operations of one circle.

    In: `operations`, those of the whole request; `numbers`, the positions of the circle's operations; `ids`, the ids of
    the resources that the request created before, by bulkId.
    """

    def __init__(
        self, call: Call, operations: Sequence[BulkOperation], numbers: Sequence[int], ids: Mapping[str, str]
    ) -> None:
        self._call = call
        self._operations = operations
        self._numbers = numbers
        self._ids = ids
        #: The hashes of the passwords, by the number of the operation.
        self._hashes: dict[int, str] = {}
        #: The operation that is under way: when `create` raises, this one failed.
        self.current: int | None = None

    def prepare(self) -> None:
        """Hashes the passwords, before the transaction: others would wait for it. Raises the errors of `change`."""
        if self._call.workspace.app.settings.passwords != "hash":
            return
        for number in self._numbers:
            self.current = number
            operation = self._operations[number]
            resource_type, _ = bulk_operation.begin(self._call, operation, self._ids)
            change = None
            # What is wrong with the resource is said when it is created.
            with suppress(errors.BadRequest):
                secrets = intake.clean(resource_type, operation.data).secrets
                change = passwords.change(self._call.workspace, resource_type, secrets)
            if change is not None and change.hash is not None:
                self._hashes[number] = change.hash

    def create(self) -> dict[int, Answer]:
        """Creates the resources without references to later ones, and then adds these references.

        It runs inside one transaction, and again when the transaction is tried again. Returns the answers by the number
        of the operation.
        """
        allowance = self._call.workspace.allowance
        ids = dict(self._ids)
        missing = {self._operations[number].bulk_id or "" for number in self._numbers}
        answers: dict[int, Answer] = {}
        postponed: dict[int, list[Json]] = {}
        for number in self._numbers:
            self.current = number
            operation = self._operations[number]
            resource_type, attempt = bulk_operation.begin(self._call, operation, self._ids)
            bulk_operation.conditions_of(operation)
            bulk_operation.check_references(operation, ids.keys() | missing)
            data, postponed[number] = bulk.postpone(operation.data, missing)
            _check_part(resource_type, data, operation.data)
            part = bulk.resolve(replace(operation, data=data), ids)
            projection = Projection(resource_type)
            retention = self._call.limits.retention
            if allowance is not None:
                allowance.prepared = self._hashes.get(number)
            answers[number] = writes.create(attempt, resource_type, part.data, projection, retention)
            bulk_id = operation.bulk_id or ""
            ids[bulk_id] = _resource_id(answers[number])
            missing.discard(bulk_id)
        for number, changes in postponed.items():
            if changes:
                self.current = number
                id = _resource_id(answers[number])
                answers[number] = self._add_references(self._operations[number], id, changes, ids)
        return answers

    def _add_references(self, operation: BulkOperation, id: str, changes: list[Json], ids: dict[str, str]) -> Answer:
        """Adds the postponed references to a resource; the answer has the status 201 of its creation."""
        resource_type, attempt = bulk_operation.begin(self._call, operation, self._ids)
        attempt.status_for = writes.always(201)
        resolved = bulk.resolve(BulkOperation("PATCH", "", data={"schemas": [PATCH_URN], "Operations": changes}), ids)
        return writes.patch(attempt, resource_type, id, resolved.data, UNCONDITIONAL, Projection(resource_type))


def _resource_id(answer: Answer) -> str:
    assert answer.resource is not None
    return answer.resource.id


def _check_part(resource_type: ResourceType, part: Json, whole: Json) -> None:
    """Raises Conflict when a resource is valid, but not without its postponed references."""
    try:
        intake.clean(resource_type, part)
    except errors.InvalidValue:
        intake.clean(resource_type, whole)
        raise errors.Conflict(
            "This resource refers to others in a circle, and cannot be created first without that reference."
        ) from None
