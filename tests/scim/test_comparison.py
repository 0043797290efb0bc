"""Comparisons with typed attributes, and items of a value path that satisfy a filter or say how to make one."""

from __future__ import annotations

import math
import operator
from fractions import Fraction
from typing import Any

import pytest

from scimlite.errors import InvalidFilter, InvalidValue
from scimlite.scim import comparison, values
from scimlite.scim.attribute import Attribute
from scimlite.scim.comparison import Bound, bind, matches, required_values
from scimlite.scim.core import USER
from scimlite.scim.filter import Bare, Filter, ValuePath
from scimlite.scim.filter_parser import parse_value_path
from scimlite.scim.path import AttrPath
from scimlite.scim.schema import ResourceType

EMAILS = USER.core["emails"]
ITEM = {"value": "Ada@Example.com", "type": "work", "primary": True, "display": ""}


def term(text: str) -> Filter:
    return parse_value_path(f"emails[{text}]")[1]


@pytest.mark.parametrize(
    "text",
    [
        'type eq "WORK"',
        'value co "EXAMPLE"',
        'value sw "ada@"',
        'value ew ".COM"',
        'value gt "a"',
        'value le "ada@example.com"',
        "type pr",
        "primary eq true",
        'primary eq "True"',
        "primary ne false",
        "display eq null",
        'display eq ""',
        'type ne ""',
        'primary ne ""',
        "type ne null",
        'type ne "home"',
        'type eq "home" or primary eq true',
        'type eq "work" and value co "@"',
        'not (type eq "home")',
    ],
)
def test_matches(text: str) -> None:
    assert matches(term(text), EMAILS, ITEM)
    assert not matches(term(f"not ({text})"), EMAILS, ITEM)


@pytest.mark.parametrize(
    "text",
    [
        'type eq "home"',
        "display pr",
        "type eq null",
        'value gt "b"',
        "primary eq false",
        'type eq "work" and primary eq false',
        'type eq "home" or display pr',
    ],
)
def test_does_not_match(text: str) -> None:
    assert not matches(term(text), EMAILS, ITEM)
    assert matches(term(f"not ({text})"), EMAILS, ITEM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type eq "x"', False),
        ('type ne "x"', True),
        ('type co ""', False),
        ("type pr", False),
        ("type eq null", True),
        ("type ne null", False),
        ('not (type eq "x")', True),
    ],
)
def test_what_is_absent_is_only_unequal(text: str, expected: bool) -> None:
    assert matches(term(text), EMAILS, {"value": "x"}) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("primary eq false", True),
        ("primary ne true", True),
        ('primary eq "False"', True),
        ("primary eq true", False),
        ("primary ne false", False),
        ("not (primary eq false)", False),
        ("primary pr", False),
        ("primary eq null", True),
        ("primary ne null", False),
    ],
)
def test_an_absent_primary_is_false(text: str, expected: bool) -> None:
    assert matches(term(text), EMAILS, {"value": "x"}) is expected


def test_only_the_boolean_primary_of_an_attribute_with_several_values_is_assumed() -> None:
    primary, text = Attribute("primary", "boolean"), Attribute("primary")
    for holder, value in (
        (Attribute("it", "complex", (primary,), multi_valued=True), False),
        (Attribute("it", "complex", (primary,)), None),
        (Attribute("it", "complex", (text,), multi_valued=True), None),
    ):
        assert holder.placed("it").subs["primary"].assumed is value


def test_several_values_in_one_sub_attribute(device: ResourceType) -> None:
    owner = device.core["owner"]
    item = {"value": "7", "phones": ["1", "2"]}
    assert matches(term('phones eq "2"'), owner, item)
    assert matches(term('phones ne "2"'), owner, item)
    assert not matches(term('phones eq "3"'), owner, item)


def test_plain_values_are_their_own_value(device: ResourceType) -> None:
    assert matches(term('value sw "A"'), device.core["tags"], "abc")
    assert matches(term("value gt 2"), device.core["counts"], 10)
    with pytest.raises(InvalidFilter, match="tags has no sub-attribute 'type'"):
        matches(term('type eq "a"'), device.core["tags"], "abc")


