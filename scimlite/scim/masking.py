"""Refused requests as they are kept: secret values and values of undeclared attributes are masked, by schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..errors import ScimError
from .attribute import Attribute
from .filter import And, Filter, Not, Or, ValuePath, unparse
from .filter_parser import parse_filter
from .patch_path import PatchPath, parse_patch_path
from .path import AttrPath, split_attr_path
from .schema import ResourceType, Schema

Json = Any

#: Stands for a value that clients cannot read.
SECRET = "***"
#: Stands for the value of an attribute that no schema declares: only the name is kept.
UNDECLARED = "(not declared)"
#: Members of a search request whose values are kept, in lower case.
_PARAMETERS = frozenset(
    {"schemas", "attributes", "excludedattributes", "sortby", "sortorder", "startindex", "count", "cursor"}
)
#: Characters of a name and of a text that are kept.
_LONGEST_NAME = 200
_LONGEST_TEXT = 2000


def resource(resource_type: ResourceType, body: Json) -> Json:
    """Masks the body of a POST or PUT, or the value of a PATCH operation without a path."""
    if not isinstance(body, dict):
        return UNDECLARED
    return {_name(key): _attribute(resource_type, key, value) for key, value in body.items()}


def _name(key: str) -> str:
    """A member's name, cut when it is long."""
    return key if len(key) <= _LONGEST_NAME else key[:_LONGEST_NAME] + "…"


def _attribute(resource_type: ResourceType, key: str, value: Json) -> Json:
    """Masks the value under a key: an attribute, an attribute after a URN, or the URN of a schema."""
    schema = _schema(resource_type, key)
    if schema is not None:
        return _of_schema(schema, resource_type, value)
    path = split_attr_path(key, resource_type.urns)
    target = resource_type.find(path) if path is not None else None
    if target is None or target.leaf is None or target.attribute is None:
        return UNDECLARED
    return SECRET if _secret(target.attribute) else _value(target.leaf, value)


def _schema(resource_type: ResourceType, key: str) -> Schema | None:
    """The schema of the type with this URN."""
    lower = key.lower()
    if lower == resource_type.schema.id.lower():
        return resource_type.schema
    return resource_type.extension_by_key.get(lower)


def _of_schema(schema: Schema, resource_type: ResourceType, value: Json) -> Json:
    """Masks the object under the URN of a schema."""
    if not isinstance(value, dict):
        return UNDECLARED
    attributes = resource_type.core if schema is resource_type.schema else schema.by_key
    masked = {}
    for key, inner in value.items():
        attribute = attributes.get(key.lower())
        masked[_name(key)] = _value(attribute, inner) if attribute else UNDECLARED
    return masked


def _secret(attribute: Attribute) -> bool:
    return attribute.write_only or attribute.apart or attribute.returned == "never"


def _value(attribute: Attribute, value: Json) -> Json:
    """Masks the value of an attribute."""
    if _secret(attribute):
        return SECRET
    if isinstance(value, list):
        return [_value(attribute, item) for item in value]
    if not isinstance(value, dict):
        return value
    masked = {}
    for key, inner in value.items():
        # A simple attribute has no sub-attributes, so an object in its place is masked as a whole.
        sub = attribute.subs.get(key.lower())
        masked[_name(key)] = _value(sub, inner) if sub else UNDECLARED
    return masked


# --- messages -----------------------------------------------------------------------------------------------------


def patch(resource_type: ResourceType, body: Json) -> Json:
    """Masks the body of a PATCH."""
    if not isinstance(body, dict):
        return UNDECLARED
    masked: dict[str, Json] = {}
    for key, value in body.items():
        if key.lower() == "operations" and isinstance(value, list):
            masked[_name(key)] = [_operation(resource_type, operation) for operation in value]
        else:
            masked[_name(key)] = _urns(value) if key.lower() == "schemas" else UNDECLARED
    return masked


def _urns(value: Json) -> Json:
    """A list of texts as it is, any other value masked."""
    return value if isinstance(value, list) and all(isinstance(urn, str) for urn in value) else UNDECLARED


def _operation(resource_type: ResourceType, operation: Json) -> Json:
    """Masks one operation of a PATCH."""
    if not isinstance(operation, dict):
        return UNDECLARED
    members = {key.lower(): value for key, value in operation.items()}
    path = members.get("path")
    masked: dict[str, Json] = {}
    for key, value in operation.items():
        match key.lower():
            case "op" if isinstance(value, str):
                masked[_name(key)] = value[:20]
            case "path" if isinstance(value, str):
                masked[_name(key)] = _path(resource_type, value)
            case "value":
                masked[_name(key)] = _at(resource_type, path, value)
            case _:
                masked[_name(key)] = UNDECLARED
    return masked


