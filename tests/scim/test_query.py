"""Queries: the parameters of a GET, and SearchRequest messages."""

from __future__ import annotations

import urllib.parse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimlite.errors import BadRequest, InvalidFilter, InvalidSyntax, InvalidValue
from scimlite.scim.query import Query, load_query, load_search


def query(text: str) -> Query:
    return load_query(urllib.parse.quote(text, safe="=&", errors="surrogatepass"))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", Query()),
        ("filter=&startIndex=&count=&attributes=&sortBy=", Query()),
        ("filter=a pr", Query(filter="a pr")),
        ("startIndex=1&count=100", Query(start_index=1, count=100)),
        ("startindex=0&COUNT=0", Query(start_index=1, count=0)),
        ("startIndex=-5&count=-5", Query(start_index=1, count=0)),
        ("startIndex= 7&count=+3", Query(start_index=7, count=3)),
        ("count=007", Query(count=7)),
        ("startIndex=99999999999999999999&count=" + "9" * 5000, Query(start_index=2**63 - 1, count=2**63 - 1)),
        ("count=-" + "9" * 5000, Query(count=0)),
        ("attributes=userName, name.givenName ,,emails", Query(attributes=("userName", "name.givenName", "emails"))),
        ("excludedAttributes=members", Query(excluded=("members",))),
        ("sortBy=userName", Query(sort_by="userName")),
        ("sortBy=userName&sortOrder=Descending", Query(sort_by="userName", descending=True)),
        ("sortorder=ascending", Query()),
        ("aadOptscim062020=&unknown=1&unknown=2", Query()),
        ("filter=&filter=a pr", Query(filter="a pr")),
        ("cursor=", Query(cursor="")),
        ("Cursor=abc&count=5", Query(cursor="abc", count=5)),
    ],
)
def test_query(text: str, read: Query) -> None:
    assert query(text) == read


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("count=ten", "count is a whole number, not “ten”"),
        ("count=1.5", "count is a whole number"),
        ("count=1e3", "count is a whole number"),
        ("count=-", "count is a whole number"),
        ("count=-+5", "count is a whole number"),
        ("count=--5", "count is a whole number"),
        ("count=0x10", "count is a whole number"),
        ("count=1_000", "count is a whole number"),
        ("count=١٢", "count is a whole number"),
        ("count= ", "count is a whole number"),
        ("count=" + "x" * 5000, "count is a whole number"),
        ("startIndex=first", "startIndex is a whole number, not “first”"),
        ("sortOrder=up", "sortOrder is ascending or descending"),
        ("filter=a\0b", "NUL"),
        ("attributes=a\0", "NUL"),
        ("cursor=&startIndex=1", "cursor and startIndex cannot be used together"),
    ],
)
def test_no_query(text: str, detail: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        query(text)
    assert detail in refused.value.detail
    assert len(refused.value.detail) < 120


@pytest.mark.parametrize(
    "name", ["filter", "sortBy", "sortOrder", "startIndex", "count", "attributes", "excludedAttributes"]
)
def test_a_parameter_twice(name: str) -> None:
    error = InvalidFilter if name == "filter" else InvalidValue
    with pytest.raises(error, match=f"The parameter {name} is given twice"):
        query(f"{name}=1&{name.upper()}=1")


NOT_TEXT = [
    "%FF",
    "%C3",
    "%C3%28",
    "%C0%AF",
    "%E0%80%AF",
    "%ED%A0%80",
    "%F5%80%80%80",
    "%80",
    "%zz",
    "%",
    "%4g",
    "\xff",
]


@pytest.mark.parametrize("raw", NOT_TEXT)
@pytest.mark.parametrize("name", ["filter", "FILTER", "sortBy", "count", "attributes", "cursor", "unknown"])
def test_a_parameter_that_is_no_text(name: str, raw: str) -> None:
    error = InvalidFilter if name.lower() == "filter" else InvalidValue
    for value in (raw, f"a{raw}", f"{raw}b", f"%C3%A9{raw}+x"):
        with pytest.raises(error, match=r"parameter \S+ is malformed"):
            load_query(f"count=1&{name}={value}&startIndex=1" if name != "count" else f"count={value}")


@pytest.mark.parametrize("raw", NOT_TEXT)
def test_a_name_that_is_no_text(raw: str) -> None:
    with pytest.raises(InvalidValue, match="name of a parameter"):
        load_query(f"{raw}=1")


def test_escapes_are_read() -> None:
    read = load_query("%66ilter=userName%20eq+%22%C3%A9%F0%9F%98%80%25zz%2B%22&count=%31&x=100%25")
    assert read == Query(filter='userName eq "é😀%zz+"', count=1)
    assert load_query('filter=title eq "\xc3\xa9"').filter == 'title eq "é"'


def test_commas_in_a_value_path_separate_nothing() -> None:
    text = 'emails[type eq "a,]\\",b"].value, userName,name[x eq 1 or y eq ","]'
    read = ('emails[type eq "a,]\\",b"].value', "userName", 'name[x eq 1 or y eq ","]')
    assert query(f"attributes={text}").attributes == read


@given(st.lists(st.tuples(st.sampled_from(["count", "startIndex", "sortOrder", "filter"]) | st.text(), st.text())))
def test_any_parameters_are_read_or_refused(parameters: list[tuple[str, str]]) -> None:
    try:
        read = load_query(urllib.parse.urlencode(parameters))
    except BadRequest as refused:
        refused.detail.encode()
    else:
        assert read.start_index >= 1
        assert read.count is None or read.count >= 0


def test_a_search_request_is_a_query() -> None:
    assert load_search({}) == Query()
    body = {"FILTER": "a pr", "sortBy": "title", "sortOrder": "Descending", "startIndex": 0, "count": -1, "other": 1}
    body |= {"attributes": ["userName"], "excludedAttributes": ["title"]}
    assert load_search(body) == Query("a pr", "title", True, 1, 0, ("userName",), ("title",))
    assert load_search(dict.fromkeys(body)) == Query()
    assert load_search({"cursor": "", "count": 5}) == Query(cursor="", count=5)


@pytest.mark.parametrize(
    ("body", "error", "detail"),
    [
        ([], InvalidSyntax, "The SearchRequest message is a JSON object"),
        ({"startIndex": "1"}, InvalidSyntax, "startIndex: "),
        ({"count": 1.5}, InvalidSyntax, "count: "),
        ({"attributes": "userName"}, InvalidSyntax, "attributes: "),
        ({"attributes": ["a", 5]}, InvalidSyntax, "attributes[1]: "),
        ({"filter": 5}, InvalidSyntax, "filter: "),
        ({"excludedAttributes": [], "EXCLUDEDATTRIBUTES": []}, InvalidSyntax, "excludedAttributes: this member occurs"),
        ({"sortOrder": "up"}, InvalidValue, "sortOrder is ascending or descending"),
        ({"cursor": "x", "startIndex": 2}, InvalidValue, "cursor and startIndex cannot be used together"),
    ],
)
def test_no_search_request(body: Any, error: type[BadRequest], detail: str) -> None:
    with pytest.raises(error) as refused:
        load_search(body)
    assert detail in refused.value.detail
