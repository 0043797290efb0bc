"""The messages of the protocol (RFC 7644): what comes in is validated by marshmallow, what goes out is put together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load

from ..errors import BadRequest, InvalidSyntax, InvalidValue
from . import quirks
from .patch import Operation
from .path import quote

Json = Any

LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SERVICE_PROVIDER_URN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"

MEDIA_TYPE = "application/scim+json"
_MAX_DEPTH = 32
#: Largest startIndex: what a 64-bit OFFSET can take on both databases.
_MAX_INTEGER = 2**63 - 1
_INTEGER = re.compile(r"([+-]?)0*([0-9]+)", re.ASCII)
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def load_json(raw: bytes) -> Json:
    """A body as JSON; InvalidSyntax with the position when it is none, too deep, or holds what no database stores.

    NUL and lone surrogates are legal JSON escapes, but no text column can hold them. A name that stands twice in an
    object is legal too, but nobody can tell which value was meant (RFC 8259 section 4).
    """
    if not raw.strip():
        raise InvalidSyntax("The body is empty; a JSON object is needed.")
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidSyntax(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    if raw.count(b"{") + raw.count(b"[") > _MAX_DEPTH and _deeper_than(parsed, _MAX_DEPTH):
        raise InvalidSyntax(f"The body is nested deeper than {_MAX_DEPTH} levels.")
    understood = orjson.dumps(parsed).replace(b"\\\\", b"")
    if b"\\u0000" in understood:
        raise InvalidValue("The body holds a NUL character.")
    if _strings(raw.replace(b"\\\\", b"")) != _strings(understood):
        json.loads(raw, object_pairs_hook=_refuse_twins)
    return parsed


def _strings(text: bytes) -> int:
    """How many strings stand in JSON without escaped backslashes: a name that was given twice is missing one."""
    return text.count(b'"') - text.count(b'\\"')


def _refuse_twins(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidSyntax(f"The body names {quote(name)} twice in one object.")
        found[name] = value
    return found


def _deeper_than(parsed: Json, limit: int) -> bool:
    level = [parsed]
    for _ in range(limit):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


_TWICE = "the name is given twice; names are compared without case."


class Message(Schema):
    """A message whose attribute names are compared without case (RFC 7643 section 2.1)."""

    #: Names, in lower case, that may be there and say nothing.
    labels: frozenset[str] = frozenset()

    class Meta:
        unknown = EXCLUDE

    schemas = fields.List(fields.String(), load_default=list)

    @pre_load
    def _canonical_names(self, data: Json, **_: Any) -> Json:
        if not isinstance(data, Mapping) or data.keys() <= self.fields.keys():
            return data
        names = {name.lower(): name for name in self.fields}
        said = {name: value for name, value in data.items() if name.lower() not in self.labels}
        known = {names.get(name.lower(), name): value for name, value in said.items()}
        if len(known) < len(said):
            lower = [name.lower() for name in said]
            twice = next(name for key, name in names.items() if lower.count(key) > 1)
            raise ValidationError(_TWICE, twice)
        return known


def load(schema: Schema, body: Json, what: str) -> Json:
    """A message by its schema; InvalidSyntax naming `what` it is and the first thing that is wrong with it."""
    if not isinstance(body, dict):
        raise InvalidSyntax(f"{what} is a JSON object.")
    try:
        return schema.load(body)
    except ValidationError as error:
        path, problem = _first_problem(error.messages)
        raise InvalidSyntax(f"{what}: {path}: {problem}") from None


def _first_problem(messages: Json, path: str = "") -> tuple[str, str]:
    if isinstance(messages, dict):
        name, inner = next(iter(messages.items()))
        step = f"[{name}]" if isinstance(name, int) else f".{name}" if path else str(name)
        return _first_problem(inner, path + step)
    return path, str(messages[0] if isinstance(messages, list) else messages)


_PATCH_MEMBERS = frozenset({"schemas", "Operations"})
_OPERATION_MEMBERS = frozenset({"op", "path", "value"})
_OPS = frozenset({"add", "replace", "remove"})
#: Characters of a member's name that an error repeats.
_LONGEST_NAME = 40


def load_patch(body: Json) -> list[Operation]:
    """Returns the operations of a PatchOp message (RFC 7644 section 3.5.2).

    Raises InvalidSyntax naming the first member that is wrong. Unknown members of the message are left out; unknown
    members of an operation would change its meaning, so they are refused.
    """
    # Written by hand: marshmallow took longer to read a PATCH than everything else that is done to understand it.
    if not isinstance(body, dict):
        raise InvalidSyntax("The PatchOp message is a JSON object.")
    members = body if body.keys() <= _PATCH_MEMBERS else _canonical_members(body, _PATCH_MEMBERS)
    urns = members.get("schemas", [])
    if not isinstance(urns, list) or not all(isinstance(urn, str) for urn in urns):
        raise _bad_patch("schemas", "takes an array of strings.")
    operations = members.get("Operations")
    if not isinstance(operations, list):
        raise _bad_patch("Operations", "takes an array of operations.")
    if not operations:
        raise _bad_patch("Operations", "Nothing to do.")
    return [_operation(operation, number) for number, operation in enumerate(operations)]


def _operation(body: Json, number: int) -> Operation:
    """The operation with this number, counted from 0."""
    if not isinstance(body, dict):
        raise _bad_patch(f"Operations[{number}]", "takes a JSON object.")
    members = body if body.keys() <= _OPERATION_MEMBERS else _operation_members(body, number)
    op, path = quirks.operation_name(members.get("op")), members.get("path")
    if not isinstance(op, str):
        raise _bad_patch(f"Operations[{number}].op", "takes add, replace or remove.")
    if op not in _OPS:
        raise _bad_patch(f"Operations[{number}].op", f"{quote(members['op'])} is not add, replace or remove.")
    if path is not None and not isinstance(path, str):
        raise _bad_patch(f"Operations[{number}].path", "takes a string.")
    return Operation(op, path or None, members.get("value"), "value" in members)


def _operation_members(body: dict[str, Json], number: int) -> dict[str, Json]:
    """The members of an operation, spelled as in RFC 7644 and without labels."""
    named = {name: value for name, value in body.items() if name.lower() not in quirks.OPERATION_LABELS}
    members = _canonical_members(named, _OPERATION_MEMBERS, f"Operations[{number}].")
    for name in members.keys() - _OPERATION_MEMBERS:
        raise _bad_patch(f"Operations[{number}].{name[:_LONGEST_NAME]}", "an operation has op, path and value only.")
    return members


def _canonical_members(body: dict[str, Json], names: frozenset[str], prefix: str = "") -> dict[str, Json]:
    """The members, those of `names` spelled as there; `prefix` stands before names in errors.

    Raises InvalidSyntax when one of `names` is given twice; they are compared without case (RFC 7643 section 2.1).
    """
    by_key = {name.lower(): name for name in names}
    members: dict[str, Json] = {}
    for name, value in body.items():
        canonical = by_key.get(name.lower(), name)
        if canonical in members:
            raise _bad_patch(prefix + canonical, _TWICE)
        members[canonical] = value
    return members


def _bad_patch(where: str, problem: str) -> InvalidSyntax:
    return InvalidSyntax(f"The PatchOp message: {where}: {problem}")


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a query (RFC 7644 section 3.4.2)."""

    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start_index: int = 1
    count: int | None = None
    attributes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    #: RFC 9865: None without cursor pagination, empty for its first page.
    cursor: str | None = None


