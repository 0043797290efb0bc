"""Single values: keys that sort and compare like their values, and refused values."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimlite.errors import InvalidSyntax, InvalidValue
from scimlite.scim import messages, numbers, values
from scimlite.scim.attribute import Attribute
from scimlite.scim.core import USER

TEXT = Attribute("text", path="text")
EXACT = Attribute("text", case_exact=True, path="text")
BOOLEAN = Attribute("flag", "boolean", path="flag")
INTEGER = Attribute("whole", "integer", path="whole")
DECIMAL = Attribute("number", "decimal", path="number")
TIME = Attribute("time", "dateTime", path="time")
BINARY = Attribute("bytes", "binary", case_exact=True, path="bytes")


# -- text --------------------------------------------------------------------------------------------------


def test_exact_text_is_its_own_key() -> None:
    assert values.key(EXACT, "Zoe\u0308 ß") == "Zoe\u0308 ß"
    assert values.key(TEXT, "Zoe\u0308 ẞ") == "zo\u00eb ß"


# -- numbers -----------------------------------------------------------------------------------------------


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_integer_keys_sort_like_integers(one: int, other: int) -> None:
    assert (values.key(INTEGER, one) < values.key(INTEGER, other)) == (one < other)
    assert len(values.key(INTEGER, one)) == 20


#: What a decimal may be: floats, and integers to the last digit.
DECIMALS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1)


@given(DECIMALS, DECIMALS)
def test_decimal_keys_sort_like_numbers(one: float, other: float) -> None:
    first, second = Decimal(repr(one)), Decimal(repr(other))
    assert (values.key(DECIMAL, one) < values.key(DECIMAL, other)) == (first < second)
    assert (values.key(DECIMAL, one) == values.key(DECIMAL, other)) == (first == second)


@given(st.decimals(allow_nan=False, allow_infinity=False), DECIMALS)
def test_a_number_sorts_among_decimals_as_numbers_do(number: Decimal, stored: float) -> None:
    """A float is the number that is written for it, and each number of 17 digits names a float."""
    shown = Decimal(repr(stored))
    key = numbers.key_among_decimals(number)
    if numbers.decimal(number) is None:
        assert key != values.key(DECIMAL, stored)
        assert (key < values.key(DECIMAL, stored)) == (number < shown)
    else:
        assert key == values.key(DECIMAL, numbers.decimal(number))


def test_decimal_keys_of_what_is_equal() -> None:
    assert values.key(DECIMAL, -0.0) == values.key(DECIMAL, 0) == values.key(DECIMAL, 0.0)
    assert values.key(DECIMAL, 1) == values.key(DECIMAL, 1.0)
    positive = [5e-324, 0.1, 1, 1.5, 2**53, 2**53 + 1, 2**63 + 1, 2**64 - 1, 1.7e308]
    ordered = [-1.7e308, -(2**63) + 1, -(2**53) - 1, -(2**53), -1.5, -1, -5e-324, 0, *positive]
    assert sorted(ordered, key=lambda number: values.key(DECIMAL, number)) == ordered


@pytest.mark.parametrize(
    "value", [True, "x", " ", [1, 2], {}, 1.5, "1.5", 2**63, -(2**63) - 1, -float(2**63), 10**400, math.nan]
)
def test_no_integer(value: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^whole takes an integer"):
        values.clean(INTEGER, value)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("5.0", 5),
        ("-0.0", 0),
        ("0e9", 0),
        ("1e2", 100),
        ("9007199254740993.0", 9007199254740993),
        ("9223372036854775807.0", 2**63 - 1),
        ("-9223372036854775808.0", -(2**63)),
        ("1e-400", None),
        ("4.0000000000000000001", None),
        ("0.99999999999999999999", None),
        ("9223372036854775807.5", None),
        ("-9223372036854775809", None),
        ("1.0e400", None),
        (f"1.{'0' * 100}", None),
    ],
)
def test_an_integer_is_what_is_written(text: str, whole: int | None) -> None:
    """A number with a point or an exponent is read from its text: a parser rounds it."""
    for written in (text, f'"{text}"'):
        try:
            sent = messages.load_json(f"[{written}]".encode())[0]
        except InvalidSyntax:
            assert whole is None
            continue
        if whole is None:
            with pytest.raises(InvalidValue, match=r"^whole takes an integer"):
                values.clean(INTEGER, sent)
        else:
            assert repr(values.clean(INTEGER, sent)) == str(whole)


@pytest.mark.parametrize("text", ["0.5", "7", "18446744073709551615", "18446744073709551616", "-1e40", "1e300"])
def test_a_decimal_as_text_is_what_it_is_as_a_number(text: str) -> None:
    sent = messages.load_json(f'[{text}, "{text}"]'.encode())
    number, as_text = (values.clean(DECIMAL, one) for one in sent)
    assert number == as_text
    assert type(number) is type(as_text)


def test_a_decimal_has_one_zero() -> None:
    for value in (-0.0, 0.0, "-0.0", "-0e5"):
        assert repr(values.clean(DECIMAL, value)) == "0.0"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("9007199254740993", 9007199254740993),
        ("9007199254740993.0", 9007199254740993),
        ("-9.007199254740993e15", -9007199254740993),
        ("18446744073709551615.0", 2**64 - 1),
        ("0.10000000000000001", 0.1),
        ("0.5000000000000000000000000", 0.5),
        ("1e22", 1e22),
        ("5e-324", 5e-324),
        ("9007199254740993.5", None),
        ("0.1000000000000000000001", None),
        ("18446744073709551617", None),
        ("1e-400", None),
        ("9" * 40, None),
        (f"0.{'1' * 200}", None),
    ],
)
def test_a_decimal_is_kept_as_it_is_written_or_refused(text: str, kept: float | None) -> None:
    for sent in messages.load_json(f'[{text}, "{text}"]'.encode()):
        if kept is None:
            with pytest.raises(InvalidValue, match=r"^number takes a number"):
                values.clean(DECIMAL, sent)
        else:
            assert repr(values.clean(DECIMAL, sent)) == repr(kept)


@pytest.mark.parametrize("value", [False, "1,5", {}, math.nan, math.inf, "1e999", -math.inf, 10**400, [1, 2]])
def test_no_decimal(value: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^number takes a"):
        values.clean(DECIMAL, value)


# -- times -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T18:30:00-05:30", 0),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1969-12-31T23:59:59.9Z", -100_000),
        ("2011-05-13T04:42:34Z", 1_305_261_754_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("0001-01-01T00:00:00+14:00", -62_135_646_800_000_000 - 400_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
        ("9999-12-31T23:59:59-14:00", 253_402_351_199_000_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
    ],
)
def test_times(text: str, expected: int) -> None:
    assert values.microseconds(text) == expected
    assert values.clean(TIME, text) == text


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "now",
        "2026-01-31",
        "2026-01-31 08:00:00",
        "2026-01-31T08:00",
        "2026-01-31T08:00:00.",
        "2026-01-31T08:00:00+01",
        "2026-01-31T08:00:00+01:60",
        "2026-01-31T08:00:00+24:00",
        "2026-01-31T08:00:00 Z",
        "2026-01-31T08:00:00Z\n",
        "2026-01-31T24:00:01Z",
        "2026-01-31T08:60:00Z",
        "2026-01-31T08:00:61Z",
        "2026-02-30T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "٢٠٢٦-01-31T08:00:00Z",
    ],
)
def test_no_times(text: str) -> None:
    assert values.microseconds(text) is None
    with pytest.raises(InvalidValue, match=r"^time takes a time such as"):
        values.clean(TIME, text)


ZONES = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-14 * 60, 14 * 60))
TIMES = st.datetimes(timezones=ZONES)


@given(TIMES, TIMES)
def test_time_keys_sort_like_times(one: datetime, other: datetime) -> None:
    keys = [values.key(TIME, moment.isoformat()) for moment in (one, other)]
    assert (keys[0] < keys[1]) == (one < other)
    assert {len(key) for key in keys} == {20}
    since = one - datetime(1970, 1, 1, tzinfo=UTC)
    assert values.microseconds(one.isoformat()) == since // timedelta(microseconds=1)


# -- the rest ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["AQID", "AQ==", "AQ", "A-_9", "A+/9", "AQ ID\n"])
def test_base64_comes_back_as_it_was_sent(value: str) -> None:
    assert values.clean(BINARY, value) == value


@pytest.mark.parametrize("value", ["A", "=", "AQ=I", "é", "A*ID", 5, {}, ["AQ", "AQ"]])
def test_no_base64(value: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^bytes takes base64"):
        values.clean(BINARY, value)


def test_boolean_keys() -> None:
    assert [values.key(BOOLEAN, value) for value in (True, False)] == ["true", "false"]


def test_objects_cannot_name_a_thing_twice() -> None:
    assert dict(values.unique_names({"a": 1, "B": 2}, "It")) == {"a": 1, "B": 2}
    with pytest.raises(InvalidSyntax, match="It names “A” twice"):
        values.unique_names({"a": 1, "A": 2}, "It")


def test_one_primary() -> None:
    emails = USER.core["emails"]
    items = [{"value": "a", "primary": True}, {"value": "b", "primary": True}, {"value": "c"}]
    assert [item.get("primary") for item in values.one_primary(emails, items)] == [False, True, None]
    assert [item.get("primary") for item in values.one_primary(emails, items, 0)] == [True, False, None]
    assert [item.get("primary") for item in values.one_primary(emails, items, 2)] == [False, True, None]
    assert items[0]["primary"] is True
    assert values.one_primary(Attribute("tags", multi_valued=True), ["a", "b"]) == ["a", "b"]


def test_the_error_names_the_attribute_by_its_path() -> None:
    manager = USER.extensions[0].by_key["manager"]
    with pytest.raises(InvalidValue, match=r"^urn:.*:User:manager\.value takes a string, not a boolean\.$"):
        values.clean(manager, {"value": True})
