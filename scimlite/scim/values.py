"""Single values of attributes: checked as a client sent them, and turned into the sortable keys of comparisons."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from ..errors import InvalidSyntax, InvalidValue
from . import leniency, numbers, quirks, written
from .attribute import Attribute
from .leniency import Leniency
from .names import fold
from .path import quote

Json = Any

#: xsd:dateTime as RFC 7643 section 2.3.5 asks for it: date and time, zone optional (UTC then).
_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):([0-5]\d))?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: How many names that were left out the journal lists, and characters of each.
_MOST_IGNORED = 20
_LONGEST_IGNORED = 200


def microseconds(text: str) -> int | None:
    """A dateTime in microseconds since 1970 UTC; None for any other text."""
    match = _DATE_TIME.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, sign, off_h, off_m = match.groups()
    try:
        zone = UTC
        if sign:
            offset = timedelta(hours=int(off_h), minutes=int(off_m))
            zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), 0, zone)
        return (moment - _EPOCH) // _MICROSECOND + int((fraction or "0")[:6].ljust(6, "0"))
    except (ValueError, OverflowError):
        return None


def key(attribute: Attribute, value: Json) -> str:
    """The sortable text for a stored or compared value; equal values have equal keys.

    Strings are folded unless caseExact; numbers and times have a fixed width and sort like the value.
    """
    convert = _KEYS.get(attribute.type)
    if convert is not None:
        return convert(value)
    if attribute.case_exact:
        return str(value)
    # What `fold` does with such a text; a call for each value would cost as much again.
    return value.lower() if value.isascii() else fold(value)


def _boolean_key(value: bool) -> str:
    return "true" if value else "false"


def _date_time_key(value: str) -> str:
    return numbers.integer_key(microseconds(value) or 0)


#: The functions that make keys of values other than text, by type.
_KEYS: dict[str, Callable[[Json], str]] = {
    "boolean": _boolean_key,
    "integer": numbers.integer_key,
    "decimal": numbers.decimal_key,
    "dateTime": _date_time_key,
}


def clean(attribute: Attribute, value: Json, ignored: list[str] | None = None) -> Json:
    """A checked value: canonical names, without readOnly, unknown and empty parts; None when all are left out.

    An empty text is no value, whatever the type. `value` is the whole value of the attribute (a list for a multi-valued
    one). Unknown sub-attributes are listed in `ignored`. Raises InvalidValue naming the attribute when the type is
    wrong.
    """
    if type(value) is str and attribute.plain_text:
        return value if value or attribute.apart else None
    if attribute.multi_valued:
        return clean_items(attribute, items_of(value), ignored) or None
    return clean_item(attribute, quirks.unwrap_single(value), ignored)


def clean_items(attribute: Attribute, items: Iterable[Json], ignored: list[str] | None = None) -> list[Json]:
    """Like `clean` for items of a multi-valued attribute, without those that are no values."""
    cleaned = []
    for item in items:
        value = clean_item(attribute, item, ignored)
        if value is not None and not blanked(attribute, item, value):
            cleaned.append(value)
    return cleaned


def blanked(attribute: Attribute, before: Json, after: Json) -> bool:
    """True for an item of which only a description is left: its values were blank, or were taken away."""
    if not attribute.complex or not after.keys() <= attribute.labels or not isinstance(before, dict):
        return False
    return not {name.lower() for name in before} <= {name.lower() for name in attribute.labels}


def items_of(value: Json) -> list[Json]:
    """The value of a multi-valued attribute as a list: null is an empty list, a single value a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def unknown_subs(attribute: Attribute, value: Json) -> Iterator[str]:
    """The paths of names in a value, or in the values of a list, that are not among the sub-attributes."""
    if attribute.complex:
        known = attribute.subs.keys()
        for item in items_of(value):
            if isinstance(item, dict) and not item.keys() <= known:
                for name in item:
                    if name.lower() not in known:
                        yield f"{attribute.path}.{name}"


def clean_item(attribute: Attribute, value: Json, ignored: list[str] | None = None) -> Json:
    """Like `clean` for one item of a multi-valued attribute, or the value of a single-valued one."""
    # A blank password is no way to remove one: it is too short.
    if value is None or (value == "" and not attribute.apart):
        return None
    if attribute.complex:
        return _clean_complex(attribute, value, ignored)
    if type(value) is dict:
        value = quirks.wrapped_value(attribute, value)
        if value is None or value == "":
            return None
    return _CHECKS[attribute.type](attribute, value)


def note(ignored: list[str], name: str) -> None:
    """List a name that was left out, once; the list and its names stay short, whatever a client sends."""
    shown = name if len(name) <= _LONGEST_IGNORED else f"{name[:_LONGEST_IGNORED]}…"
    if len(ignored) < _MOST_IGNORED and shown not in ignored:
        ignored.append(shown)


def unique_names(value: dict[str, Json], where: str) -> Iterable[tuple[str, Json]]:
    """The items of an object; InvalidSyntax for names that differ only in case: it is unknown which value was meant."""
    if len({name.lower() for name in value}) < len(value):
        raise InvalidSyntax(f"{where} names {quote(_last_twin(value))} twice.")
    return value.items()


