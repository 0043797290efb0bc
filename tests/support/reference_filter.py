"""A reference model of filters and sort orders, straight from RFC 7644 section 3.4.2, over resources as JSON.

It is slow and shares no code with the service: tests compare the databases' answers with it. Where
the RFC leaves a choice, docs/architecture.md makes it: logic has two values, a comparison with an absent attribute is
false except `ne`, which is true; `not` is the complement; `eq null` is `not pr`, and `eq ""` is the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from reference_values import written_number
from scimlite.scim.attribute import Attribute
from scimlite.scim.filter import And, Compare, Filter, Not, Or, ValuePath
from scimlite.scim.path import AttrPath
from scimlite.scim.schema import ResourceType, Schema

Json = Any

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda have, want: bool(have == want),
    "ne": lambda have, want: bool(have != want),
    "co": lambda have, want: want in have,
    "sw": lambda have, want: bool(have.startswith(want)),
    "ew": lambda have, want: bool(have.endswith(want)),
    "gt": lambda have, want: bool(have > want),
    "ge": lambda have, want: bool(have >= want),
    "lt": lambda have, want: bool(have < want),
    "le": lambda have, want: bool(have <= want),
}


def matches(term: Filter, resource: dict[str, Json], resource_type: ResourceType) -> bool:
    """True when a resource, with `meta`, `members` and `groups`, matches a filter of its type."""
    match term:
        case And(terms):
            return all(matches(inner, resource, resource_type) for inner in terms)
        case Or(terms):
            return any(matches(inner, resource, resource_type) for inner in terms)
        case Not(inner):
            return not matches(inner, resource, resource_type)
        case Compare(path):
            attribute, holder = _located(path, resource, resource_type)
            return _compared(attribute, path.sub, term, _member(holder, attribute.name))
        case ValuePath(path, inner):
            attribute, holder = _located(path, resource, resource_type)
            return any(item_matches(inner, attribute, item) for item in _items(_member(holder, attribute.name)))


def sort_value(path: AttrPath, resource: dict[str, Json], resource_type: ResourceType) -> Any:
    """The value that a resource is sorted by; None when it has none (RFC 7644 section 3.4.2.3)."""
    attribute, holder = _located(path, resource, resource_type)
    items = _items(_member(holder, attribute.name))
    sub = path.sub or ("value" if attribute.type == "complex" else None)
    pairs = [(item, value) for item in items for value in (_items(_member(item, sub)) if sub else [item])]
    primary = [value for item, value in pairs if sub and _member(item, "primary") is True]
    values = primary + [value for _, value in pairs]
    return comparable(_sub(attribute, sub) if sub else attribute, values[0]) if values else None


def in_order(
    resources: list[dict[str, Json]], path: AttrPath, resource_type: ResourceType, *, descending: bool
) -> list[dict[str, Json]]:
    """Resources sorted by an attribute: those without it last, descending first; equal ones as they came."""
    keyed = [(sort_value(path, resource, resource_type), resource) for resource in resources]
    without = [resource for key, resource in keyed if key is None]
    having = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0], reverse=descending)
    ordered = [resource for _, resource in having]
    return without + ordered if descending else ordered + without


def _located(path: AttrPath, resource: dict[str, Json], resource_type: ResourceType) -> tuple[Attribute, Json]:
    """The attribute that a path names, and the object that has it: the resource or its extension."""
    core: list[tuple[Attribute, Json]] = [(attribute, resource) for attribute in resource_type.common]
    core += [(attribute, resource) for attribute in resource_type.schema.attributes]
    misspelled = {alias.lower(): urn for alias, urn in resource_type.urn_aliases.items()}
    urn = misspelled.get((path.urn or "").lower(), path.urn)
    candidates = core if urn is None or _same(urn, resource_type.schema.id) else []
    for extension in resource_type.extensions:
        if urn is None or _same(urn, extension.id):
            candidates = candidates + _of_extension(extension, resource)
    return next(pair for pair in candidates if _same(pair[0].name, path.name))


def _of_extension(extension: Schema, resource: dict[str, Json]) -> list[tuple[Attribute, Json]]:
    return [(attribute, resource.get(extension.id)) for attribute in extension.attributes]


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.lower() == other.lower()


def _member(holder: Json, name: str) -> Json:
    if not isinstance(holder, dict):
        return None
    return next((value for key, value in holder.items() if _same(key, name)), None)


def _sub(attribute: Attribute, name: str) -> Attribute:
    return next(sub for sub in attribute.sub_attributes if _same(sub.name, name))


def _items(value: Json) -> list[Json]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def item_matches(term: Filter, attribute: Attribute, item: Json) -> bool:
    """True when one value of the attribute matches the filter in brackets."""
    match term:
        case And(terms):
            return all(item_matches(inner, attribute, item) for inner in terms)
        case Or(terms):
            return any(item_matches(inner, attribute, item) for inner in terms)
        case Not(inner):
            return not item_matches(inner, attribute, item)
        case Compare(path):
            # The values of a simple attribute are known as their own `value` (RFC 7643 section 2.4).
            sub = path.name if attribute.type == "complex" else None
            return _compared(attribute, sub, term, item)
    raise AssertionError(term)


def _compared(attribute: Attribute, sub: str | None, term: Compare, value: Json) -> bool:
    if term.op == "pr" or term.value is None or (term.value == "" and term.op in ("eq", "ne")):
        compared = [_member(item, sub) for item in _items(value)] if sub else value
        return _present(compared) == (term.op in ("pr", "ne"))
    if sub is None and attribute.type == "complex":
        sub = "value"
    values = _items(value)
    if sub is not None:
        holder, attribute = attribute, _sub(attribute, sub)
        values = [inner for item in values for inner in _items(_member(item, sub)) or _assumed(holder, attribute)]
    if not values:
        return term.op == "ne"
    want = comparable(attribute, term.value)
    return any(OPERATORS[term.op](comparable(attribute, stored), want) for stored in values)


def _assumed(holder: Attribute, sub: Attribute) -> list[Json]:
    """The values of a sub-attribute that an item lacks: `primary` is false then (RFC 7643 section 2.4)."""
    is_primary = holder.multi_valued and sub.name.lower() == "primary" and sub.type == "boolean"
    return [False] if is_primary else []


def _present(value: Json) -> bool:
    """A non-empty value, or a non-empty node below."""
    if isinstance(value, dict):
        return any(_present(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_present(inner) for inner in value)
    return value is not None and value != ""


def comparable(attribute: Attribute, value: Json) -> Any:
    """Something that Python compares as the attribute's type wants it."""
    if attribute.type == "boolean":
        return value if isinstance(value, bool) else value.strip().lower() == "true"
    if attribute.type == "dateTime":
        # Of a fraction, the service keeps microseconds.
        moment = datetime.fromisoformat("".join(_short_fraction(value.upper())))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if attribute.type in ("integer", "decimal"):
        number = written_number(value) if isinstance(value, str) else value
        assert number is not None
        # A float is the number that JSON shows for it.
        return Decimal(repr(number)) if isinstance(number, float) else number
    if attribute.case_exact:
        return value
    return _folded(value)


def _short_fraction(text: str) -> Iterator[str]:
    whole, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    yield from (whole, dot, digits[:6].ljust(6, "0") if dot else "", rest[len(digits) :])


def _folded(text: str) -> str:
    """The text by the steps of RFC 8265 section 3.3.1: width, case, normalization, a code point at a time."""
    return unicodedata.normalize("NFC", "".join(char.lower() for whole in text for char in _of_usual_width(whole)))


def _of_usual_width(char: str) -> str:
    kind, *codes = unicodedata.decomposition(char).split() or [""]
    return "".join(chr(int(code, 16)) for code in codes) if kind in ("<wide>", "<narrow>") else char