def load_query(parameters: Iterable[tuple[str, str]]) -> Query:
    """The query parameters of a GET, names without case (seen: `startindex`); unknown ones are ignored.

    Raises BadRequest or InvalidValue naming the parameter. startIndex below 1 is 1, count below 0 is 0 (RFC 7644
    section 3.4.2.4); an empty parameter counts as absent.
    """
    given: dict[str, str] = {}
    for name, value in parameters:
        key = name.lower()
        if not value and key != "cursor":
            continue
        if key in given and key in _PARAMETERS:
            raise BadRequest(f"The parameter {_PARAMETERS[key]} is given twice.")
        given[key] = value
    if _NOT_TEXT.search("".join(given.values())):
        raise InvalidValue("A parameter holds a NUL character or half of a surrogate pair.")
    return _query(
        given.get("filter"),
        given.get("sortby"),
        given.get("sortorder"),
        _integer(given, "startIndex"),
        _integer(given, "count"),
        _names(given.get("attributes")),
        _names(given.get("excludedattributes")),
        given.get("cursor"),
    )


def _query(
    filter: str | None,
    sort_by: str | None,
    order: str | None,
    start_index: int | None,
    count: int | None,
    attributes: tuple[str, ...],
    excluded: tuple[str, ...],
    cursor: str | None,
) -> Query:
    """The query that parameters come to, wherever they stood."""
    order = (order or "ascending").lower()
    if order not in ("ascending", "descending"):
        raise InvalidValue("sortOrder is ascending or descending.")
    if cursor is not None and start_index is not None:
        raise InvalidValue("cursor and startIndex cannot be used together.")
    return Query(
        filter,
        sort_by,
        order == "descending",
        min(max(start_index or 1, 1), _MAX_INTEGER),
        None if count is None else max(count, 0),
        attributes,
        excluded,
        cursor,
    )


