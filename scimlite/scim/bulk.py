"""Bulk requests (RFC 7644 section 3.7): the message, what its operations refer to, and the order they are done in."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import Any
from urllib.parse import unquote

from marshmallow import RAISE, ValidationError, fields, post_load, validate

from ..errors import InvalidSyntax, PayloadTooLarge
from . import messages
from .messages import Message
from .path import quote

Json = Any

BULK_RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"

_METHODS = ("POST", "PUT", "PATCH", "DELETE")
#: What a reference begins with.
PREFIX = "bulkId:"
#: A value that refers to a resource of the same request: `bulkId:x`, or a URI that ends with it.
_REFERENCE = re.compile(rf"(|\S*?/){PREFIX}(.+)", re.DOTALL)
#: The values of a filter in the path of a PATCH operation: strings, and references that are bare, as some clients send
#: values.
_IN_FILTER = re.compile(rf'"((?:[^"\\]|\\.)*)"|(?<=\s){PREFIX}([^\s\])"]+)')
_QUOTED = re.compile(r'\\(["\\/])')


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation: its method, and what it is done to. `id` is None when the path is an endpoint.

    `id` and values of `data` may be references such as `bulkId:x`, to what a POST with that `bulk_id` creates.
    """

    method: str
    endpoint: str
    id: str | None = None
    bulk_id: str | None = None
    version: str | None = None
    data: Json = None


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """A bulk request; `fail_on_errors` is the number of errors after which it ends, None for no such number."""

    operations: list[BulkOperation] = field(default_factory=list)
    fail_on_errors: int | None = None


# --- the message --------------------------------------------------------------------------------------------------


class _OperationSchema(Message):
    """One operation. Its members in a response may be there and say nothing (RFC 7644 section 3.7)."""

    labels = frozenset({"location", "response", "status"})

    class Meta:
        unknown = RAISE

    method = fields.String(required=True)
    path = fields.String(required=True)
    bulkId = fields.String(allow_none=True)
    version = fields.String(allow_none=True)
    data = fields.Raw(allow_none=True)

    @post_load
    def _operation(self, data: dict[str, Json], **_: Any) -> BulkOperation:
        method = data["method"].upper()
        if method not in _METHODS:
            raise ValidationError(f"{quote(data['method'])} is not {', '.join(_METHODS)}.", "method")
        if method == "POST" and not data.get("bulkId"):
            raise ValidationError("POST needs one.", "bulkId")
        endpoint, id = _split(data["path"])
        return BulkOperation(
            method, endpoint, id, data.get("bulkId") or None, data.get("version") or None, data.get("data")
        )


def _split(path: str) -> tuple[str, str | None]:
    """The endpoint and the id that a path names; doubled slashes and one at the end are as good as none."""
    endpoint, *rest = [unquote(part) for part in path.split("/") if part] or [""]
    return endpoint, "/".join(rest) or None


def _whole_number(value: Json) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValidationError("A whole number is needed, 1 or more.")


class _BulkSchema(Message):
    failOnErrors = fields.Raw(allow_none=True, validate=_whole_number)
    Operations = fields.List(
        fields.Nested(_OperationSchema), required=True, validate=validate.Length(min=1, error="Nothing to do.")
    )


_BULK_SCHEMA = _BulkSchema()


def load(body: Json, max_operations: int) -> BulkRequest:
    """A bulk request. What its own schema says is checked of the whole message, before anything is done.

    Raises InvalidSyntax naming what is wrong, PayloadTooLarge when there are more operations than allowed.
    """
    for name, value in body.items() if isinstance(body, dict) else ():
        if name.lower() == "operations" and isinstance(value, list) and len(value) > max_operations:
            raise PayloadTooLarge(
                f"The number of operations exceeds the maxOperations ({max_operations}).",
                remedy="the setting SCIMLITE_MAX_OPERATIONS",
            )
    loaded = messages.load(_BULK_SCHEMA, body, "The bulk request")
    seen: set[str] = set()
    for operation in loaded["Operations"]:
        if operation.bulk_id in seen:
            raise InvalidSyntax(f"The bulk request: two operations have the bulkId {quote(operation.bulk_id)}.")
        if operation.bulk_id is not None:
            seen.add(operation.bulk_id)
    return BulkRequest(loaded["Operations"], loaded.get("failOnErrors"))


def response(results: Sequence[Json]) -> Json:
    """The answer: what became of each operation that was tried."""
    return {"schemas": [BULK_RESPONSE_URN], "Operations": list(results)}


# --- references ---------------------------------------------------------------------------------------------------


def references(operation: BulkOperation) -> list[str]:
    """The bulkIds that an operation refers to, in its path and anywhere in its data."""
    found: dict[str, None] = {}

    def note(bulk_id: str) -> None:
        found[bulk_id] = None

    _replaced(operation, note)
    return list(found)


def resolve(operation: BulkOperation, ids: Mapping[str, str]) -> BulkOperation:
    """The operation with ids in place of references (RFC 7644 section 3.7.2); those without an id stay."""
    return _replaced(operation, ids.get)


def _replaced(operation: BulkOperation, id_of: Callable[[str], str | None]) -> BulkOperation:
    id = operation.id
    if id is not None and id.startswith(PREFIX):
        id = id_of(id.removeprefix(PREFIX)) or id
    return replace(operation, id=id, data=_values(operation.data, id_of, in_patch=operation.method == "PATCH"))


