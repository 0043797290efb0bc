"""What a filter's comparison means for a typed attribute, and whether one item in memory satisfies a filter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import InvalidFilter
from . import quirks, values
from .filter import And, Compare, Filter, Not, Or, Scalar, ValuePath
from .path import AttrPath, quote
from .schema import Attribute

_TEXT_TYPES = ("string", "reference")
_SUBSTRING = ("co", "sw", "ew")
_ORDER = ("gt", "ge", "lt", "le")


@dataclass(frozen=True, slots=True)
class Bound:
    """A comparison checked against the schema: the simple attribute, the operator, and the literal's key.

    `op` is one of the grammar's, or `absent` for `eq null`; `key` is empty for `pr` and `absent`.
    """

    attribute: Attribute
    op: str
    key: str = ""


def bind(attribute: Attribute, op: str, value: Scalar) -> Bound:
    """Check that `attribute op value` can be compared (RFC 7644 table 3) and key the value.

    A complex attribute stands for its `value` sub-attribute. Raises InvalidFilter naming the attribute.
    """
    if attribute.returned == "never":
        raise InvalidFilter(f"{attribute.path} cannot be filtered by.")
    if op == "pr":
        return Bound(attribute, "pr")
    if value is None:
        if op not in ("eq", "ne"):
            raise InvalidFilter(f"{attribute.path} {op} null cannot be compared.")
        return Bound(attribute, "absent" if op == "eq" else "pr")
    if attribute.complex:
        if attribute.value_sub is None:
            raise InvalidFilter(f"{attribute.path} has no value of its own to compare: name a sub-attribute.")
        return bind(attribute.value_sub, op, value)
    return Bound(attribute, op, _literal(attribute, op, value))


def _literal(attribute: Attribute, op: str, value: Scalar) -> str:
    """The key of the literal; InvalidFilter when type and operator do not go together."""
    kind = attribute.type
    operators: tuple[str, ...]
    if kind == "boolean":
        value = quirks.string_boolean(value)
        fits, operators = isinstance(value, bool), ("eq", "ne")
    elif kind == "binary":
        fits, operators = isinstance(value, str), ("eq", "ne")
    elif kind in _TEXT_TYPES:
        fits, operators = isinstance(value, str), ("eq", "ne", *_SUBSTRING, *_ORDER)
    elif kind == "dateTime":
        fits = isinstance(value, str) and values.microseconds(value) is not None
        operators = ("eq", "ne", *_ORDER)
    else:
        whole = isinstance(value, int) and abs(value) < 2**63
        fits = not isinstance(value, bool) and (whole or (kind == "decimal" and isinstance(value, float)))
        operators = ("eq", "ne", *_ORDER)
    if op not in operators:
        raise InvalidFilter(f"{attribute.path} is of type {kind}: it cannot be compared with {op}.")
    if not fits:
        raise InvalidFilter(f"{attribute.path} is of type {kind}: it cannot be compared with {quote(str(value))}.")
    return values.key(attribute, value)


def sub_attribute(attribute: Attribute, path: AttrPath) -> Attribute:
    """The attribute that a name inside a value path means; InvalidFilter when there is none."""
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
    """Whether one item of `attribute` satisfies the filter of a value path (PATCH works on one locked document)."""
    return matcher(term, attribute)(item)


def matcher(term: Filter, attribute: Attribute) -> Callable[[Any], bool]:
    """What says whether an item of `attribute` satisfies the filter of a value path; checked once, used often.

    Raises InvalidFilter naming the attribute when something in it cannot be compared.
    """
    match term:
        case And():
            every = [matcher(each, attribute) for each in term.terms]
            return lambda item: all(each(item) for each in every)
        case Or():
            some = [matcher(each, attribute) for each in term.terms]
            return lambda item: any(each(item) for each in some)
        case Not():
            inner = matcher(term.term, attribute)
            return lambda item: not inner(item)
        case Compare():
            sub = sub_attribute(attribute, term.path)
            return partial(_compare, sub, bind(sub, term.op, term.value))
        case ValuePath():
            raise InvalidFilter("A value path cannot stand inside another one.")


def _compare(sub: Attribute, bound: Bound, item: Any) -> bool:
    given = item.get(sub.name) if isinstance(item, dict) else item
    present = given is not None and given != "" and given != []
    if bound.op == "pr":
        return present
    if bound.op == "absent":
        return not present
    if given is None:
        return bound.op == "ne"
    each = given if isinstance(given, list) else [given]
    return any(OPERATORS[bound.op](values.key(bound.attribute, one), bound.key) for one in each)


def required_values(term: Filter, attribute: Attribute) -> dict[str, Scalar] | None:
    """What an item must hold to satisfy the filter: sub-attribute name to value.

    None unless the filter is a conjunction of `eq`, the only kind that says how to make an item.
    """
    if isinstance(term, And):
        merged: dict[str, Scalar] = {}
        for each in term.terms:
            part = required_values(each, attribute)
            if part is None:
                return None
            merged.update(part)
        return merged
    if isinstance(term, Compare) and term.op == "eq" and term.value is not None:
        sub = sub_attribute(attribute, term.path)
        bind(sub, "eq", term.value)
        return {sub.name: quirks.string_boolean(term.value) if sub.type == "boolean" else term.value}
    return None
