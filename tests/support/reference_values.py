"""The part of the reference model that checks single values, straight from RFC 7643 section 2."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from scimlite.scim.attribute import Attribute
from scimlite.scim.filter import And, Compare, Filter, Not, Or

Json = Any
Document = dict[str, Json]


class RefusedError(Exception):
    """A step is refused; the argument is the scimType."""


def assign(holder: Document, sub: Attribute, value: Json) -> None:
    """Set a sub-attribute; null removes it (RFC 7643 section 2.5)."""
    if value is None:
        holder.pop(sub.name, None)
    else:
        holder[sub.name] = value


def sub_attribute(attribute: Attribute, name: str) -> Attribute | None:
    """The sub-attribute of this name; names are compared without case."""
    return next((sub for sub in attribute.sub_attributes if sub.name.lower() == name.lower()), None)


def listed(value: Json) -> list[Json]:
    """A value as a list: null is an empty list, a single value a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def blank(value: Json) -> bool:
    """True for no value: null, and an empty text of whatever type."""
    return value is None or value == ""


def unwrapped(value: Json) -> Json:
    """A single value without the array of one that some clients put around it."""
    if isinstance(value, list) and len(value) < 2:
        return value[0] if value else None
    return value


def whole_value(sub: Attribute, value: Json) -> Json:
    """The whole value of a simple attribute; None when it has none."""
    if sub.multi_valued:
        return [simple_value(sub, item) for item in listed(value) if not blank(item)] or None
    value = unwrapped(value)
    return None if blank(value) else simple_value(sub, value)


def complex_value(attribute: Attribute, value: Json) -> Document:
    """A complex value; a string or a number stands for its `value`."""
    if (
        isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and sub_attribute(attribute, "value") is not None
    ):
        return {"value": value}
    if not isinstance(value, dict):
        raise RefusedError("invalidValue")
    return value


def item_value(attribute: Attribute, value: Json) -> Json:
    """One value as it is stored: of a complex one the sub-attributes that clients can write, at least one.

    An object of nulls is empty.
    """
    if attribute.type != "complex":
        return simple_value(attribute, value)
    stored: Document = {}
    writable = False
    for name, inner in complex_value(attribute, value).items():
        sub = sub_attribute(attribute, name)
        if sub is not None and not sub.read_only:
            writable = True
            assign(stored, sub, whole_value(sub, inner))
    if not writable:
        raise RefusedError("invalidValue")
    return stored


def simple_value(attribute: Attribute, value: Json) -> Json:
    """A value of the right type; booleans and numbers may be strings, as Entra ID sends them.

    A number stands for its text, and in a list an object for its `value`.
    """
    if attribute.multi_valued and isinstance(value, dict) and [name.lower() for name in value] == ["value"]:
        value = next(iter(value.values()))
    if attribute.type == "string" and type(value) in (int, float):
        value = json.dumps(value)
    if attribute.type == "boolean" and isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower(), value)
    if attribute.type in ("integer", "decimal"):
        value = _number(attribute, value)
    checks: dict[str, Callable[[], bool]] = {
        "string": lambda: isinstance(value, str),
        "reference": lambda: isinstance(value, str),
        "boolean": lambda: isinstance(value, bool),
        "integer": lambda: type(value) is int and -(2**63) <= value < 2**63,
        "decimal": lambda: type(value) in (int, float) and abs(value) < 1e308,
        "dateTime": lambda: isinstance(value, str) and _is_time(value),
        "binary": lambda: isinstance(value, str) and _is_base64(value),
    }
    if not checks[attribute.type]():
        raise RefusedError("invalidValue")
    return value


def _number(attribute: Attribute, value: Json) -> Json:
    """A number in a string is the number; a whole number in an integer is one, however it is written."""
    exact = written_number(value) if isinstance(value, str) else None
    if attribute.type == "integer":
        number = value if exact is None else exact
        return int(number) if type(number) in (float, Decimal) and number % 1 == 0 else number
    if isinstance(exact, int) or exact is None:
        return value if exact is None else exact
    whole = 2**53 <= abs(exact) < 2**63 and exact % 1 == 0
    return int(exact) if whole else float(exact)


def written_number(text: str) -> int | Decimal | None:
    """The number that a text holds in the grammar of JSON; None for any other text."""
    try:
        found = json.loads(text, parse_float=Decimal)
    except ValueError:
        return None
    return found if type(found) in (int, Decimal) and text.isascii() and text == text.strip() else None


def _is_time(value: str) -> bool:
    try:
        return "t" in value.lower() and bool(datetime.fromisoformat(value.upper()))
    except ValueError:
        return False


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True


def check_filter(attribute: Attribute, term: Filter) -> None:
    """A value path selects values of a multi-valued attribute, by sub-attributes that it has."""
    if not attribute.multi_valued:
        raise RefusedError("invalidPath")
    match term:
        case And(terms) | Or(terms):
            for inner in terms:
                check_filter(attribute, inner)
        case Not(negated):
            check_filter(attribute, negated)
        case Compare(path):
            itself = attribute if path.name.lower() == "value" else None
            sub = sub_attribute(attribute, path.name) if attribute.type == "complex" else itself
            if sub is None or sub.returned == "never":
                raise RefusedError("invalidFilter")
