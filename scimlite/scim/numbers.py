"""Numbers: read from texts as JSON writes them, and written as keys that sort like the numbers."""

from __future__ import annotations

import math
import re
import struct
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


def nearest_float(value: float | Decimal) -> float:
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


def decimal_key(value: float | Decimal) -> str:
    """A number as text that sorts like it: the IEEE bits, flipped so that negative numbers come first."""
    (bits,) = struct.unpack(">q", struct.pack(">d", float(value) + 0.0))
    return f"{(bits ^ 0x7FFFFFFFFFFFFFFF if bits < 0 else bits) + 2**63:020d}"
