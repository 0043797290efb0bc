"""Numbers: read from texts as JSON writes them, and written as keys that sort like the numbers."""

from __future__ import annotations

import math
import re
import struct
import sys
from decimal import Context, Decimal

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
#: Longer numbers are no identifiers or quantities, and Python's int() refuses texts of some thousand digits.
_MAX_LENGTH = 100
#: Exact for every text of that length; an exponent without end becomes an infinity or a zero instead of an error.
_EXACT = Context(prec=2 * _MAX_LENGTH, traps=[])
#: Integers have 64 bits.
_INTEGER_LIMIT = 2**63
#: Added to integer keys so that negative ones sort first as text; beyond any 64-bit integer.
_INTEGER_BIAS = 10**19
#: The integers that a document of JSON keeps to the last digit.
_EXACT_FROM, _EXACT_TO = -(2**63), 2**64
#: From here on each float is an integer, and not each integer a float.
_SPARSE = 2**53
#: Digits that name each float; a text with more names another number, unless it is the float to the last digit.
_FLOAT_DIGITS = 17
#: Keys that sort before and behind those of all 64-bit integers.
_BELOW_ALL, _ABOVE_ALL = "-", "9"


def is_number(text: str) -> bool:
    """True for a number in the grammar of JSON (RFC 8259 section 6)."""
    return _NUMBER.fullmatch(text) is not None


def number(text: str) -> int | Decimal | None:
    """The number that a text of at most 100 characters holds, exactly; None for any other text."""
    match = _NUMBER.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        return None
    fraction, exponent = match.groups()
    return _EXACT.create_decimal(text) if fraction or exponent else int(text)


def integer(value: int | Decimal) -> int | None:
    """The integer of at most 64 bits that a number equals; None when it equals none."""
    if not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        return None
    whole = int(value)
    return whole if whole == value else None


def decimal(value: int | Decimal) -> int | float | None:
    """The number as a document keeps it; None when neither an integer of 64 bits nor a float is that number."""
    if isinstance(value, int) and _EXACT_FROM <= value < _EXACT_TO:
        return value
    if _is_among_integers(value):
        whole = int(value)
        return whole if whole == value else None
    near = _nearest_float(value)
    # 0.0 is no other number than -0.0.
    return near + 0.0 if math.isfinite(near) and _names(value, near) else None


def _is_among_integers(value: float | Decimal) -> bool:
    """True where integers are kept to the last digit, and floats are further apart than those."""
    return (_SPARSE <= value < _EXACT_TO) or (_EXACT_FROM <= value <= -_SPARSE)


def _names(value: int | Decimal, near: float) -> bool:
    """True when a number is meant by the float nearest to it."""
    if Decimal(repr(near)) == value or near == value:
        return True
    digits = len(_EXACT.create_decimal(value).normalize(_EXACT).as_tuple().digits)
    return digits <= _FLOAT_DIGITS and abs(near) >= sys.float_info.min


def _nearest_float(value: int | Decimal) -> float:
    """The float that is nearest to a number; an infinity for one that is too large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def integer_key(value: int) -> str:
    """An integer of at most 64 bits as text of a fixed width."""
    return f"{value + _INTEGER_BIAS:020d}"


def key_among_integers(value: float | Decimal) -> str:
    """A key that sorts among the keys of integers as the number does; it equals one of them only for that integer."""
    if not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        return _BELOW_ALL if value < 0 else _ABOVE_ALL
    below = math.floor(value)
    return integer_key(below) if below == value else f"{integer_key(below)}.5"


def decimal_key(value: float) -> str:
    """An integer or a float as text that sorts like it: the greatest float that is not above it, and the rest."""
    if _is_among_integers(value):
        value = int(Decimal(repr(value)))
    below = float(value)
    if below == value:
        return _float_key(below)
    if below > value:
        below = math.nextafter(below, -math.inf)
    # An integer of 64 bits is less than 2048 above a float.
    return f"{_float_key(below)}.{int(value) - int(below):04d}"


def key_among_decimals(value: int | Decimal) -> str:
    """A key that sorts among the keys of decimals as the number does; it equals that of the number only.

    A float is the shortest number that names it, as answers show it: 0.1, not 0.1000000000000000055.
    """
    kept = decimal(value)
    if kept is not None:
        return decimal_key(kept)
    if _is_among_integers(value):
        key = decimal_key(math.floor(value))
        return f"{key}5" if "." in key else f"{key}.00005"
    below = _nearest_float(value) + 0.0
    shown = int(below) if _is_among_integers(below) else Decimal(repr(below))
    if shown > value:
        below = math.nextafter(below, -math.inf)
    return f"{_float_key(below)}.5"


def _float_key(value: float) -> str:
    """The IEEE bits of a float, flipped so that negative numbers come first."""
    (bits,) = struct.unpack(">q", struct.pack(">d", value + 0.0))
    return f"{(bits ^ 0x7FFFFFFFFFFFFFFF if bits < 0 else bits) + 2**63:020d}"
