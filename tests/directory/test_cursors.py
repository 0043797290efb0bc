"""Cursor pagination: the same order as by index, nobody lost or repeated while others come and go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import reference_filter
from people import BASE, ORIGIN, USER, People
from scimlite.admin import apps
from scimlite.apps.keyring import Keyring
from scimlite.db import Database
from scimlite.directory import cursors, read, search, write
from scimlite.directory.read import Resource, SearchRequest
from scimlite.errors import InvalidCount, InvalidCursor, InvalidPath
from scimlite.journal import Scope
from scimlite.scim import core
from scimlite.scim.filter_parser import parse_filter
from scimlite.scim.path import parse_attr_path
from scimlite.scim.schema import ResourceType

READINGS: list[dict[str, Any]] = [
    {},
    {"filter": "title pr"},
    {"filter": 'userName sw "a" or userName sw "l"'},
    {"by": "userName"},
    {"by": "userName", "descending": True},
    {"by": "title"},
    {"by": "title", "descending": True},
    {"by": "emails", "filter": "active eq true"},
    {"by": "active", "descending": True},
    {"by": "meta.lastModified", "descending": True},
    {"by": "id", "filter": "emails pr"},
    {"by": "meta.version"},
]


def reading_id(reading: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in reading.items()) or "everybody"


def walk(people: People, request: SearchRequest, types: list[Any]) -> tuple[list[list[Resource]], list[Any]]:
    """All pages from the first to the last, and the places that lead back from each."""
    pages, back, place = [], [], None
    while True:
        page = cursors.find(people.workspace, types, request, place)
        pages.append(page.resources)
        back.append(page.previous)
        if page.next is None:
            return pages, back
        place = page.next


def ids(pages: list[list[Resource]]) -> list[str]:
    return [resource.id for page in pages for resource in page]


@pytest.mark.parametrize("reading", READINGS, ids=reading_id)
@pytest.mark.parametrize("size", [1, 7, 46, 47, 1000])
def test_cursors_lead_through_the_same_order_as_indexes(people: People, reading: dict[str, Any], size: int) -> None:
    whole = [resource["id"] for resource in people.page("Users", **reading)[1]]
    request = people.request("Users", **reading, count=size)
    pages, back = walk(people, request, [USER])
    assert ids(pages) == whole
    assert {len(page) for page in pages[:-1]} <= {size}
    assert back[0] is None
    place = back[-1]
    for page in reversed(pages[:-1]):
        assert place is not None
        before = cursors.find(people.workspace, [USER], request, place)
        assert ids([before.resources]) == ids([page])
        assert before.next is not None
        place = before.previous
    assert place is None


def test_nobody_is_lost_or_repeated_while_others_come_and_go(database: Database) -> None:
    # Many of those who come go again soon, which a brake is there to hold.
    people = People.in_new_app(database, "comers-and-goers", **{"brake-users": "off", "brake-percent": "off"})
    stay = [people.add("Users", {"userName": f"stay{number:03}", "title": f"T{number % 7}"}) for number in range(120)]
    go = [people.add("Users", {"userName": f"go{number:03}", "title": f"T{number % 5}"}) for number in range(60)]
    for by in (None, "userName", "title"):
        request = people.request("Users", by=by, count=10)
        seen, place, turn = [], None, 0
        while True:
            page = cursors.find(people.workspace, [USER], request, place)
            seen += [resource.id for resource in page.resources]
            if go:
                write.delete(people.workspace, USER, go.pop(turn % len(go)))
            # Somebody new, at the front and at the end of every order; and whom the place itself names goes.
            people.add("Users", {"userName": f"a{by}{turn:03}", "title": "A"})
            go.append(people.add("Users", {"userName": f"z{by}{turn:03}"}))
            last = page.resources[-1].id
            if last in go:
                go.remove(last)
                write.delete(people.workspace, USER, last)
            if page.next is None or turn > 200:
                break
            place, turn = page.next, turn + 1
        assert len(seen) == len(set(seen))
        assert set(stay) <= set(seen)


def test_long_keys_that_begin_alike(database: Database) -> None:
    people = People.in_new_app(database, "long-keys")
    made = [
        people.add("Users", {"userName": f"u{number}", "title": "x" * 400 + str(number % 3)}) for number in range(9)
    ]
    for descending in (False, True):
        pages, _ = walk(people, people.request("Users", by="title", descending=descending, count=2), [USER])
        assert sorted(ids(pages)) == sorted(made)


def test_over_several_types(people: People) -> None:
    types = [USER, core.GROUP]
    for by in (None, "displayName", "userName"):
        sort = search.sort(parse_attr_path(by), types, descending=False) if by else None
        request = SearchRequest(search.bind_across(None, types), sort, 1, 5, BASE)
        pages, _ = walk(people, request, types)
        everybody = [each["id"] for endpoint in ("Users", "Groups") for each in people.everything(endpoint)]
        assert sorted(ids(pages)) == sorted(everybody)


def test_forward_to_where_nobody_is_any_more(database: Database) -> None:
    people = People.in_new_app(database, "forward")
    made = [people.add("Users", {"userName": f"u{number}"}) for number in range(4)]
    request = people.request("Users", count=2)
    first = cursors.find(people.workspace, [USER], request, None)
    for id in made[2:]:
        write.delete(people.workspace, USER, id)
    empty = cursors.find(people.workspace, [USER], request, first.next)
    assert (empty.total, empty.resources, empty.next, empty.previous) == (2, [], None, None)


def test_several_types_are_not_sorted_by_where_they_are() -> None:
    with pytest.raises(InvalidPath, match="sort by id"):
        search.sort(parse_attr_path("meta.location"), [USER, core.GROUP], descending=False)


def test_back_to_where_nobody_is_any_more(database: Database) -> None:
    people = People.in_new_app(database, "back")
    made = [people.add("Users", {"userName": f"u{number}"}) for number in range(6)]
    request = people.request("Users", count=2)
    _, back = walk(people, request, [USER])
    for id in made[:4]:
        write.delete(people.workspace, USER, id)
    page = cursors.find(people.workspace, [USER], request, back[-1])
    assert [resource.id for resource in page.resources] == made[4:]
    assert page.previous is None


KEYRING = Keyring(["a key for tests and never for a service"])


def test_a_cursor_belongs_to_its_query(people: People, database: Database) -> None:
    other = apps.create(Scope(database, ORIGIN), "Other app")
    asked = ("title pr", "userName", False)
    written = cursors.Cursors(KEYRING, people.app, [USER], asked)
    place = cursors.Place(17, "key", backwards=True)
    text = written.write(place, 10)
    assert text is not None
    assert written.read(text, None) == (place, 10)
    assert written.read(text, 10) == (place, 10)
    with pytest.raises(InvalidCount):
        written.read(text, 11)
    for foreign in (
        cursors.Cursors(KEYRING, other, [USER], asked),
        cursors.Cursors(KEYRING, people.app, [core.GROUP], asked),
        cursors.Cursors(KEYRING, people.app, [USER], ("title pr ", "userName", False)),
        cursors.Cursors(KEYRING, people.app, [USER], ("title pr", "id", False)),
        cursors.Cursors(KEYRING, people.app, [USER], ("title pr", "userName", True)),
        cursors.Cursors(Keyring(["another key for tests and never for it"]), people.app, [USER], asked),
    ):
        with pytest.raises(InvalidCursor):
            foreign.read(text, 10)
    for broken in ("x", text[:-1], text + "A", text[1:], "é", "." * 50):
        with pytest.raises(InvalidCursor):
            written.read(broken, None)


def test_a_page_of_everybody_is_read_from_its_place(people: People) -> None:
    """The last page costs what the first does: the index begins at the place."""
    request = people.request("Users", count=5)
    place = cursors.Place(1_000_000_000, None, backwards=False)
    statement = cursors._statement(people.db, [USER], request, place)
    binds = {"app": people.app.id, "type": "User", "row": place.row, "rank": None, "limit": 6}
    sql, params = people.db._bound(statement, binds)
    if people.db.kind == "sqlite":
        rows = people.db.peewee.execute_sql("EXPLAIN QUERY PLAN " + sql, params).fetchall()
        plan = " ".join(map(str, rows))
        assert "rowid>?" in plan or "id>?" in plan, plan
        assert "TEMP B-TREE" not in plan
    else:
        people.db.peewee.execute_sql("SET enable_seqscan = off")
        plan = " ".join(str(row) for row in people.db.peewee.execute_sql("EXPLAIN " + sql, params).fetchall())
        people.db.peewee.execute_sql("RESET enable_seqscan")
        assert "Index" in plan
        assert "Sort" not in plan


# --- the root -----------------------------------------------------------------------------------------------------

ROOT = [
    None,
    'displayName co "a"',
    "userName pr",
    "not (userName pr)",
    'userName ne "boss"',
    'meta.resourceType eq "Group"',
    'meta.resourceType eq "User" and title pr',
    "members pr",
    "not (members pr) and not (title pr)",
    'emails[type eq "work"] or members pr',
    "title eq null",
    "title ne null",
    'externalId pr or displayName sw "s"',
    "active eq true",
    "not (active eq true)",
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department ne "x"',
]


def of_any_type() -> ResourceType:
    """A type with the attributes of all: for the reference, what a type lacks is just absent."""
    attributes = {each.key: each for each in (*core.GROUP_SCHEMA.attributes, *USER.schema.attributes)}
    return replace(USER, schema=replace(USER.schema, attributes=tuple(attributes.values())))


@pytest.mark.parametrize("text", ROOT)
def test_the_root_finds_what_the_reference_finds(people: People, text: str | None) -> None:
    types = [USER, core.GROUP]
    term = parse_filter(text, USER.urns | core.GROUP.urns) if text is not None else None
    request = SearchRequest(search.bind_across(term, types), None, 1, 1000, BASE)
    page = read.find(people.workspace, types, request)
    wanted = [
        resource["id"]
        for endpoint in ("Users", "Groups")
        for resource in people.everything(endpoint)
        if term is None or reference_filter.matches(term, resource, of_any_type())
    ]
    assert sorted(each.id for each in page.resources) == sorted(wanted)
    assert page.total == len(wanted)
    for start in (1, 3, len(wanted)):
        some = SearchRequest(request.filter, None, start, 2, BASE)
        found = read.find(people.workspace, types, some)
        assert [each.id for each in found.resources] == [each.id for each in page.resources][start - 1 : start + 1]


def test_the_root_has_one_order_for_all_types(people: People) -> None:
    types = [USER, core.GROUP]
    sort = search.sort(parse_attr_path("displayName"), types, descending=False)
    page = read.find(
        people.workspace,
        types,
        SearchRequest(search.bind_across(None, types), sort, 1, 1000, BASE),
    )
    kinds = [each.type for each in page.resources]
    assert kinds != sorted(kinds)
    assert kinds != sorted(kinds, reverse=True)
