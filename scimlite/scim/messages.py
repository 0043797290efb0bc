"""Bodies of requests and answers (RFC 7644): JSON within limits, PatchOp, ListResponse, ServiceProviderConfig."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from ..errors import InvalidSyntax, InvalidValue
from . import named_schemas, quirks, written
from .leniency import Leniency, note
from .patch import Operation
from .path import quote
from .schema import SERVICE_PROVIDER_URN, ResourceType

Json = Any

LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

MEDIA_TYPE = "application/scim+json"
#: The core schemas of draft-abbey-scim-agent-extension, which an app may declare.
AGENT_URN = "urn:ietf:params:scim:schemas:core:2.0:Agent"
AGENTIC_APPLICATION_URN = "urn:ietf:params:scim:schemas:core:2.0:AgenticApplication"
#: Levels of arrays and objects in a body.
_MAX_DEPTH = 32


# --- JSON ---------------------------------------------------------------------------------------------------------


def load_json(raw: bytes) -> Json:
    """Returns the JSON of a body; a byte-order mark before it is skipped.

    Raises InvalidSyntax with the position when the body is no JSON, is nested too deep, or names a member twice: that
    is legal, but it is unknown which value was meant (RFC 8259 section 4). Raises InvalidValue for a NUL character,
    which is legal JSON too, but no text column can hold it.
    """
    if not raw.strip():
        raise InvalidSyntax("The body is empty; a JSON object is needed.")
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if raw.startswith(codecs.BOM_UTF8) and not raw.startswith(codecs.BOM_UTF8 * 2):
            note(Leniency.BYTE_ORDER_MARK)
            return load_json(raw.removeprefix(codecs.BOM_UTF8))
        if b"\0" in raw[:2] or raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise InvalidSyntax("The body is not JSON in UTF-8 (RFC 8259 section 8.1), but UTF-16 or UTF-32.") from None
        raise InvalidSyntax(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    if raw.count(b"{") + raw.count(b"[") > _MAX_DEPTH and _deeper_than(parsed, _MAX_DEPTH):
        raise InvalidSyntax(f"The body is nested deeper than {_MAX_DEPTH} levels.")
    rendered = orjson.dumps(parsed).replace(b"\\\\", b"")
    if b"\\u0000" in rendered:
        raise InvalidValue("The body holds a NUL character.")
    if _count_strings(raw.replace(b"\\\\", b"")) != _count_strings(rendered):
        json.loads(raw, object_pairs_hook=_refuse_twins)
    written.remember(raw, parsed)
    return parsed


def _count_strings(text: bytes) -> int:
    """Counts the quotation marks of strings in JSON without escaped backslashes.

    A parser keeps one of two members with the same name, so the rendered text has fewer than the original.
    """
    return text.count(b'"') - text.count(b'\\"')


def _refuse_twins(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """The object of these members; InvalidSyntax when two have the same name."""
    members: dict[str, Json] = {}
    for name, value in pairs:
        if name in members:
            raise InvalidSyntax(f"The body names {quote(name)} twice in one object.")
        members[name] = value
    return members


def _deeper_than(parsed: Json, limit: int) -> bool:
    """True when arrays and objects are nested more than `limit` levels; a loop, because recursion has a limit."""
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


# --- PatchOp ------------------------------------------------------------------------------------------------------

_PATCH_MEMBERS = frozenset({"schemas", "Operations"})
_OPERATION_MEMBERS = frozenset({"op", "path", "value"})
_OPS = frozenset({"add", "replace", "remove"})
#: Characters of a member's name that an error repeats.
_LONGEST_NAME = 40


def patch_of(op: str, path: str, value: Json = None) -> dict[str, Json]:
    """Returns a PatchOp message with one operation; without a value for None."""
    operation = {"op": op, "path": path, **({} if value is None else {"value": value})}
    return {"schemas": [PATCH_URN], "Operations": [operation]}


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
    named_schemas.check(urns, PATCH_URN)
    operations = members.get("Operations")
    if not isinstance(operations, list):
        raise _bad_patch("Operations", "takes an array of operations.")
    if not operations:
        raise _bad_patch("Operations", "takes at least one operation.")
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
    members = _canonical_members(quirks.without_labels(body), _OPERATION_MEMBERS, f"Operations[{number}].")
    for name in members.keys() - _OPERATION_MEMBERS:
        raise _bad_patch(f"Operations[{number}].{name[:_LONGEST_NAME]}", "an operation has op, path and value only.")
    return members


def _canonical_members(body: dict[str, Json], names: frozenset[str], prefix: str = "") -> dict[str, Json]:
    """Returns an object whose member names are spelled as in `names`. In: `prefix`, the text before a name in errors.

    Raises InvalidSyntax when a name occurs twice; names are compared without case (RFC 7643 section 2.1).
    """
    by_key = {name.lower(): name for name in names}
    members: dict[str, Json] = {}
    for name, value in body.items():
        canonical = by_key.get(name.lower(), name)
        if canonical in members:
            raise _bad_patch(prefix + canonical, "this member occurs twice; names are compared without case.")
        members[canonical] = value
    return members


def _bad_patch(where: str, problem: str) -> InvalidSyntax:
    return InvalidSyntax(f"The PatchOp message: {where}: {problem}")


# --- answers ------------------------------------------------------------------------------------------------------


def list_response(resources: Iterable[str], total: int, start_index: int) -> bytes:
    """A ListResponse (RFC 7644 section 3.4.2) around resources that are JSON already."""
    return _list_response(resources, total, f'"startIndex":{start_index},')


def cursor_response(
    resources: Iterable[str], total: int, *, next_cursor: str | None, previous_cursor: str | None
) -> bytes:
    """A ListResponse with cursors (RFC 9865 section 2), which are URL-safe texts; one that is None is left out."""
    cursors = (("previousCursor", previous_cursor), ("nextCursor", next_cursor))
    place = "".join(f'"{name}":"{cursor}",' for name, cursor in cursors if cursor is not None)
    return _list_response(resources, total, place)


def _list_response(resources: Iterable[str], total: int, place: str) -> bytes:
    """A ListResponse; `place` holds the members, each with a comma, that tell the page's place in the whole list."""
    joined = list(resources)
    head = f'{{"schemas":["{LIST_URN}"],"totalResults":{total},{place}"itemsPerPage":{len(joined)},"Resources":['
    return f"{head}{','.join(joined)}]}}".encode()


