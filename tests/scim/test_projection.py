"""The attributes in an answer, row by row from cases/projections.json, and by what `returned` says."""

from __future__ import annotations

import copy
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scimlite.errors import InvalidPath, InvalidValue
from scimlite.scim import intake
from scimlite.scim.core import ENTERPRISE_URN, GROUP, USER, USER_URN
from scimlite.scim.patch import Operation, plan
from scimlite.scim.projection import Projection, of_document, of_edits, parse
from scimlite.scim.query import load_query
from scimlite.scim.schema import ResourceType

CASES = json.loads(Path(__file__).with_name("cases").joinpath("projections.json").read_text("utf-8"))

LEASE_URN = "urn:example:schemas:extension:2.0:Lease"

ADA = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "1",
    "externalId": "x1",
    "userName": "ada",
    "name": {"givenName": "Ada", "familyName": "King"},
    "emails": [{"value": "ada@example.com", "type": "work"}, {"value": "ada@home.example"}],
    ENTERPRISE_URN: {"department": "Analysis", "manager": {"value": "7"}},
    "meta": {"location": "https://example.com/Users/1", "version": 'W/"1"'},
}

LAPTOP = {
    "schemas": ["urn:example:schemas:2.0:Device"],
    "id": "2",
    "name": "Laptop",
    "secret": "s",
    "remark": "r",
    "tags": ["a"],
    "owner": {"value": "7", "code": "c", "label": "l", "hint": "h", "room": "1"},
    "parts": [{"value": "ram", "model": "m", "code": "c"}, {"code": "c"}],
}


def asked(resource_type: ResourceType, attributes: str = "", excluded: str = "") -> Projection:
    query = load_query(urllib.parse.urlencode({"attributes": attributes, "excludedAttributes": excluded}))
    return parse(resource_type, query.attributes, query.excluded)


