"""Pages and sort orders: exact totals, no resource twice or never, the same from both ends and on both databases."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

import reference_filter
from people import USER, People, name_of, names_of
from random_searches import sort_paths
from scimlite.db import Database
from scimlite.directory import search
from scimlite.errors import InvalidPath
from scimlite.scim import core
from scimlite.scim.path import AttrPath, parse_attr_path

#: Filters and sort orders whose pages are read: none, narrow and wide ones, some of each direction.
READINGS: list[dict[str, Any]] = [
    {},
    {"filter": "title pr"},
    {"filter": 'userName sw "a" or userName sw "l"'},
    {"filter": "not (emails pr)"},
    {"filter": 'meta.lastModified ge "2000-01-01T00:00:00Z"'},
    {"by": "userName"},
    {"by": "userName", "descending": True},
    {"by": "title"},
    {"by": "title", "descending": True},
    {"by": "emails", "filter": "active eq true"},
    {"by": "active"},
    {"by": "active", "descending": True},
    {"by": "meta.lastModified", "descending": True},
    {"by": "id", "filter": "emails pr"},
]


def reading_id(reading: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in reading.items()) or "everybody"


@pytest.mark.parametrize("reading", READINGS, ids=reading_id)
@pytest.mark.parametrize("size", [1, 3, 7, 47, 48, 49, 1000])
def test_pages_put_together_are_the_whole(people: People, reading: dict[str, Any], size: int) -> None:
    whole = people.names("Users", **reading)
    read: list[str] = []
    while True:
        total, page = people.page("Users", **reading, start=len(read) + 1, count=size)
        assert total == len(whole)
        assert len(page) <= size
        if not page:
            break
        read += names_of(page)
    assert read == whole


@pytest.mark.parametrize("reading", READINGS, ids=reading_id)
def test_any_page_is_a_part_of_the_whole(people: People, reading: dict[str, Any]) -> None:
    """Pages before and behind the middle are read from different ends."""
    whole = people.names("Users", **reading)
    for start in range(1, len(whole) + 3):
        assert people.names("Users", **reading, start=start, count=4) == whole[start - 1 : start + 3]


@pytest.mark.parametrize(
    ("start", "count", "first", "size"),
    [
        (1, 0, None, 0),
        (5, 0, None, 0),
        (1, 1, 0, 1),
        (0, 2, 0, 2),
        (-5, 2, 0, 2),
        (48, 1, 47, 1),
        (48, 10, 47, 1),
        (49, 10, None, 0),
        (50, 1, None, 0),
        (1, 48, 0, 48),
        (1, 49, 0, 48),
        (10**9, 10, None, 0),
        (2**63, 10, None, 0),
        (10**30, 10, None, 0),
        (1, 2**31, 0, 48),
        (40, 2**62, 39, 9),
    ],
)
def test_edges(people: People, start: int, count: int, first: int | None, size: int) -> None:
    everybody = people.names("Users")
    total, page = people.page("Users", start=start, count=count)
    assert (total, len(page)) == (len(everybody), size) == (48, size)
    if first is not None:
        assert name_of(page[0]) == everybody[first]


def test_nothing_found_is_an_empty_page(people: People) -> None:
    for start, count in ((1, 10), (1, 0), (2, 10)):
        assert people.page("Users", 'userName eq "nobody"', start=start, count=count) == (0, [])


def test_the_order_without_sort_is_that_of_creation(people: People) -> None:
    assert people.names("Users")[:4] == ["boss", "alice", "Bob.Builder@Example.com", "carol"]
    assert people.names("Groups")[:3] == ["Everyone", "Admins", "Nobody"]


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("path", sort_paths(USER), ids=str)
def test_every_attribute_sorts_as_the_reference_sorts(people: People, path: AttrPath, descending: bool) -> None:
    everybody = people.everything("Users")
    expected = names_of(reference_filter.in_order(everybody, path, USER, descending=descending))
    assert people.names("Users", by=str(path), descending=descending) == expected


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("path", ["displayName", "externalId", "id", "meta.created", "meta.location"])
def test_groups_sort_as_the_reference_sorts(people: People, path: str, descending: bool) -> None:
    expected = reference_filter.in_order(
        people.everything("Groups"), parse_attr_path(path), core.GROUP, descending=descending
    )
    assert people.names("Groups", by=path, descending=descending) == names_of(expected)


def test_who_has_no_value_comes_last_ascending_and_first_descending(people: People) -> None:
    ascending = people.names("Users", by="title")
    descending = people.names("Users", by="title", descending=True)
    without = people.names("Users", 'title eq ""')
    assert ascending[-len(without) :] == descending[: len(without)] == without
    assert ascending[:2] == ["boss", "alice"]
    assert {"empties", "half-empty"} <= {*without}


def test_strings_sort_without_case_and_equal_ones_by_creation(people: People) -> None:
    several = 'title eq "engineer" or title eq "many" or title eq "null"'
    engineers = ["alice", "Bob.Builder@Example.com"]
    assert people.names("Users", several, by="title") == [*engineers, "many", "no-types", "numbers", "words"]
    backwards = people.names("Users", several, by="title", descending=True)
    assert backwards == ["numbers", "words", "many", "no-types", *engineers]


def test_exact_strings_sort_with_case(people: People) -> None:
    some = 'externalId eq "EXT-1" or externalId eq "ext-1" or externalId eq "Ext-1"'
    assert people.names("Users", some, by="externalId") == ["boss", "Bob.Builder@Example.com", "alice"]


def test_the_primary_value_counts_or_else_the_first(people: People) -> None:
    # alice@example.com is her primary one, alice@home.example.org stands first; carol@example.com is no primary.
    some = 'userName eq "alice" or userName eq "carol" or userName eq "Bob.Builder@Example.com" or userName eq "many"'
    in_order = ["alice", "Bob.Builder@Example.com", "carol", "many"]
    assert people.names("Users", some, by="emails") == in_order
    assert people.names("Users", some, by="emails.value") == in_order
    # other (many's primary), work (alice's primary), home (Bob's first); carol's has no type.
    by_type = ["Bob.Builder@Example.com", "many", "alice", "carol"]
    assert people.names("Users", some, by="emails.type") == by_type


def test_numbers_and_times_sort_as_such(people: People) -> None:
    levels = ["negatives", "Bob.Builder@Example.com", "carol", "alice", "boss", "numbers"]
    assert people.names("Users", "level pr", by="level") == levels
    assert people.names("Users", "score pr", by="score", descending=True)[0] == "numbers"
    hired = ["boss", "alice", "Bob.Builder@Example.com", "carol"]
    assert people.names("Users", "hired pr", by="hired") == hired


def test_sorting_with_a_filter_is_the_filter_of_the_sorted(people: People) -> None:
    in_order = people.names("Users", by="displayName")
    found = people.names("Users", "emails pr")
    assert people.names("Users", "emails pr", by="displayName") == [name for name in in_order if name in found]


@pytest.mark.parametrize(
    "path",
    ["groups", "groups.display", "schemas", "password", "name", "addresses", "meta", "shoeSize", "emails.colour"],
)
def test_what_cannot_be_sorted_by_is_refused(people: People, path: str) -> None:
    with pytest.raises(InvalidPath) as refusal:
        search.sort(parse_attr_path(path), [USER], descending=False)
    assert path in str(refusal.value.detail)


@pytest.mark.parametrize("path", ["members", "members.value", "userName"])
def test_what_groups_cannot_be_sorted_by_is_refused(people: People, path: str) -> None:
    with pytest.raises(InvalidPath):
        people.names("Groups", by=path)


def test_codes_of_equal_rank_never_change_places(people: People) -> None:
    """Nobody has a nickName of more than one kind here: all pages of equal keys keep the order of creation."""
    pages = [people.names("Users", by="active", start=start, count=5) for start in range(1, 48, 5)]
    read = [name for page in pages for name in page]
    assert sorted(read) == sorted(people.names("Users"))
    inactive = ["Bob.Builder@Example.com", "carol"]
    assert read[:2] == inactive


def test_deletes_between_pages(database: Database) -> None:
    """Somebody who leaves while another reads moves the rest up by one; nobody is read twice."""
    people = People.in_new_app(database, "leaving")
    for number in range(10):
        people.add("Users", {"userName": f"user{number}"})
    total, page = people.page("Users", start=1, count=3)
    assert (total, names_of(page)) == (10, ["user0", "user1", "user2"])
    people.delete("Users", "user1")
    total, page = people.page("Users", start=4, count=3)
    assert (total, names_of(page)) == (9, ["user4", "user5", "user6"])
    people.delete("Users", "user9")
    total, page = people.page("Users", start=7, count=3)
    assert (total, names_of(page)) == (8, ["user7", "user8"])
    people.add("Users", {"userName": "user1"})
    assert people.names("Users")[-1] == "user1"
    assert people.page("Users", count=0)[0] == 9


def test_times_are_those_of_changes(database: Database) -> None:
    people = People.in_new_app(database, "changing")
    for name in ("first", "second", "third"):
        people.add("Users", {"userName": name})
    people.put("Users", "first", {"userName": "first", "title": "changed"})
    assert people.names("Users", by="meta.lastModified") == ["second", "third", "first"]
    assert people.names("Users", by="meta.created", descending=True) == ["third", "second", "first"]
    times = [each["meta"]["lastModified"] for each in people.everything("Users")]
    assert len(set(times)) == 3
    assert all(one < other for one, other in pairwise(sorted(times)))
