"""Two apps with equal people: no question to one is answered with anybody of the other, and no row can point there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peewee
import pytest

from people import ORIGIN, USER, People, name_of
from random_searches import sort_paths
from scimlite.admin import apps
from scimlite.db import Database
from scimlite.db.tables import MemberRow, ResourceRow, ValueRow
from scimlite.directory import read, write
from scimlite.errors import InvalidValue, NotFound
from scimlite.journal import Scope
from scimlite.scim import messages

CASES = Path(__file__).with_name("search") / "cases"
DIRECTORY = json.loads((CASES / "people.json").read_text("utf-8"))
SEARCHES = [case for case in json.loads((CASES / "searches.json").read_text("utf-8")) if "found" in case]


@pytest.fixture(scope="module")
def ours(database: Database) -> People:
    """The app that asks."""
    people = People.in_new_app(database, "ours")
    people.load(DIRECTORY)
    return people


@pytest.fixture(scope="module")
def theirs(ours: People) -> People:
    """An app with the same people, made afterwards."""
    people = People.in_new_app(ours.db, "theirs")
    people.load(DIRECTORY)
    return people


def text_of(case: dict[str, Any], people: People) -> str:
    pieces = case["filter"]
    return people.text(pieces if isinstance(pieces, str) else "".join(piece * times for piece, times in pieces))


def ids_in(resources: list[dict[str, Any]]) -> set[str]:
    """The ids of resources and of everything that they link to."""
    links = [link for each in resources for link in (*each.get("members", ()), *each.get("groups", ()))]
    return {each["id"] for each in resources} | {link["value"] for link in links}


@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
def test_no_search_finds_anybody_of_another_app(ours: People, theirs: People, endpoint: str) -> None:
    for people in (ours, theirs):
        own = set(people.ids.values())
        for case in SEARCHES:
            if case["endpoint"] == endpoint and not case["name"].startswith("limits"):
                total, found = people.page(endpoint, text_of(case, people))
                assert [name_of(each) for each in found] == case["found"], case["name"]
                assert total == len(found), case["name"]
                assert ids_in(found) <= own, case["name"]


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
def test_no_sort_order_brings_in_another_app(ours: People, theirs: People, descending: bool) -> None:
    for people in (ours, theirs):
        own = {each["id"] for each in people.everything("Users")}
        for path in sort_paths(USER):
            total, found = people.page("Users", by=str(path), descending=descending)
            assert total == len(found) == len(own)
            assert {each["id"] for each in found} == own


FOREIGN = [
    ("Users", 'id eq "«boss.id»"'),
    ("Users", 'userName eq "boss" and id ne "x" and id eq "«boss.id»"'),
    ("Users", 'meta.location ew "«boss.id»"'),
    ("Users", 'manager eq "«boss.id»"'),
    ("Users", 'groups eq "«Admins.id»"'),
    ("Users", 'groups.value eq "«Top.id»"'),
    ("Users", 'groups.$ref co "«Admins.id»"'),
    ("Users", 'groups[value eq "«Everyone.id»" and display pr]'),
    ("Users", 'id eq "«boss.id»" or groups eq "«Admins.id»" or manager eq "«boss.id»"'),
    ("Groups", 'id eq "«Admins.id»"'),
    ("Groups", 'members eq "«boss.id»"'),
    ("Groups", 'members.value co "«boss.id»"'),
    ("Groups", 'members.$ref co "«boss.id»"'),
    ("Groups", 'members[value eq "«boss.id»" and type eq "User"]'),
    ("Groups", 'id eq "«Admins.id»" and members eq "«boss.id»"'),
    ("Groups", 'displayName eq "Admins" and members eq "«boss.id»"'),
]


@pytest.mark.parametrize(("endpoint", "text"), FOREIGN, ids=[text for _, text in FOREIGN])
def test_ids_of_another_app_are_nobody(ours: People, theirs: People, endpoint: str, text: str) -> None:
    assert theirs.names(endpoint, theirs.text(text))
    assert ours.page(endpoint, theirs.text(text)) == (0, [])


def test_an_empty_app_is_empty(ours: People, theirs: People) -> None:
    stranger = People.in_new_app(ours.db, "stranger")
    assert stranger.page("Users") == stranger.page("Groups") == (0, [])
    for text in ("userName pr", "not (title pr)", "groups pr", "not (groups pr)", 'active ne "false"', "schemas pr"):
        assert stranger.page("Users", text) == (0, [])
    for text in ("members pr", "not (members pr)", 'members.type eq "User"', 'members.display ne "x"'):
        assert stranger.page("Groups", text) == (0, [])


def test_a_resource_of_another_app_cannot_be_reached(ours: People, theirs: People) -> None:
    foreign = theirs.ids["boss"]
    body = {"userName": "taken over"}
    message = {"schemas": [messages.PATCH_URN], "Operations": [{"op": "add", "value": body}]}
    calls: list[Callable[[], Any]] = [
        lambda: read.get(ours.workspace, USER, foreign),
        lambda: write.replace(ours.workspace, USER, foreign, body),
        lambda: write.patch(ours.workspace, USER, foreign, message),
        lambda: write.delete(ours.workspace, USER, foreign),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert read.get(theirs.workspace, USER, foreign).version == 1


def test_a_user_of_another_app_is_no_member(ours: People, theirs: People) -> None:
    group = ours.resource_type("Groups")
    body = {"displayName": "Mixed", "members": [{"value": theirs.ids["alice"]}, {"value": ours.ids["alice"]}]}
    made = write.create(ours.workspace, group, body).resource
    linked = read.get(ours.workspace, group, made.id).links or []
    assert [link.id for link in linked] == [ours.ids["alice"]]
    assert "Mixed" not in theirs.names("Users", f'groups.display eq "Mixed" or groups eq "{made.id}"')
    write.delete(ours.workspace, group, made.id)


def test_a_user_of_another_app_is_refused_where_unknown_members_are(ours: People, theirs: People) -> None:
    strict = People.in_new_app(ours.db, "strict", unknown_members="refuse")
    group = strict.resource_type("Groups")
    body = {"displayName": "Mixed", "members": [{"value": theirs.ids["alice"]}]}
    with pytest.raises(InvalidValue) as refusal:
        write.create(strict.workspace, group, body)
    assert theirs.ids["alice"] in str(refusal.value.detail)
    assert strict.page("Groups") == (0, [])


def test_names_are_unique_in_an_app_only(ours: People, theirs: People) -> None:
    assert ours.names("Users", 'userName eq "boss"') == theirs.names("Users", 'userName eq "boss"') == ["boss"]


# --- what the database itself refuses -----------------------------------------------------------------------------


def row_of(people: People, name: str) -> int:
    return int(people.db.scalar(ResourceRow.select(ResourceRow.id).where(ResourceRow.uuid == people.ids[name])))


def value_row(app: int, resource: int) -> dict[str, Any]:
    where = {"app_id": app, "type": "User", "resource_id": resource, "path": "nickName", "item": 7, "nth": 0}
    return {**where, "key": "x", "unique_key": None}


def refused(people: People, query: Any) -> None:
    with pytest.raises(peewee.IntegrityError):
        people.db.transact(lambda: people.db.execute(query))


def test_a_value_cannot_belong_to_a_resource_of_another_app(ours: People, theirs: People) -> None:
    refused(ours, ValueRow.insert(value_row(ours.app.id, row_of(theirs, "bare"))))
    refused(ours, ValueRow.insert(value_row(theirs.app.id, row_of(ours, "bare"))))
    refused(ours, ValueRow.insert(value_row(ours.app.id, 10**12)))
    moved = ValueRow.update(app_id=theirs.app.id).where(ValueRow.resource_id == row_of(ours, "bare"))
    refused(ours, moved)


def test_a_member_row_cannot_lead_into_another_app(ours: People, theirs: People) -> None:
    our_group, our_user = row_of(ours, "Nobody"), row_of(ours, "bare")
    their_group, their_user = row_of(theirs, "Nobody"), row_of(theirs, "bare")
    for app in (ours.app.id, theirs.app.id):
        for group, member in ((our_group, their_user), (their_group, our_user)):
            refused(ours, MemberRow.insert(app_id=app, group_id=group, member_id=member))
    refused(ours, MemberRow.insert(app_id=theirs.app.id, group_id=our_group, member_id=our_user))
    refused(ours, MemberRow.insert(app_id=ours.app.id, group_id=our_group, member_id=10**12))
    everyone = row_of(ours, "Everyone")
    refused(ours, MemberRow.update(member_id=their_user).where(MemberRow.group_id == everyone))


def test_a_resource_cannot_move_to_another_app_with_what_it_holds(ours: People, theirs: People) -> None:
    moved = ResourceRow.update(app_id=theirs.app.id, uuid="another").where(ResourceRow.id == row_of(ours, "bare"))
    refused(ours, moved)


def test_a_resource_cannot_go_while_rows_point_at_it(ours: People, theirs: People) -> None:
    refused(ours, ResourceRow.delete().where(ResourceRow.id == row_of(ours, "bare")))


def test_deleting_an_app_leaves_the_others(ours: People, theirs: People) -> None:
    doomed = People.in_new_app(ours.db, "doomed")
    doomed.load(DIRECTORY)
    before = [people.everything(endpoint) for people in (ours, theirs) for endpoint in ("Users", "Groups")]
    apps.delete(Scope(ours.db, ORIGIN), "doomed")
    assert doomed.page("Users") == (0, [])
    assert before == [people.everything(endpoint) for people in (ours, theirs) for endpoint in ("Users", "Groups")]
