"""The filter language, row by row from cases/filters.json, and its properties over generated trees."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scimlite.errors import InvalidFilter
from scimlite.scim.filter import And, Bare, Compare, Filter, Not, Or, ValuePath, unparse
from scimlite.scim.filter_parser import parse_filter
from scimlite.scim.path import AttrPath, split_attr_path

CASES = json.loads(Path(__file__).with_name("cases").joinpath("filters.json").read_text("utf-8"))
GOOD = [pytest.param(case, id=case["name"]) for case in CASES if "ast" in case]
BAD = [pytest.param(case, id=case["name"]) for case in CASES if "error" in case]


def text_of(case: dict[str, Any]) -> str:
    """The filter of a row, which may be a list of pieces with how often each is repeated."""
    pieces = case["filter"]
    return pieces if isinstance(pieces, str) else "".join(piece * times for piece, times in pieces)


def tree(form: Any, urns: list[str]) -> Filter:
    """The tree of a row: `[path, operator, value]`, or an object named after the node."""
    match form:
        case [path, op, *value]:
            return Compare(attr_path(path, urns), op, *value)
        case {"and": terms}:
            return And(tuple(tree(term, urns) for term in terms))
        case {"or": terms}:
            return Or(tuple(tree(term, urns) for term in terms))
        case {"not": term}:
            return Not(tree(term, urns))
        case {"in": path, "has": term}:
            return ValuePath(attr_path(path, urns), tree(term, urns))
    raise AssertionError(form)


def attr_path(text: str, urns: list[str]) -> AttrPath:
    path = split_attr_path(text, urns)
    assert path is not None
    return path


@pytest.mark.parametrize("case", GOOD)
def test_reads(case: dict[str, Any]) -> None:
    urns = case.get("urns", [])
    assert parse_filter(text_of(case), urns) == tree(case["ast"], urns)


@pytest.mark.parametrize("case", GOOD)
def test_comes_back_from_its_canonical_text(case: dict[str, Any]) -> None:
    urns = case.get("urns", [])
    read = parse_filter(text_of(case), urns)
    assert parse_filter(unparse(read), urns) == read


@pytest.mark.parametrize("case", BAD)
def test_refuses(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidFilter) as refused:
        parse_filter(text_of(case), case.get("urns", []))
    assert case["error"] in refused.value.detail
    assert (refused.value.status, refused.value.scim_type) == (400, "invalidFilter")
    assert len(refused.value.detail) < 250
    refused.value.detail.encode()  # a lone surrogate would fail here, and in the response


@pytest.mark.parametrize("tighter", [{"max_length": 15}, {"max_terms": 1}, {"max_depth": 1}])
def test_limits_are_the_callers(tighter: dict[str, int]) -> None:
    limits = {"max_length": 16, "max_terms": 2, "max_depth": 2}
    parse_filter("((a pr) or b pr)", (), **limits)
    with pytest.raises(InvalidFilter):
        parse_filter("((a pr) or b pr)", (), **limits | tighter)


def test_depth_is_refused_before_python_runs_out_of_stack() -> None:
    with pytest.raises(InvalidFilter, match="more than 20 deep"):
        parse_filter("(" * 100_000, max_length=1_000_000)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ('  a   EQ "x"', 'a eq "x"'),
        ("a eq True", "a eq true"),
        ("a eq foo", 'a eq "foo"'),
        ('a eq "\\u00e9\\/\\n"', 'a eq "é/\\n"'),
        ("((a pr)) AND (b pr or c pr)", "a pr and (b pr or c pr)"),
        ("(a pr and b pr) or c pr", "a pr and b pr or c pr"),
        ("not(a pr or b pr)", "not (a pr or b pr)"),
        ('emails [ type eq "work" ] .value eq "x"', 'emails[type eq "work" and value eq "x"]'),
        ("a eq 1E2", "a eq 1E2"),
        ("a gt 1.50", "a gt 1.50"),
        ("a gt 007", 'a gt "007"'),
        ("a gt NaN", 'a gt "NaN"'),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert unparse(parse_filter(text)) == canonical


@pytest.mark.parametrize(
    ("value", "bare"),
    [('"x"', False), ("x", True), ('"5"', False), ("5", True), ("1.50", True), ("007", True), ("true", False)],
)
def test_a_value_tells_whether_it_had_quotation_marks(value: str, bare: bool) -> None:
    read = parse_filter(f"a ge {value}")
    assert isinstance(read, Compare)
    assert isinstance(read.value, Bare) is bare


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda name: name.lower() not in {"and", "or", "not"}
)
URNS = st.sampled_from(["urn:ietf:params:scim:schemas:core:2.0:User", "urn:x:1.0", "http://x.example/y"])
PATHS = st.builds(AttrPath, NAMES, st.none() | NAMES | st.just("$ref"), st.none() | URNS)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70).map(str).map(Bare)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr).map(Bare)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
OPERATORS = st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"])


def trees(leaves: st.SearchStrategy[Filter], max_leaves: int) -> st.SearchStrategy[Filter]:
    def grow(smaller: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        several = st.lists(smaller, min_size=2, max_size=4).map(tuple)
        return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, smaller)

    return st.recursive(leaves, grow, max_leaves=max_leaves)


def comparisons(paths: st.SearchStrategy[AttrPath]) -> st.SearchStrategy[Filter]:
    return st.builds(Compare, paths, OPERATORS, VALUES) | st.builds(Compare, paths, st.just("pr"))


VALUE_PATHS = st.builds(
    ValuePath,
    st.builds(AttrPath, NAMES, st.none(), st.none() | URNS),
    trees(comparisons(st.builds(AttrPath, NAMES | st.just("$ref"))), max_leaves=4),
)
FILTERS = trees(comparisons(PATHS) | VALUE_PATHS, max_leaves=8)


@given(FILTERS)
@settings(deadline=None)
def test_every_tree_comes_back_from_its_text(node: Filter) -> None:
    text = unparse(node)
    assert parse_filter(text, max_length=10**6, max_terms=10**4, max_depth=200) == node


MARKS = st.sampled_from("()[]\"'.:\\- \t\0\x1f\u00a0\ud800é")
WORDS = MARKS | st.sampled_from(["and", "or", "not", "eq", "ne", "pr", "a", "emails", ".value", '"x"', "1"])


@given(st.text() | st.text(string.printable) | st.lists(WORDS).map("".join) | st.lists(WORDS).map(" ".join))
@settings(deadline=None, max_examples=500)
@example('a eq "\\')
@example('a eq "\\\n"')
@example("a eq " + "9" * 5000)
def test_no_text_raises_anything_but_invalid_filter(text: str) -> None:
    try:
        read = parse_filter(text)
    except InvalidFilter as refused:
        refused.detail.encode()
    else:
        assert parse_filter(unparse(read)) == read
