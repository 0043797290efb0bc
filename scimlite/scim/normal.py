"""The form in which values are stored, whichever request wrote them: no empty items, and no value twice."""

from __future__ import annotations

import json
from typing import Any

from . import values
from .attribute import Attribute

Json = Any
Document = dict[str, Json]


def normal_form(attribute: Attribute, value: Json) -> Json:
    """The value of an attribute as it is stored; None when nothing of it is left.

    In: a value that `values.clean` made, or one that edits changed. An item without its `value`, which only has `type`,
    `primary` and `display`, says nothing and goes. Of items with equal `type` and `value` the first place remains, with
    the sub-attributes of all (RFC 7643 section 2.4); a missing `type` equals only a missing one. Items without `value`
    are equal when all their sub-attributes but `primary` are. Simple values are equal as filters compare them. One item
    at most is primary.
    """
    if not attribute.multi_valued:
        return _one(attribute, value)
    if len(value) == 1 and not attribute.plural_subs:
        # Most e-mails and addresses are the only ones.
        return None if values.is_husk(attribute, value[0]) else value
    items = [item for item in (_one(attribute, item) for item in value) if not values.is_husk(attribute, item)]
    return values.one_primary(attribute, distinct(attribute, items)) or None


def identity(attribute: Attribute, item: Json) -> tuple[str, str]:
    """Two texts, of the value and of the type, that are equal for the same item; the second is empty without a type.

    An item without a `value` is known by all its sub-attributes but `primary`.
    """
    if not attribute.complex:
        return _text(key(attribute, item)), ""
    value, kind = attribute.subs.get("value"), attribute.subs.get("type")
    if value is None or value.name not in item:
        rest = {name: key(attribute.subs.get(name.lower()), part) for name, part in item.items() if name != "primary"}
        return _text(rest), ""
    return _text(key(value, item[value.name])), _text(key(kind, item[kind.name])) if kind and kind.name in item else ""


def key(attribute: Attribute | None, value: Json) -> Json:
    """What filters compare of a value, or of each of its values; the value itself under a former schema's name."""
    if attribute is None:
        return value
    return [values.key(attribute, one) for one in value] if isinstance(value, list) else values.key(attribute, value)


def _one(attribute: Attribute, value: Json) -> Json:
    """One value, with its multi-valued sub-attributes in the normal form."""
    if not attribute.plural_subs or value is None:
        return value
    parts = {sub.name: normal_form(sub, value[sub.name]) for sub in attribute.plural_subs if sub.name in value}
    return {name: part for name, part in {**value, **parts}.items() if part is not None} or None


def distinct(attribute: Attribute, items: list[Json]) -> list[Json]:
    """The items, with equal ones merged into the first of them."""
    if len(items) < 2:
        return items
    merged: dict[tuple[str, str], Json] = {}
    for item in items:
        known = identity(attribute, item)
        if known not in merged:
            merged[known] = item
        elif attribute.complex:
            merged[known] = _union(attribute, merged[known], item)
    return list(merged.values())


def _union(attribute: Attribute, first: Document, second: Document) -> Document:
    """Two equal items as one: where they differ the primary one counts, else the second, which was written later.

    An immutable sub-attribute keeps its first value.
    """
    if first.get("primary") is True:
        first, second = second, first
        fixed = second
    else:
        fixed = first
    merged = {**first, **second}
    for sub in attribute.fixed_subs:
        if sub.name in fixed:
            merged[sub.name] = fixed[sub.name]
    for sub in attribute.plural_subs:
        if sub.name in first and sub.name in second:
            merged[sub.name] = normal_form(sub, [*first[sub.name], *second[sub.name]])
    return merged


def _text(value: Json) -> str:
    """JSON as text that is equal for equal values; halves of surrogate pairs, which a caller may give, are escaped."""
    return f'"{value}' if type(value) is str else json.dumps(value, sort_keys=True)