def paths(resource: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The paths of all values, with E for the enterprise extension."""
    for name, value in resource.items():
        path = prefix + ("E" if name == ENTERPRISE_URN else name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from paths(item, f"{path}.")
            else:
                yield path


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_keeps(case: dict[str, Any]) -> None:
    before = copy.deepcopy(ADA)
    projection = asked(USER, case.get("attributes", ""), case.get("excluded", ""))
    shown = projection.apply(ADA)
    assert set(paths(shown)) == set(case["keeps"])
    assert before == ADA
    if projection.plain:
        assert shown == ADA


@pytest.mark.parametrize(
    ("attributes", "excluded", "expected"),
    [
        ("", "", {"name", "tags", "owner.value", "owner.label", "owner.room", "parts.value", "parts.model"}),
        ("remark", "", {"remark"}),
        ("secret,remark", "", {"remark"}),
        ("owner", "", {"owner.value", "owner.label", "owner.room"}),
        ("owner.room", "", {"owner.label", "owner.room"}),
        ("owner.hint", "", {"owner.label", "owner.hint"}),
        ("owner,owner.hint", "", {"owner.value", "owner.label", "owner.room", "owner.hint"}),
        ("owner.code,parts.code", "", {"owner.label"}),
        ("parts", "", {"parts.value", "parts.model"}),
        ("tags", "", {"tags"}),
        ("", "owner.label,owner.value,parts", {"name", "tags", "owner.label", "owner.room"}),
        ("", "remark,owner,parts.value", {"name", "tags", "parts.model"}),
    ],
)
def test_returned(attributes: str, excluded: str, expected: set[str], device: ResourceType) -> None:
    projection = asked(device, attributes, excluded)
    assert set(paths(projection.apply(LAPTOP))) == {"schemas", "id"} | expected
    assert not projection.plain


@pytest.mark.parametrize("attributes", ["", "members", "members.value", "members.display,displayName"])
def test_an_empty_list_of_members_is_shown(attributes: str) -> None:
    """A client that finds no `members` never adds any (goauthentik/authentik, clients/groups.py)."""
    projection = asked(GROUP, attributes)
    assert projection.wants(GROUP.links)
    assert projection.apply({"id": "1", "displayName": "x", "members": []})["members"] == []


@pytest.mark.parametrize(
    ("attributes", "excluded", "wanted"),
    [
        ("", "", True),
        ("members", "", True),
        ("members.value", "", True),
        (f"{GROUP.schema.id}:members", "", True),
        (GROUP.schema.id, "", True),
        ("displayName", "", False),
        ("shoeSize", "", False),
        ("", "members", False),
        ("", "MEMBERS", False),
        ("", "members.display", True),
        ("", "displayName", True),
        ("", GROUP.schema.id, False),
    ],
)
def test_wants_members(attributes: str, excluded: str, wanted: bool) -> None:
    assert asked(GROUP, attributes, excluded).wants(GROUP.links) is wanted


def test_wants() -> None:
    everything = Projection(USER)
    assert everything.wants(USER.core["username"])
    assert everything.wants(USER.core["id"])
    assert not everything.wants(USER.core["password"])
    assert not everything.wants(None)
    assert not asked(USER, "password").wants(USER.core["password"])
    department = USER.extensions[0].by_key["department"]
    assert asked(USER, ENTERPRISE_URN).wants(department, ENTERPRISE_URN)
    assert not asked(USER, excluded=ENTERPRISE_URN).wants(department, ENTERPRISE_URN)


@pytest.mark.parametrize(
    ("attributes", "excluded", "plain"),
    [
        ("", "", True),
        ("", "groups", True),
        ("", "shoeSize", True),
        ("", "groups.display", False),
        ("", "title", False),
        ("", ENTERPRISE_URN, False),
        ("userName", "", False),
        ("shoeSize", "", False),
    ],
)
def test_plain(attributes: str, excluded: str, plain: bool) -> None:
    assert asked(USER, attributes, excluded).plain is plain


def test_unknown_stored_attributes_are_not_shown() -> None:
    former = {"id": "1", "shoeSize": "43", "name": {"givenName": "Ada", "former": "x"}}
    assert asked(USER, excluded="title").apply(former) == {"id": "1", "name": {"givenName": "Ada"}}


@pytest.mark.parametrize(
    ("attributes", "excluded", "named", "shown"),
    [
        ("", "", False, True),
        ("members", "", False, True),
        ("members.display", "", True, True),
        ("members,MEMBERS.DISPLAY", "", True, True),
        ("members.value", "", False, False),
        ("", "members.display", False, False),
        ("", "members.type", False, True),
    ],
)
def test_names_of_members(attributes: str, excluded: str, named: bool, shown: bool) -> None:
    group = {"id": "1", "members": [{"value": "a", "display": "A"}]}
    projection = asked(GROUP, attributes, excluded)
    assert projection.names(GROUP.core["members"].subs["display"]) is named
    assert ("display" in projection.apply(group)["members"][0]) is shown


def test_attributes_on_request_are_shown_to_the_client_that_wrote_them(device: ResourceType) -> None:
    """RFC 7643 section 7, returned: request."""
    body = {"name": "Laptop", "remark": "r", "owner": {"value": "7", "hint": "h"}, "parts": [{"model": "m"}]}
    stored = {**LAPTOP, **body, LEASE_URN: {"lender": "x"}}
    cleaned = intake.clean(device, {**body, LEASE_URN: {"lender": "x"}}).document
    shown = asked(device).after_writing(of_document(device, cleaned)).apply(stored)
    assert (shown["remark"], shown["owner"]) == ("r", {"value": "7", "hint": "h"})
    assert shown[LEASE_URN] == {"lender": "x"}
    operations = [Operation("add", "owner.hint", "h", has_value=True), Operation("remove", "parts")]
    edits = plan(operations, device).edits
    shown = asked(device).after_writing(of_edits(edits)).apply(stored)
    assert "remark" not in shown
    assert shown["owner"]["hint"] == "h"
    for unchanged in (asked(device, "name"), asked(USER)):
        assert unchanged.after_writing(of_edits(edits)) is unchanged


def test_both_parameters_are_refused() -> None:
    with pytest.raises(InvalidValue, match="cannot be used together"):
        parse(USER, ["userName"], ["title"])


@pytest.mark.parametrize("name", ["emails[type pr", "emails[]", "emails[type pr]value", "emails[type]"])
def test_malformed_value_paths_are_refused(name: str) -> None:
    for parameters in (([name], []), ([], [name])):
        with pytest.raises(InvalidPath):
            parse(USER, *parameters)


@pytest.mark.parametrize("name", ["user name", "name.", "a.b.c", "é"])
def test_malformed_names_are_refused(name: str) -> None:
    for parameters in (([name], []), ([], [name])):
        with pytest.raises(InvalidPath, match="is not an attribute"):
            parse(USER, *parameters)
