"""Immutable sub-attributes (RFC 7643 section 7) when one value replaces another."""

from __future__ import annotations

from typing import Any

from ..errors import Mutability
from . import values
from .attribute import Attribute

Json = Any


def settle(attribute: Attribute, before: Json, after: Json) -> Json:
    """The value `after` in place of `before`, with the immutable sub-attributes of `before` that it leaves out.

    Raises Mutability when `after` has another value for one. Values of a multi-valued attribute with the same `value`
    and `type` are the same value (RFC 7643 section 2.4).
    """
    if not attribute.fixed_subs or before is None or after is None:
        return after
    if not attribute.multi_valued:
        return _settled(attribute, before, after)
    present = {_identity(attribute, item): item for item in before if "value" in item}
    return [
        _settled(attribute, present.get(_identity(attribute, item), {}), item) if "value" in item else item
        for item in after
    ]


def _identity(attribute: Attribute, item: dict[str, Json]) -> tuple[str, ...]:
    """The keys of `value` and `type`, empty where there is none."""
    return tuple(
        values.key(attribute.subs[name], item[name]) if name in item and name in attribute.subs else ""
        for name in ("value", "type")
    )


def _settled(attribute: Attribute, before: dict[str, Json], after: dict[str, Json]) -> dict[str, Json]:
    """One complex value in place of another."""
    kept = {}
    for sub in attribute.fixed_subs:
        if before.get(sub.name) not in (None, after.get(sub.name, before.get(sub.name))):
            raise Mutability(f"{sub.path} is immutable: it cannot change once it has a value.")
        if sub.name in before:
            kept[sub.name] = before[sub.name]
    return {**after, **kept}
