"""Bulk requests (RFC 7644 section 3.7): the message, and the references between its operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from marshmallow import RAISE, ValidationError, fields, post_load, validate

from ..errors import InvalidSyntax, PayloadTooLarge, Remedy
from . import forms
from .escapes import unescaped
from .path import quote

Json = Any

BULK_REQUEST_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"

_METHODS = ("POST", "PUT", "PATCH", "DELETE")
#: References begin like this.
PREFIX = "bulkId:"
#: A value that refers to a resource of the same request: `bulkId:x`, or a URI that ends with it.
_REFERENCE = re.compile(rf"(|\S*?/){PREFIX}(.+)", re.DOTALL)
#: The values in a filter: strings, and references without quotation marks, because some clients send values bare.
_IN_FILTER = re.compile(rf'"((?:[^"\\]|\\.)*)"|(?<=\s){PREFIX}([^\s\])"]+)')
_QUOTED = re.compile(r'\\(["\\/])')


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation of a bulk request; `id` is None when the path is an endpoint.

    `id` and values of `data` may be references such as `bulkId:x`: the resource that the POST with that `bulk_id`
    creates.
    """

    method: str
    endpoint: str
    id: str | None = None
    bulk_id: str | None = None
    version: str | None = None
    data: Json = None


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """A bulk request; it ends after `fail_on_errors` errors, and None stands for no limit."""

    operations: list[BulkOperation] = field(default_factory=list)
    fail_on_errors: int | None = None


# --- the message --------------------------------------------------------------------------------------------------


class _OperationForm(forms.Form):
    """One operation. The members of a response are left out (RFC 7644 section 3.7); others are refused."""

    labels = frozenset({"location", "response", "status"})

    class Meta:
        unknown = RAISE

    method = fields.String(required=True)
    path = fields.String(required=True)
    bulk_id = fields.String(data_key="bulkId", allow_none=True)
    version = fields.String(allow_none=True)
    data = fields.Raw(allow_none=True)

    @post_load
    def _operation(self, data: dict[str, Json], **_: Any) -> BulkOperation:
        method = data["method"].upper()
        if method not in _METHODS:
            raise ValidationError(f"{quote(data['method'])} is not {', '.join(_METHODS)}.", "method")
        if method == "POST" and not data.get("bulk_id"):
            raise ValidationError("a POST needs a bulkId.", "bulkId")
        endpoint, id = _split(data["path"])
        return BulkOperation(
            method, endpoint, id, data.get("bulk_id") or None, data.get("version") or None, data.get("data")
        )


def _split(path: str) -> tuple[str, str | None]:
    """The endpoint and the id in a path; doubled slashes and a slash at the end are left out."""
    try:
        endpoint, *rest = [unescaped(part) for part in path.split("/") if part] or [""]
    except ValueError:
        raise ValidationError(f"{quote(path)} is not percent-encoded UTF-8.", "path") from None
    return endpoint, "/".join(rest) or None


def _check_whole_number(value: Json) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValidationError("takes a whole number, 1 or more.")


class _BulkForm(forms.Form):
    urn = BULK_REQUEST_URN

    fail_on_errors = fields.Raw(data_key="failOnErrors", allow_none=True, validate=_check_whole_number)
    operations = fields.List(
        fields.Nested(_OperationForm),
        data_key="Operations",
        required=True,
        validate=validate.Length(min=1, error="takes at least one operation."),
    )


_BULK_FORM = _BulkForm()


def load(body: Json, max_operations: int) -> BulkRequest:
    """Returns a bulk request; the whole message is checked before any operation is carried out.

    Raises InvalidSyntax naming the first member that is wrong, PayloadTooLarge for more operations than allowed.
    """
    for name, value in body.items() if isinstance(body, dict) else ():
        if name.lower() == "operations" and isinstance(value, list) and len(value) > max_operations:
            raise PayloadTooLarge(
                f"The number of operations exceeds the maxOperations ({max_operations}).",
                remedy=Remedy(setting="SCIMLITE_MAX_OPERATIONS"),
            )
    loaded = forms.load(_BULK_FORM, body, "The bulk request")
    bulk_ids: set[str] = set()
    for operation in loaded["operations"]:
        if operation.bulk_id in bulk_ids:
            raise InvalidSyntax(f"The bulk request: two operations have the bulkId {quote(operation.bulk_id)}.")
        if operation.bulk_id is not None:
            bulk_ids.add(operation.bulk_id)
    return BulkRequest(loaded["operations"], loaded.get("fail_on_errors"))


def response(results: Sequence[Json]) -> Json:
    """The BulkResponse message with the result of each operation that was tried."""
    return {"schemas": [BULK_RESPONSE_URN], "Operations": list(results)}


# --- references ---------------------------------------------------------------------------------------------------


def references(operation: BulkOperation) -> list[str]:
    """The bulkIds that an operation refers to, in its path and anywhere in its data."""
    bulk_ids: dict[str, None] = {}

    def note(bulk_id: str) -> None:
        bulk_ids[bulk_id] = None

    _replaced(operation, note)
    return list(bulk_ids)


def resolve(operation: BulkOperation, ids: Mapping[str, str]) -> BulkOperation:
    """The operation with ids in place of references (RFC 7644 section 3.7.2); references without an id stay."""
    return _replaced(operation, ids.get)


def _replaced(operation: BulkOperation, id_of: Callable[[str], str | None]) -> BulkOperation:
    """The operation with references replaced; `id_of` returns the id for a bulkId, or None."""
    id = operation.id
    if id is not None and id.startswith(PREFIX):
        id = id_of(id.removeprefix(PREFIX)) or id
    return replace(operation, id=id, data=_values(operation.data, id_of, in_patch=operation.method == "PATCH"))


def _values(value: Json, id_of: Callable[[str], str | None], *, in_patch: bool) -> Json:
    """A value with references replaced, in filters of the paths of a PATCH too.

    A password stays as it is, even one that reads like a reference.
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
    """True when an operation of a PATCH writes a password."""
    paths = (str(value).lower() for name, value in operation.items() if name.lower() == "path")
    return any(path.strip().rpartition(":")[2] == "password" for path in paths)


def _text(text: str, id_of: Callable[[str], str | None]) -> str:
    """A text with the id in place of a reference; a text that is no reference stays as it is."""
    match = _REFERENCE.fullmatch(text)
    id = id_of(match[2]) if match else None
    return f"{match[1]}{id}" if match and id is not None else text


def _path(text: str, id_of: Callable[[str], str | None]) -> str:
    """The path of a PATCH operation with references in its filter replaced."""

    def id_for(match: re.Match[str]) -> str:
        quoted, bare = match.groups()
        if bare is None and not quoted.startswith(PREFIX):
            return match[0]
        id = id_of(_QUOTED.sub(r"\1", quoted.removeprefix(PREFIX)) if bare is None else bare)
        return match[0] if id is None else f'"{id}"'

    return _IN_FILTER.sub(id_for, text) if PREFIX in text else text


def postpone(data: Json, missing: Collection[str]) -> tuple[Json, list[Json]]:
    """Splits the data of a POST: the data without values that refer to `missing`, and PATCH operations that add those.

    Of a multi-valued attribute only the values that refer are postponed, any other attribute as a whole.
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
    return any(bulk_id in missing for bulk_id in references(BulkOperation("POST", "", data=value)))