def _agent_extension(types: Iterable[ResourceType]) -> dict[str, Json]:
    """The member that says which types for agents there are; empty without one of them.

    Source: draft-abbey-scim-agent-extension-00, section "ServiceProviderConfig".
    """
    cores = {resource_type.schema.id.lower() for resource_type in types}
    agents, applications = (urn.lower() in cores for urn in (AGENT_URN, AGENTIC_APPLICATION_URN))
    if not (agents or applications):
        return {}
    supported = {"supported": True, "agentsSupported": agents, "agenticApplicationsSupported": applications}
    return {"agentExtension": supported}


def service_provider_config(
    location: str,
    *,
    max_results: int,
    page_size: int | None,
    max_operations: int,
    max_payload_size: int,
    change_password: bool,
    keeps_profile: bool = False,
    event_uris: Sequence[str] = (),
    types: Iterable[ResourceType] = (),
) -> dict[str, Json]:
    """The features of this service (RFC 7643 section 5).

    In: `page_size`, None leaves out the pagination of RFC 9865; `keeps_profile`, true when the app refuses all that
    draft-zollner-scim-interop-profile refuses; `event_uris`, the events of RFC 9967 that are announced; `types`, the
    resource types of the app.
    """
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
        **({"interopProfileConformant": True} if keeps_profile else {}),
        **({"securityEvents": {"asyncRequest": "none", "eventUris": list(event_uris)}} if event_uris else {}),
        **_agent_extension(types),
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