def _values(value: Json, id_of: Callable[[str], str | None], *, in_patch: bool) -> Json:
    """A value with ids for references. A PATCH names attributes by paths too, whose filters may refer.

    A password is what it is, however it begins.
    """
    if isinstance(value, str):
        return _text(value, id_of) if PREFIX in value else value
    if isinstance(value, list):
        return [_values(item, id_of, in_patch=in_patch) for item in value]
    if not isinstance(value, dict):
        return value
    changed: dict[str, Json] = {}
    secret = "value" if in_patch and _is_password(value) else "password"
    for name, inner in value.items():
        key = name.lower()
        if key == secret:
            changed[name] = inner
        elif in_patch and key == "path" and isinstance(inner, str):
            changed[name] = _path(inner, id_of)
        else:
            changed[_path(name, id_of) if in_patch else name] = _values(inner, id_of, in_patch=in_patch)
    return changed


def _is_password(operation: Json) -> bool:
    """Whether an operation of a PATCH writes a password."""
    paths = (str(value).lower() for name, value in operation.items() if name.lower() == "path")
    return any(path.strip().rpartition(":")[2] == "password" for path in paths)


def _text(text: str, id_of: Callable[[str], str | None]) -> str:
    found = _REFERENCE.fullmatch(text)
    id = id_of(found[2]) if found else None
    return f"{found[1]}{id}" if found and id is not None else text


def _path(text: str, id_of: Callable[[str], str | None]) -> str:
    def id_for(found: re.Match[str]) -> str:
        quoted, bare = found.groups()
        if bare is None and not quoted.startswith(PREFIX):
            return found[0]
        id = id_of(_QUOTED.sub(r"\1", quoted.removeprefix(PREFIX)) if bare is None else bare)
        return found[0] if id is None else f'"{id}"'

    return _IN_FILTER.sub(id_for, text) if PREFIX in text else text


def postpone(data: Json, missing: Collection[str]) -> tuple[Json, list[Json]]:
    """The data of a POST without the values that refer to `missing`, and PATCH operations that add those later.

    A value of a multi-valued attribute is left out alone, of any other attribute the whole.
    """
    if not isinstance(data, dict):
        return data, []
    now: dict[str, Json] = {}
    later: list[Json] = []
    for name, value in data.items():
        if ":" in name and isinstance(value, dict):  # the attributes of one schema
            inner, changes = postpone(value, missing)
            now[name] = inner
            later += [{**change, "path": f"{name}:{change['path']}"} for change in changes]
            continue
        if not _refers(value, missing):
            now[name] = value
            continue
        items = value if isinstance(value, list) else [value]
        later.append({"op": "add", "path": name, "value": [item for item in items if _refers(item, missing)]})
        if rest := [item for item in items if not _refers(item, missing)]:
            now[name] = rest
    return now, later


def _refers(value: Json, missing: Collection[str]) -> bool:
    return any(each in missing for each in references(BulkOperation("POST", "", data=value)))


# --- order --------------------------------------------------------------------------------------------------------


def steps(operations: Sequence[BulkOperation]) -> list[list[int]]:
    """The operations, by their numbers, in the order they are done in.

    It is the order of the request, but an operation waits until what it refers to is created, and until those before
    it on the same resource are done. Creations that refer to each other in a circle are one step; all others are
    steps of their own.
    """
    depends = _dependencies(operations)
    circles = _circles(depends)
    circle_of = {number: circle for circle, numbers in enumerate(circles) for number in numbers}
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for circle, numbers in enumerate(circles):
        needed = {circle_of[each] for number in numbers for each in depends[number]}
        sorter.add(circle, *(needed - {circle}))
    sorter.prepare()
    ready: list[tuple[int, int]] = []
    ordered: list[list[int]] = []
    while sorter.is_active():
        for circle in sorter.get_ready():
            heappush(ready, (circles[circle][0], circle))
        circle = heappop(ready)[1]
        ordered.append(circles[circle])
        sorter.done(circle)
    return ordered


def _dependencies(operations: Sequence[BulkOperation]) -> list[set[int]]:
    """For each operation the numbers of those that it needs done before."""
    created = {each.bulk_id: number for number, each in enumerate(operations) if each.method == "POST"}
    latest: dict[tuple[str, str], int] = {}
    depends: list[set[int]] = []
    for number, operation in enumerate(operations):
        needed = {created[each] for each in references(operation) if each in created}
        if operation.id is not None and operation.method != "POST":
            before = latest.get((operation.endpoint, operation.id))
            needed |= set() if before is None else {before}
            latest[operation.endpoint, operation.id] = number
        depends.append(needed)
    return depends


def _circles(depends: Sequence[Collection[int]]) -> list[list[int]]:
    """The strongly connected components: Tarjan's algorithm, without recursion, for references may be a long chain."""
    seen: dict[int, int] = {}
    lowest: dict[int, int] = {}
    unassigned: dict[int, None] = {}
    found: list[list[int]] = []
    for root in range(len(depends)):
        path = [] if root in seen else [(root, iter(depends[root]))]
        while path:
            number, rest = path[-1]
            if number not in seen:
                seen[number] = lowest[number] = len(seen)
                unassigned[number] = None
            for needed in rest:
                if needed not in seen:
                    path.append((needed, iter(depends[needed])))
                    break
                if needed in unassigned:
                    lowest[number] = min(lowest[number], seen[needed])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[number])
                if lowest[number] == seen[number]:
                    circle = []
                    while number in unassigned:
                        circle.append(unassigned.popitem()[0])
                    found.append(sorted(circle))
    return found