def _last_twin(value: dict[str, Json]) -> str:
    """The last name that another one equals without case."""
    counts = Counter(name.lower() for name in value)
    return next(name for name in reversed(value) if counts[name.lower()] > 1)


def is_husk(attribute: Attribute, item: Json) -> bool:
    """True for an item without a value: nothing is left of it, or only what describes a `value`.

    An address may have a type only: ssosync creates users with such a one (awslabs/ssosync internal/aws/users.go).
    """
    return item is None or (attribute.value_sub is not None and item.keys() <= attribute.labels)


def one_primary(attribute: Attribute, items: list[Json], newest: int | None = None) -> list[Json]:
    """The items with at most one primary (RFC 7643 section 2.4): the item at index `newest`, else the last one.

    An item without a value takes the mark from no other one: it goes, unless a later edit gives it a value.
    """
    if "primary" not in attribute.subs:
        return items
    marked = [i for i, item in enumerate(items) if item.get("primary") is True and not is_husk(attribute, item)]
    if len(marked) < 2:
        return items
    keep = newest if newest in marked else marked[-1]
    return [
        {**item, "primary": False} if item.get("primary") is True and index != keep else item
        for index, item in enumerate(items)
    ]


def _clean_complex(attribute: Attribute, value: Json, ignored: list[str] | None) -> Json:
    """An object as it is stored; None when all its sub-attributes are left out."""
    if isinstance(value, dict):
        value = quirks.legacy_manager(attribute, quirks.display_name(attribute, value))
    else:
        value = quirks.bare_value(attribute, value)
    if not isinstance(value, dict):
        raise InvalidValue(f"{attribute.path} takes an object, not {_kind(value)}.")
    if quirks.blank_reference(attribute, value):
        return None
    cleaned: dict[str, Json] = {}
    # Names that are keys already cannot differ in case alone; that saves 0.3 us of 2 for a member of a group.
    spelled = value.keys() <= attribute.subs.keys()
    for name, inner in value.items() if spelled else unique_names(value, attribute.path):
        sub = attribute.subs.get(name.lower())
        if sub is None:
            if ignored is not None and inner is not None:
                note(ignored, f"{attribute.path}.{name}")
                leniency.note(Leniency.UNKNOWN_ATTRIBUTE)
        elif not sub.read_only:
            item = clean(sub, inner)
            if item is not None:
                cleaned[sub.name] = item
    return cleaned or None


def _kind(value: Json) -> str:
    """The type of a value, as errors name it."""
    names = {
        bool: "a boolean",
        str: "a string",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
        type(None): "null",
    }
    # A caller without HTTP may give what JSON does not have, such as bytes.
    return names.get(type(value), f"a {type(value).__name__}")


def _check_string(attribute: Attribute, value: Json) -> Json:
    return _check_text(attribute, quirks.number_as_text(value))


def _check_text(attribute: Attribute, value: Json) -> Json:
    if not isinstance(value, str):
        raise InvalidValue(f"{attribute.path} takes a string, not {_kind(value)}.")
    if not attribute.takes(value):
        raise InvalidValue(f"{attribute.path}: {quote(value)} does not match {attribute.pattern}")
    return value


def _check_boolean(attribute: Attribute, value: Json) -> Json:
    value = quirks.string_boolean(value)
    if not isinstance(value, bool):
        raise InvalidValue(f"{attribute.path} takes true or false, not {_kind(value)}.")
    return value


def _check_integer(attribute: Attribute, value: Json) -> Json:
    number = _written_number(value)
    whole = None if number is None else numbers.integer(number)
    if whole is None:
        raise InvalidValue(f"{attribute.path} takes an integer of at most 64 bits.")
    return whole


def _check_decimal(attribute: Attribute, value: Json) -> Json:
    number = _written_number(value)
    if number is None and not isinstance(value, float):
        raise InvalidValue(f"{attribute.path} takes a number, not {_kind(value)}.")
    kept = None if number is None else numbers.decimal(number)
    if kept is None:
        raise InvalidValue(
            f"{attribute.path} takes a number that 64 bits hold: an integer, or at most 17 digits and an exponent."
        )
    return kept


def _written_number(value: Json) -> int | Decimal | None:
    """A number as it is written in the body: a parser makes 0.0 of 1e-400, and an even number of 9007199254740993.0."""
    number = numbers.number(written.text(value)) if isinstance(value, float) else quirks.text_number(value)
    return number if isinstance(number, int | Decimal) and not isinstance(number, bool) else None


def _check_date_time(attribute: Attribute, value: Json) -> Json:
    if not isinstance(value, str) or microseconds(value) is None:
        raise InvalidValue(f"{attribute.path} takes a time such as 2026-01-31T08:00:00Z.")
    return value


def _check_binary(attribute: Attribute, value: Json) -> Json:
    if isinstance(value, str):
        text = "".join(value.split())
        try:
            base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidValue(f"{attribute.path} takes base64.") from None
        return value
    raise InvalidValue(f"{attribute.path} takes base64 in a string, not {_kind(value)}.")


_CHECKS: dict[str, Callable[[Attribute, Json], Json]] = {
    "string": _check_string,
    "reference": _check_text,
    "boolean": _check_boolean,
    "integer": _check_integer,
    "decimal": _check_decimal,
    "dateTime": _check_date_time,
    "binary": _check_binary,
}
