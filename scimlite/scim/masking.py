"""What may be kept of a refused request: by schema, without what nobody may read and without undeclared values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import ScimError
from .filter import And, Compare, Filter, Not, Or, ValuePath, unparse
from .filter_parser import parse_filter
from .patch_path import PatchPath, parse_patch_path
from .path import AttrPath, split_attr_path
from .schema import Attribute, ResourceType, Schema

Json = Any

#: In place of a value that nobody may read.
SECRET = "***"
#: In place of the value of an attribute that no schema declares: only its name is kept.
UNDECLARED = "(not declared)"
_LONGEST_NAME = 200
_LONGEST_TEXT = 2000


def resource(resource_type: ResourceType, body: Json) -> Json:
    """The body of a POST or PUT, or the value of a PATCH operation without a path."""
    if not isinstance(body, dict):
        return UNDECLARED
    return {_name(key): _attribute(resource_type, key, value) for key, value in body.items()}


def _name(key: str) -> str:
    return key if len(key) <= _LONGEST_NAME else key[:_LONGEST_NAME] + "…"


def _attribute(resource_type: ResourceType, key: str, value: Json) -> Json:
    """The value under a name, which may be an attribute, one after a URN, or the URN of a schema."""
    schema = _schema(resource_type, key)
    if schema is not None:
        return _of_schema(schema, resource_type, value)
    path = split_attr_path(key, resource_type.urns)
    target = resource_type.find(path) if path is not None else None
    if target is None or target.leaf is None or target.attribute is None:
        return UNDECLARED
    return SECRET if _secret(target.attribute) else _value(target.leaf, value)


def _schema(resource_type: ResourceType, key: str) -> Schema | None:
    lower = key.lower()
    return (
        resource_type.schema if lower == resource_type.schema.id.lower() else resource_type.extension_by_key.get(lower)
    )


def _of_schema(schema: Schema, resource_type: ResourceType, value: Json) -> Json:
    if not isinstance(value, dict):
        return UNDECLARED
    known = resource_type.core if schema is resource_type.schema else schema.by_key
    masked = {}
    for key, each in value.items():
        attribute = known.get(key.lower())
        masked[_name(key)] = _value(attribute, each) if attribute else UNDECLARED
    return masked


def _secret(attribute: Attribute) -> bool:
    return attribute.write_only or attribute.apart or attribute.returned == "never"


def _value(attribute: Attribute, value: Json) -> Json:
    if _secret(attribute):
        return SECRET
    if isinstance(value, list):
        return [_value(attribute, each) for each in value]
    if not isinstance(value, dict):
        return value
    masked = {}
    for key, each in value.items():
        # Objects that stand where a simple value should are no attribute's either.
        sub = attribute.subs.get(key.lower())
        masked[_name(key)] = _value(sub, each) if sub else UNDECLARED
    return masked


# --- messages -----------------------------------------------------------------------------------------------------


def patch(resource_type: ResourceType, body: Json) -> Json:
    """The body of a PATCH."""
    if not isinstance(body, dict):
        return UNDECLARED
    masked: dict[str, Json] = {}
    for key, value in body.items():
        if key.lower() == "operations" and isinstance(value, list):
            masked[_name(key)] = [_operation(resource_type, each) for each in value]
        else:
            masked[_name(key)] = _urns(value) if key.lower() == "schemas" else UNDECLARED
    return masked


def _urns(value: Json) -> Json:
    return value if isinstance(value, list) and all(isinstance(each, str) for each in value) else UNDECLARED


def _operation(resource_type: ResourceType, operation: Json) -> Json:
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
    try:
        return parse_patch_path(text, resource_type.urns)
    except ScimError:
        return None


def _path(resource_type: ResourceType, text: str) -> str:
    parsed = _parsed(resource_type, text)
    if parsed is None:
        return f"(a path of {len(text)} characters that cannot be read)"
    if parsed.filter is None:
        return text[:_LONGEST_TEXT]
    target = resource_type.find(parsed.attr)
    attribute = target.attribute if target else None
    condition = _bare(parsed.filter) if attribute is None else _condition(parsed.filter, attribute)
    return f"{parsed.attr}[{unparse(condition)}]" + (f".{parsed.sub}" if parsed.sub else "")


def _at(resource_type: ResourceType, path: Json, value: Json) -> Json:
    """The value of a PATCH operation with this path."""
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
    """The body of a search request, or the parameters of a query."""
    if not isinstance(body, dict):
        return UNDECLARED
    known = {"schemas", "attributes", "excludedattributes", "sortby", "sortorder", "startindex", "count", "cursor"}
    masked: dict[str, Json] = {}
    for key, value in body.items():
        lower = key.lower()
        if lower == "filter" and isinstance(value, str):
            masked[_name(key)] = filter_text(types, value)
        elif lower in known and not isinstance(value, dict):
            masked[_name(key)] = (
                value[:_LONGEST_TEXT]
                if isinstance(value, str)
                else _urns(value)
                if (isinstance(value, list))
                else value
            )
        else:
            masked[_name(key)] = UNDECLARED
    return masked


# --- filters ------------------------------------------------------------------------------------------------------


def filter_text(types: Sequence[ResourceType], text: str) -> str:
    """A filter: values that are compared with what nobody may read, or no type declares, are masked.

    Of one that cannot be read only the length is told.
    """
    try:
        parsed = parse_filter(text, frozenset().union(*(each.urns for each in types)))
    except ScimError:
        return f"(a filter of {len(text)} characters that cannot be read)"
    return unparse(_masked(types, parsed))


def _masked(types: Sequence[ResourceType], term: Filter) -> Filter:
    match term:
        case And(terms):
            return And(tuple(_masked(types, each) for each in terms))
        case Or(terms):
            return Or(tuple(_masked(types, each) for each in terms))
        case Not(inner):
            return Not(_masked(types, inner))
        case ValuePath(path, inner):
            found = [_readable(each, path) for each in types]
            attribute = next((each for each in found if each is not None), None)
            return ValuePath(path, _condition(inner, attribute) if attribute else _bare(inner))
        case Compare():
            known = any(_readable(each, term.path) is not None for each in types)
            return term if known else _bare(term)


def _readable(resource_type: ResourceType, path: AttrPath) -> Attribute | None:
    """What a path names, if somebody may read it."""
    target = resource_type.find(path)
    if target is None or target.leaf is None or target.attribute is None:
        return None
    return None if _secret(target.attribute) or _secret(target.leaf) else target.leaf


def _condition(term: Filter, attribute: Attribute) -> Filter:
    """A filter inside brackets."""
    match term:
        case And(terms):
            return And(tuple(_condition(each, attribute) for each in terms))
        case Or(terms):
            return Or(tuple(_condition(each, attribute) for each in terms))
        case Not(inner):
            return Not(_condition(inner, attribute))
        case ValuePath():
            return _bare(term)
        case Compare(path):
            sub = attribute.subs.get(path.name.lower()) if attribute.complex else attribute
            plain = path.sub is None and path.urn is None
            return term if sub and plain and not _secret(sub) and not _secret(attribute) else _bare(term)


def _bare(term: Filter) -> Filter:
    """A filter without its values."""
    match term:
        case And(terms):
            return And(tuple(map(_bare, terms)))
        case Or(terms):
            return Or(tuple(map(_bare, terms)))
        case Not(inner):
            return Not(_bare(inner))
        case ValuePath(path, inner):
            return ValuePath(path, _bare(inner))
        case Compare():
            return term if term.op == "pr" else replace(term, value=SECRET)