class _SearchSchema(Message):
    """A SearchRequest (RFC 7644 section 3.4.3, RFC 9865 section 3)."""

    attributes = fields.List(fields.String(), allow_none=True)
    excludedAttributes = fields.List(fields.String(), allow_none=True)
    filter = fields.String(allow_none=True)
    sortBy = fields.String(allow_none=True)
    sortOrder = fields.String(allow_none=True)
    startIndex = fields.Integer(strict=True, allow_none=True)
    count = fields.Integer(strict=True, allow_none=True)
    cursor = fields.String(allow_none=True)


_SEARCH_SCHEMA = _SearchSchema()


def load_search(body: Json) -> Query:
    """The query that a SearchRequest message asks; InvalidSyntax or InvalidValue naming what is wrong."""
    given = load(_SEARCH_SCHEMA, body, "The SearchRequest message")
    return _query(
        given.get("filter") or None,
        given.get("sortBy") or None,
        given.get("sortOrder"),
        given.get("startIndex"),
        given.get("count"),
        tuple(given.get("attributes") or ()),
        tuple(given.get("excludedAttributes") or ()),
        given.get("cursor"),
    )


_PARAMETERS = {
    name.lower(): name
    for name in (
        "filter",
        "sortBy",
        "sortOrder",
        "startIndex",
        "count",
        "attributes",
        "excludedAttributes",
        "cursor",
    )
}


def _integer(given: dict[str, str], name: str) -> int | None:
    text = given.get(name.lower())
    if text is None:
        return None
    found = _INTEGER.fullmatch(text.strip())
    if not found:
        raise InvalidValue(f"{name} is a whole number, not {quote(text)}.")
    sign, digits = found.groups()
    number = int(digits) if len(digits) < 19 else _MAX_INTEGER
    return -number if sign == "-" else number


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def list_response(resources: Iterable[str], total: int, start_index: int) -> bytes:
    """A ListResponse around resources that are JSON already."""
    return _list_response(resources, total, f'"startIndex":{start_index},')


def cursor_response(
    resources: Iterable[str], total: int, *, next_cursor: str | None, previous_cursor: str | None
) -> bytes:
    """A ListResponse of cursor pagination (RFC 9865 section 2); cursors are URL-safe texts."""
    named = (("previousCursor", previous_cursor), ("nextCursor", next_cursor))
    return _list_response(resources, total, "".join(f'"{name}":"{text}",' for name, text in named if text is not None))


def _list_response(resources: Iterable[str], total: int, place: str) -> bytes:
    joined = list(resources)
    head = f'{{"schemas":["{LIST_URN}"],"totalResults":{total},{place}"itemsPerPage":{len(joined)},"Resources":['
    return f"{head}{','.join(joined)}]}}".encode()


def service_provider_config(
    location: str,
    *,
    max_results: int,
    page_size: int | None,
    max_operations: int,
    max_payload_size: int,
    change_password: bool,
) -> dict[str, Json]:
    """What this service can do (RFC 7643 section 5), exactly as it is; without a page size, nothing of RFC 9865."""
    pagination = {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": page_size,
        "maxPageSize": max_results,
    }
    return {
        "schemas": [SERVICE_PROVIDER_URN],
        "patch": {"supported": True},
        "bulk": {"supported": True, "maxOperations": max_operations, "maxPayloadSize": max_payload_size},
        "filter": {"supported": True, "maxResults": max_results},
        "changePassword": {"supported": change_password},
        "sort": {"supported": True},
        "etag": {"supported": True},
        **({"pagination": pagination} if page_size is not None else {}),
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A secret token that the operator issues; sent in the Authorization header.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": location},
    }