OPERATORS = {
    "string": "eq ne co sw ew gt ge lt le",
    "reference": "eq ne co sw ew gt ge lt le",
    "boolean": "eq ne",
    "binary": "eq ne",
    "integer": "eq ne gt ge lt le",
    "decimal": "eq ne gt ge lt le",
    "dateTime": "eq ne gt ge lt le",
}
LITERALS: dict[str, list[Any]] = {
    "string": ["x", " ", Bare("x"), Bare("1.50")],
    "reference": ["x", Bare("5")],
    "boolean": [True, "False"],
    "binary": ["AQ", Bare("AQ")],
    "integer": [Bare("5"), "5", "-5", Bare("4.5"), "5.0", Bare("1e2"), Bare("9" * 25), Bare("1e999")],
    "decimal": [Bare("5"), "5", Bare("1.5"), "-1.5", Bare("1e999")],
    "dateTime": ["2011-05-13T04:42:34Z", "2011-05-13T06:42:34+02:00", Bare("2011-05-13T04:42:34Z")],
}
FOREIGN: dict[str, list[Any]] = {
    "string": [True],
    "reference": [False],
    "boolean": ["x", Bare("1"), Bare("yes")],
    "binary": [True],
    "integer": ["x", " 5", "5 ", "05", "+5", "5.", "0x10", "１２", "1_000", "NaN", Bare("Infinity"), True, "9" * 101],
    "decimal": ["x", "1,5", ".5", "NaN", "-Infinity", True],
    "dateTime": ["yesterday", Bare("5"), "2011-05-13", True],
}


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize("op", ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"])
def test_operators_of_each_type(kind: str, op: str) -> None:
    attribute = Attribute("it", kind, path="it")
    for literal in LITERALS[kind]:
        if op in OPERATORS[kind].split():
            assert bind(attribute, op, literal).op == op
        else:
            with pytest.raises(InvalidFilter, match=f"it is of type {kind}: it cannot be compared with {op}"):
                bind(attribute, op, literal)
    for literal in FOREIGN[kind]:
        with pytest.raises(InvalidFilter, match=f"it is of type {kind}"):
            bind(attribute, op, literal)


@pytest.mark.parametrize("kind", OPERATORS)
def test_null_and_presence_go_with_each_type(kind: str) -> None:
    attribute = Attribute("it", kind, path="it")
    assert bind(attribute, "pr", None) == Bound(attribute, "pr")
    assert bind(attribute, "eq", None) == Bound(attribute, "absent")
    assert bind(attribute, "ne", None) == Bound(attribute, "pr")
    with pytest.raises(InvalidFilter, match="it gt null cannot be compared"):
        bind(attribute, "gt", None)


def test_a_complex_attribute_stands_for_its_value() -> None:
    bound = bind(EMAILS, "eq", "Ada@Example.com")
    assert (bound.attribute.path, bound.key) == ("emails.value", "ada@example.com")
    assert bind(USER.extensions[0].by_key["manager"], "eq", "M7").key == "M7"
    assert bind(EMAILS, "pr", None).attribute is EMAILS
    with pytest.raises(InvalidFilter, match="name has no value of its own to compare: name a sub-attribute"):
        bind(USER.core["name"], "eq", "x")


@pytest.mark.parametrize("op", ["eq", "pr", "ne", "co"])
def test_what_is_never_returned_cannot_be_guessed_by_filters(op: str, device: ResourceType) -> None:
    for attribute in (USER.core["password"], device.core["secret"], device.core["owner"].subs["code"]):
        with pytest.raises(InvalidFilter, match="cannot be filtered by"):
            bind(attribute, op, None if op == "pr" else "x")


def test_long_values_are_cut_in_the_error() -> None:
    with pytest.raises(InvalidFilter) as refused:
        bind(Attribute("it", "integer", path="it"), "eq", "x" * 5000)
    assert len(refused.value.detail) < 150


def test_sub_attribute() -> None:
    assert comparison.sub_attribute(EMAILS, AttrPath("VALUE")) is EMAILS.subs["value"]
    for path in (AttrPath("foo"), AttrPath("value", "x"), AttrPath("value", urn="urn:x:y")):
        with pytest.raises(InvalidFilter, match="emails has no sub-attribute"):
            comparison.sub_attribute(EMAILS, path)


def test_value_paths_do_not_nest() -> None:
    with pytest.raises(InvalidFilter, match="cannot stand inside another"):
        matches(ValuePath(AttrPath("emails"), term("type pr")), EMAILS, ITEM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type eq "work"', {"type": "work"}),
        ('TYPE eq "work" and primary eq "True"', {"type": "work", "primary": True}),
        ("primary eq false", {"primary": False}),
        ('type eq "a" and (value eq "b" and display eq "c")', {"type": "a", "value": "b", "display": "c"}),
        ("type eq work and value eq 007", {"type": "work", "value": "007"}),
        ('type eq "a" or type eq "b"', None),
        ('not (type eq "a")', None),
        ('type ne "a"', None),
        ("type pr", None),
        ("type eq null", None),
        ('type eq "a" and value sw "b"', None),
    ],
)
def test_what_a_filter_asks_an_item_to_hold(text: str, expected: dict[str, Any] | None) -> None:
    assert required_values(term(text), EMAILS) == expected


def test_operators_compare_keys_like_values() -> None:
    number = Attribute("it", "decimal", path="it")
    for op, holds in {"gt": False, "ge": False, "lt": True, "le": True, "eq": False, "ne": True}.items():
        assert comparison.OPERATORS[op](values.key(number, -2), bind(number, op, "-1.5").key) is holds


NUMBERS = ["-1e999", "-1e30", "-9223372036854775809", "-2", "-1.5", "-1", "-0.5", "0", "1e-999", "0.5", "1", "1.50"]
NUMBERS += ["2", "9007199254740993", "9223372036854775807", "9223372036854775807.5", "9" * 25, "1e30", "1E999"]


@pytest.mark.parametrize("kind", ["integer", "decimal"])
@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_compared_as_numbers(kind: str, text: str) -> None:
    attribute = Attribute("it", kind, path="it")
    large = [-(2**63), -(2**53) - 1, -(2**53), 2**53, 2**53 + 1, 2**63 - 1]
    stored = [*large, *([-2, -1, 0, 1, 2] if kind == "integer" else [-1e308, -1.5, 0.0, 0.5, 1.5, 1e308])]
    want = Fraction(text) if abs(float(text)) < math.inf else float(text)
    for op, compared in PYTHON.items():
        for literal in (text, Bare(text)):
            key = bind(attribute, op, literal).key
            found = [number for number in stored if comparison.OPERATORS[op](values.key(attribute, number), key)]
            assert found == [number for number in stored if compared(number, want)], op


PYTHON = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def test_an_item_is_not_made_from_a_number_that_cannot_be_stored() -> None:
    holder = Attribute("it", "complex", (Attribute("level", "integer"),), multi_valued=True).placed("it")
    assert required_values(term('level eq "3"'), holder) == {"level": 3}
    assert required_values(term("level eq 5.0"), holder) == {"level": 5}
    with pytest.raises(InvalidValue, match=r"it\.level takes an integer"):
        required_values(term("level eq 4.5"), holder)
