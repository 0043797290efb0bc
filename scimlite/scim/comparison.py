"""Comparisons of a filter with typed attributes: checked against the schema, and tested on one item in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import InvalidFilter
from . import numbers, quirks, values
from .attribute import Attribute
from .filter import And, Bare, Compare, Filter, Not, Or, Scalar
from .leniency import Leniency, note
from .path import AttrPath, quote

_EQUALITY = ("eq", "ne")
_SUBSTRING = ("co", "sw", "ew")
_ORDER = ("gt", "ge", "lt", "le")


@dataclass(frozen=True, slots=True)
class Bound:
    """A checked comparison: the simple attribute, the operator, and the key of the value to compare with.

    `op` is an operator of the filter grammar, or `absent` for `eq null`; `key` is empty for `pr` and `absent`.
    """

    attribute: Attribute
    op: str
    key: str = ""


def bind(attribute: Attribute, op: str, value: Scalar) -> Bound:
    """Checks that `attribute op value` can be compared (RFC 7644 table 3), and turns the value into its key.

    A complex attribute stands for its `value` sub-attribute. `eq ""` asks for what `eq null` does: blank is no value.
    Raises InvalidFilter naming the attribute.
    """
    if attribute.returned == "never":
        raise InvalidFilter(f"{attribute.path} cannot be filtered by: it is never returned.")
    if op == "pr":
        return Bound(attribute, "pr")
    if value is None or (value == "" and op in ("eq", "ne")):
        if op not in ("eq", "ne"):
            raise InvalidFilter(f"{attribute.path} {op} null cannot be compared: use eq or ne.")
        return Bound(attribute, "absent" if op == "eq" else "pr")
    if attribute.complex:
        if attribute.value_sub is None:
            raise InvalidFilter(f"{attribute.path} has no value of its own to compare: name a sub-attribute.")
        return bind(attribute.value_sub, op, value)
    return Bound(attribute, op, _literal(attribute, op, value))


#: The operators that each type of attribute can be compared with (RFC 7644 section 3.4.2.2).
_OPERATORS = {
    "boolean": _EQUALITY,
    "binary": _EQUALITY,
    "string": (*_EQUALITY, *_SUBSTRING, *_ORDER),
    "reference": (*_EQUALITY, *_SUBSTRING, *_ORDER),
    "dateTime": (*_EQUALITY, *_ORDER),
    "integer": (*_EQUALITY, *_ORDER),
    "decimal": (*_EQUALITY, *_ORDER),
}


def _literal(attribute: Attribute, op: str, value: str | bool) -> str:
    """The key of a value in a filter; InvalidFilter when the attribute's type does not allow it or the operator."""
    if op not in _OPERATORS[attribute.type]:
        raise InvalidFilter(f"{attribute.path} is of type {attribute.type}: it cannot be compared with {op}.")
    key = _key(attribute, value)
    if key is None:
        literal = json.dumps(value) if isinstance(value, bool) else value
        raise InvalidFilter(
            f"{attribute.path} is of type {attribute.type}: it cannot be compared with {quote(literal)}."
        )
    return key


def _key(attribute: Attribute, value: str | bool) -> str | None:
    """The key of a value in a filter; None when the attribute's type does not allow it."""
    match attribute.type:
        case "boolean":
            meant = quirks.string_boolean(value)
            return values.key(attribute, meant) if isinstance(meant, bool) else None
        case "integer" | "decimal":
            number = numbers.number(value) if isinstance(value, Bare) else quirks.text_number(value)
            if number is None or isinstance(number, str | bool):
                return None
            return (numbers.key_among_integers if attribute.type == "integer" else numbers.key_among_decimals)(number)
        case "dateTime" if isinstance(value, str) and values.microseconds(value) is None:
            return None
    if isinstance(value, Bare):
        note(Leniency.BARE_LITERAL)
    return values.key(attribute, value) if isinstance(value, str) else None


def sub_attribute(attribute: Attribute, path: AttrPath) -> Attribute:
    """The sub-attribute that a name inside a value path stands for; InvalidFilter when there is none."""
    if not attribute.complex:
        if path.name.lower() == "value" and path.sub is None and path.urn is None:
            return attribute
    elif path.urn is None and path.sub is None:
        sub = attribute.subs.get(path.name.lower())
        if sub is not None:
            return sub
    raise InvalidFilter(f"{attribute.path} has no sub-attribute {str(path)!r}.")


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda have, want: have == want,
    "ne": lambda have, want: have != want,
    "co": lambda have, want: want in have,
    "sw": lambda have, want: have.startswith(want),
    "ew": lambda have, want: have.endswith(want),
    "gt": lambda have, want: have > want,
    "ge": lambda have, want: have >= want,
    "lt": lambda have, want: have < want,
    "le": lambda have, want: have <= want,
}


def matches(term: Filter, attribute: Attribute, item: Any) -> bool:
    """True when one item of `attribute` matches the filter of a value path (PATCH works on one locked document)."""
    return matcher(term, attribute)(item)


def matcher(term: Filter, attribute: Attribute) -> Callable[[Any], bool]:
    """Returns a test of the items of `attribute` for the filter of a value path, which is checked only once.

    Raises InvalidFilter naming the attribute that cannot be compared.
    """
    match term:
        case And():
            tests = [matcher(inner, attribute) for inner in term.terms]
            return lambda item: all(test(item) for test in tests)
        case Or():
            tests = [matcher(inner, attribute) for inner in term.terms]
            return lambda item: any(test(item) for test in tests)
        case Not():
            negated = matcher(term.term, attribute)
            return lambda item: not negated(item)
        case Compare():
            sub = sub_attribute(attribute, term.path)
            return partial(_compare, sub, bind(sub, term.op, term.value))
        case _:
            raise InvalidFilter("A value path cannot stand inside another one.")


def _compare(sub: Attribute, bound: Bound, item: Any) -> bool:
    """True when the item's value of `sub` passes the comparison; one of several values is enough."""
    value = item.get(sub.name) if isinstance(item, dict) else item
    present = value is not None and value != "" and value != []
    if bound.op == "pr":
        return present
    if bound.op == "absent":
        return not present
    if value is None:
        value = sub.assumed
    if value is None:
        return bound.op == "ne"
    return any(OPERATORS[bound.op](values.key(bound.attribute, one), bound.key) for one in values.items_of(value))


def required_values(term: Filter, attribute: Attribute) -> dict[str, Any] | None:
    """The sub-attributes with their values that an item needs to match a filter of `eq` joined by `and`.

    None for any other filter: it does not tell how to make an item. Raises InvalidValue for a value that can be
    compared and not stored, such as 4.5 in an integer.
    """
    if isinstance(term, And):
        merged: dict[str, Any] = {}
        for inner in term.terms:
            part = required_values(inner, attribute)
            if part is None:
                return None
            merged.update(part)
        return merged
    if isinstance(term, Compare) and term.op == "eq" and term.value not in (None, ""):
        sub = sub_attribute(attribute, term.path)
        bind(sub, "eq", term.value)
        return {sub.name: values.clean(sub, str(term.value) if isinstance(term.value, Bare) else term.value)}
    return None


def fixed_names(term: Filter, attribute: Attribute) -> frozenset[str]:
    """The sub-attributes whose value the filter of a value path fixes by `eq`, alone or joined by `and`."""
    if isinstance(term, And):
        return frozenset().union(*(fixed_names(inner, attribute) for inner in term.terms))
    if isinstance(term, Compare) and term.op == "eq" and term.value is not None:
        return frozenset({sub_attribute(attribute, term.path).name})
    return frozenset()
