"""The part of the reference model that says what is stored of values: docs/protocol.md, and RFC 7643 section 2.4.

It compares each item with each other one, and shares no code with the service.
"""

from __future__ import annotations

from typing import Any

from reference_filter import comparable
from reference_values import listed, sub_attribute
from scimlite.scim.attribute import Attribute
from scimlite.scim.schema import ResourceType

Json = Any
Document = dict[str, Json]


def settled(resource_type: ResourceType, document: Document) -> Document:
    """A document without items that say nothing, and with each value once."""
    made: Document = {}
    for name, value in document.items():
        extension = next((one for one in resource_type.extensions if one.id == name), None)
        if extension is not None:
            inner = {key: _settled(extension.attributes, key, part) for key, part in value.items()}
            made[name] = {key: part for key, part in inner.items() if part not in (None, [], {})}
        else:
            made[name] = _settled(tuple(resource_type.core.values()), name, value)
    return {name: value for name, value in made.items() if value not in (None, [], {})}


def _settled(attributes: tuple[Attribute, ...], name: str, value: Json) -> Json:
    attribute = next((one for one in attributes if one.name == name), None)
    return value if attribute is None else _whole(attribute, value)


def _whole(attribute: Attribute, value: Json) -> Json:
    if not attribute.multi_valued:
        return _item(attribute, value)
    items = [_item(attribute, item) for item in value]
    kept = each_once(attribute, [item for item in items if says_something(attribute, item)])
    primary = [place for place, item in enumerate(kept) if isinstance(item, dict) and item.get("primary") is True]
    for place in primary[:-1]:
        kept[place] = {**kept[place], "primary": False}
    return kept


def each_once(attribute: Attribute, items: list[Json]) -> list[Json]:
    """The items, those that are the same together in the place of the first."""
    kept: list[Json] = []
    for item in items:
        same = next((place for place, other in enumerate(kept) if alike(attribute, item, other)), None)
        if same is None:
            kept.append(item)
        elif attribute.type == "complex":
            kept[same] = _together(attribute, kept[same], item)
    return kept


def _item(attribute: Attribute, item: Json) -> Json:
    if attribute.type != "complex":
        return item
    inner = {name: _settled(attribute.sub_attributes, name, value) for name, value in item.items()}
    return {name: value for name, value in inner.items() if value not in (None, [], {})}


def says_something(attribute: Attribute, item: Json) -> bool:
    """True for an item with a value, and not only words about one."""
    if attribute.type != "complex" or sub_attribute(attribute, "value") is None:
        return item not in (None, {})
    return _more_than_labels(item)


def emptied(attribute: Attribute, before: Json, after: Json) -> bool:
    """True for an item, such as an address, that had more than its type, and has not any more."""
    if attribute.type != "complex" or not isinstance(before, dict):
        return False
    others = any(name.lower() not in _LABELS for name in (sub.name for sub in attribute.sub_attributes))
    return others and _more_than_labels(before) and not _more_than_labels(after)


_LABELS = {"type", "primary", "display"}


def _more_than_labels(item: Document) -> bool:
    return any(name.lower() not in _LABELS for name in item)


def alike(attribute: Attribute, one: Json, other: Json) -> bool:
    """True for two items that are the same: by `value` and `type`, else by everything but `primary`."""
    if attribute.type != "complex":
        return bool(comparable(attribute, one) == comparable(attribute, other))
    if "value" in one and "value" in other:
        names = ["value", "type"]
    elif "value" in one or "value" in other:
        return False
    else:
        names = [name for name in {**one, **other} if name != "primary"]
    return all(equal(attribute, name, one, other) for name in names)


def equal(attribute: Attribute, name: str, one: Document, other: Document) -> bool:
    """True when two items have equal values of a sub-attribute, or both have none; an absent `primary` is false."""
    sub = sub_attribute(attribute, name)
    assert sub is not None
    assumed = False if attribute.multi_valued and name.lower() == "primary" and sub.type == "boolean" else None
    found = [{name: assumed, **holder}[name] for holder in (one, other)]
    pairs = [[comparable(sub, value) for value in listed(value)] for value in found]
    return bool(pairs[0] == pairs[1])


def _together(attribute: Attribute, first: Document, second: Document) -> Document:
    """Everything of two items that are the same: the primary one wins, else the second, but what is immutable stays."""
    made = {**second, **first} if first.get("primary") is True else {**first, **second}
    for sub in attribute.sub_attributes:
        if sub.mutability == "immutable" and sub.name in first:
            made[sub.name] = first[sub.name]
        elif sub.multi_valued and sub.name in first and sub.name in second:
            lists = [second, first] if first.get("primary") is True else [first, second]
            made[sub.name] = _whole(sub, [value for holder in lists for value in holder[sub.name]])
    return made