def _parsed(resource_type: ResourceType, text: str) -> PatchPath | None:
    """The path of an operation; None for a malformed one."""
    try:
        return parse_patch_path(text, resource_type.urns)
    except ScimError:
        return None


def _path(resource_type: ResourceType, text: str) -> str:
    """Masks the path of an operation: secret values in its filter, or all of a malformed path."""
    parsed = _parsed(resource_type, text)
    if parsed is None:
        return f"(a path of {len(text)} characters that cannot be read)"
    if parsed.filter is None:
        return text[:_LONGEST_TEXT]
    target = resource_type.find(parsed.attr)
    attribute = target.attribute if target else None
    condition = _masked(parsed.filter, partial(_readable_in_item, attribute))
    return f"{parsed.attr}[{unparse(condition)}]" + (f".{parsed.sub}" if parsed.sub else "")


def _at(resource_type: ResourceType, path: Json, value: Json) -> Json:
    """Masks the value of an operation with this path."""
    if path is None or path == "":
        return resource(resource_type, value)
    parsed = _parsed(resource_type, path) if isinstance(path, str) else None
    if parsed is None:
        return UNDECLARED
    if not parsed.attr.name:
        return _attribute(resource_type, parsed.attr.urn or "", value)
    target = resource_type.find(replace(parsed.attr, sub=None))
    attribute = target.attribute if target else None
    if attribute is None:
        return UNDECLARED
    if _secret(attribute):
        return SECRET
    if parsed.sub is None:
        return _value(attribute, value)
    sub = attribute.subs.get(parsed.sub.lower())
    return _value(sub, value) if sub else UNDECLARED


def search(types: Sequence[ResourceType], body: Json) -> Json:
    """Masks the body of a search request, or the parameters of a query."""
    if not isinstance(body, dict):
        return UNDECLARED
    masked: dict[str, Json] = {}
    for key, value in body.items():
        lower = key.lower()
        if lower == "filter" and isinstance(value, str):
            masked[_name(key)] = filter_text(types, value)
        elif lower not in _PARAMETERS or isinstance(value, dict):
            masked[_name(key)] = UNDECLARED
        elif isinstance(value, list):
            masked[_name(key)] = _urns(value)
        else:
            masked[_name(key)] = value[:_LONGEST_TEXT] if isinstance(value, str) else value
    return masked


# --- filters ------------------------------------------------------------------------------------------------------


def filter_text(types: Sequence[ResourceType], text: str) -> str:
    """Masks a filter: the values compared with attributes that clients cannot read, or that no type declares.

    Only the length of a malformed filter is kept.
    """
    try:
        parsed = parse_filter(text, frozenset().union(*(resource_type.urns for resource_type in types)))
    except ScimError:
        return f"(a filter of {len(text)} characters that cannot be read)"
    return unparse(_masked(parsed, partial(_readable, types)))


def _masked(term: Filter, readable: Callable[[AttrPath], Attribute | None]) -> Filter:
    """The filter with SECRET for values that are compared with other than readable attributes."""
    match term:
        case And(terms):
            return And(tuple(_masked(inner, readable) for inner in terms))
        case Or(terms):
            return Or(tuple(_masked(inner, readable) for inner in terms))
        case Not(inner):
            return Not(_masked(inner, readable))
        case ValuePath(path, inner):
            return ValuePath(path, _masked(inner, partial(_readable_in_item, readable(path))))
        case _:
            return term if term.op == "pr" or readable(term.path) else replace(term, value=SECRET)


def _readable(types: Sequence[ResourceType], path: AttrPath) -> Attribute | None:
    """The attribute that a path names in the first type that has it and lets clients read it; None without one."""
    for target in (resource_type.find(path) for resource_type in types):
        leaf = target.leaf if target else None
        if target and target.attribute and leaf and not _secret(target.attribute) and not _secret(leaf):
            return leaf
    return None


def _readable_in_item(attribute: Attribute | None, path: AttrPath) -> Attribute | None:
    """The sub-attribute that a path inside brackets names, if clients can read it; None when there is none."""
    if attribute is None or _secret(attribute) or path.sub or path.urn:
        return None
    sub = attribute.subs.get(path.name.lower()) if attribute.complex else attribute
    return None if sub is None or _secret(sub) else sub
