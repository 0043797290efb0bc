"""How values are compared over the wire: an absent primary, names without case, bare values, numbers as texts."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from installation import Connected, Installation
from scim_client import PATCH_URN, assert_scim_error
from scimlite import apps
from scimlite.admin import schemas
from scimlite.apps.workspace import Workspace
from scimlite.directory import write
from scimlite.scim import core

CREW = "urn:example:schemas:extension:crew:2.0:User"
CREW_SCHEMA = {
    "id": CREW,
    "attributes": [
        {"name": "level", "type": "integer"},
        {"name": "score", "type": "decimal"},
        {"name": "levels", "type": "integer", "multiValued": True},
        {
            "name": "badges",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [
                {"name": "value"},
                {"name": "rank", "type": "integer"},
                {"name": "primary", "type": "boolean"},
            ],
        },
    ],
}
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


@pytest.fixture
def crew(installation: Installation, app: Connected) -> Connected:
    """An app whose users have numbers, and items with a `primary`."""
    schemas.add(installation.scope, app.slug, CREW_SCHEMA, to=["User"])
    return app


def found(app: Connected, text: str) -> list[str]:
    """The names that a filter finds, in a query and in the body of a search."""
    listed = app.client.find("Users", filter=text)
    searched = app.client.post("/Users/.search", {"filter": text}).ok(200).json
    assert listed["Resources"] == searched["Resources"]
    return [user["userName"] for user in listed["Resources"]]


# --- primary --------------------------------------------------------------------------------------------------------


def test_an_absent_primary_is_false_in_filters_and_paths(app: Connected) -> None:
    emails = [{"type": "work", "value": "w", "primary": True}, {"type": "home", "value": "h"}]
    ada = app.client.user("ada", emails=emails).ok(201)
    app.client.user("bob", emails=[{"type": "work", "value": "b", "primary": True}]).ok(201)
    app.client.user("eve").ok(201)
    assert found(app, "emails.primary eq false") == ["ada"]
    assert found(app, 'emails[type eq "home" and primary eq false]') == ["ada"]
    assert found(app, "emails pr and not (emails.primary eq false)") == ["bob"]
    replaced = {"op": "replace", "path": "emails[primary eq false].value", "value": "n"}
    changed = app.client.patch(f"/Users/{ada.id}", replaced).ok(200).json
    assert changed["emails"] == [emails[0], {"type": "home", "value": "n"}]
    removed = {"op": "remove", "path": "emails[primary eq false]"}
    assert app.client.patch(f"/Users/{ada.id}", removed).ok(200).json["emails"] == emails[:1]
    made = {"op": "add", "path": 'emails[type eq "home" and primary eq false].value', "value": "h"}
    changed = app.client.patch(f"/Users/{ada.id}", made).ok(200).json
    assert changed["emails"] == [emails[0], {"type": "home", "value": "h", "primary": False}]


def test_an_absent_primary_is_false_in_declared_attributes(crew: Connected) -> None:
    badges = [{"value": "a", "primary": True}, {"value": "b"}]
    ada = crew.client.user("ada", **{CREW: {"badges": badges}}).ok(201)
    assert found(crew, f"{CREW}:badges[value eq b and primary ne true]") == ["ada"]
    assert found(crew, f"{CREW}:badges.primary eq false") == ["ada"]
    removed = {"op": "remove", "path": f"{CREW}:badges[primary eq false]"}
    assert crew.client.patch(f"/Users/{ada.id}", removed).ok(200).json[CREW]["badges"] == badges[:1]


# --- names without case -------------------------------------------------------------------------------------------


def test_different_letters_are_different_names(app: Connected) -> None:
    """RFC 8265: nobody is found by the name of another person, and both can be there."""
    for name in ("weiß", "weiss", "σίσυφος", "σίσυφοσ", "ﬁn", "fin", "İ", "i"):
        app.client.user(name).ok(201)
    for name, other in (("weiß", "WEIẞ"), ("weiss", "WEISS"), ("σίσυφοσ", "ΣΊΣΥΦΟΣ"), ("fin", "ＦＩＮ"), ("i", "Ｉ")):
        assert found(app, f'userName eq "{other}"') == [name]
        assert_scim_error(app.client.user(other), 409, "uniqueness")
    assert found(app, 'userName eq "σίσυφος"') == ["σίσυφος"]
    assert found(app, 'userName sw "weiss"') == ["weiss"]
    app.client.group("Größe").ok(201)
    app.client.group("Grösse").ok(201)
    assert_scim_error(app.client.group("GRÖẞE"), 409, "uniqueness")
    assert app.client.find("Groups", filter='displayName eq "GRÖSSE"')["totalResults"] == 1


@pytest.mark.parametrize(
    "name", [" ada", "ada ", "ada\t", "\u00a0ada", "ada\u3000", "ada\n", "a\x01da", "a\u0085da", "\ufeffada"]
)
def test_blanks_at_the_ends_and_unseen_characters_of_a_user_name_are_refused(app: Connected, name: str) -> None:
    bob = app.client.user("bob").ok(201)
    renamed = {"op": "replace", "path": "userName", "value": name}
    message = {"schemas": [PATCH_URN], "Operations": [renamed]}
    for answer in (
        app.client.user(name),
        app.client.put(f"/Users/{bob.id}", {"userName": name}),
        app.client.patch(f"/Users/{bob.id}", renamed),
        app.client.patch(f"/Users/{bob.id}", {"op": "add", "value": {"userName": name, "title": "T"}}),
    ):
        assert "userName" in assert_scim_error(answer, 400, "invalidValue")["detail"]
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": name}},
        {"method": "PATCH", "path": f"/Users/{bob.id}", "data": message},
    ]
    answers = app.client.post("/Bulk", {"schemas": [BULK_URN], "Operations": operations}).ok(200).json["Operations"]
    assert [(each["status"], each["response"]["scimType"]) for each in answers] == [("400", "invalidValue")] * 2
    assert app.client.get(f"/Users/{bob.id}").ok(200).json == bob.json
    assert found(app, "userName pr") == ["bob"]


def test_a_user_with_a_name_of_before_can_be_read_changed_and_deleted(
    installation: Installation, app: Connected
) -> None:
    scope = installation.scope
    workspace = Workspace(scope.db, scope.origin, apps.get(scope.db, app.slug))
    with patch("scimlite.scim.document.check_user_name"):
        ada = write.create(workspace, core.USER, {"userName": " ada "}).resource.id
    assert found(app, 'userName eq " ada "') == [" ada "]
    assert app.client.patch(f"/Users/{ada}", {"op": "add", "path": "title", "value": "T"}).ok(200).json["title"] == "T"
    assert app.client.put(f"/Users/{ada}", {"userName": " ada ", "title": "U"}).ok(200).json["title"] == "U"
    assert_scim_error(app.client.put(f"/Users/{ada}", {"userName": "ada "}), 400, "invalidValue")
    app.client.patch(f"/Users/{ada}", {"op": "replace", "path": "userName", "value": "ada"}).ok(200)
    app.client.delete(f"/Users/{ada}").ok(204)


# --- values without quotation marks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("userName eq 701984", ["701984"]),
        ("userName sw O", ["Otto"]),
        ("userName ne n1", ["701984", "Otto"]),
        ("userName sw 70 or userName ew TTO", ["701984", "Otto"]),
        ("meta.created gt 2015-10-10T14:38:21Z and userName le o", ["701984", "n1"]),
        ("meta.created lt 2015-10-10T14:38:21Z", []),
        ("emails[value eq a@b.c]", ["n1"]),
        ("externalId eq 1e10", ["Otto"]),
        ("externalId eq 10000000000", []),
        ("title eq 1.50", ["Otto"]),
        ("title eq 1.5", []),
        ("employeeNumber eq 1234567890123456789012345", ["n1"]),
        ('employeeNumber sw "1234567890123456789012345"', ["n1"]),
    ],
)
def test_values_without_quotation_marks_are_texts_where_the_attribute_is_one(
    app: Connected, text: str, expected: list[str]
) -> None:
    app.client.user("701984").ok(201)
    app.client.user("Otto", externalId="1e10", title="1.50").ok(201)
    app.client.user("n1", emails=[{"value": "a@b.c"}], **EMPLOYEE).ok(201)
    assert found(app, text) == expected


EMPLOYEE = {
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "1234567890123456789012345"}
}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("active eq yes", "active is of type boolean"),
        ("active eq 1", "active is of type boolean"),
        ("userName eq true", "userName is of type string"),
        ("userName sw null", "userName sw null"),
        ("userName sw and title pr", "expected a value"),
        ("userName eq 'ada'", "expected a value"),
        ("meta.created gt 2015", "meta.created is of type dateTime"),
    ],
)
def test_other_values_without_quotation_marks_are_refused(app: Connected, text: str, named: str) -> None:
    for answer in (
        app.client.get(f"/Users?filter={text.replace(' ', '%20')}"),
        app.client.post("/Users/.search", {"filter": text}),
    ):
        assert named in assert_scim_error(answer, 400, "invalidFilter")["detail"]


# --- numbers as texts -----------------------------------------------------------------------------------------------


def test_integers_are_stored_as_they_are_written_whatever_writes_them(crew: Connected) -> None:
    """No request stores what a parser made of an integer with a point or an exponent."""
    client = crew.client
    made = client.user("ada").ok(201).id
    path = f'"path": "{CREW}:level"'
    whole = f'{{"userName": "ada", "{CREW}": {{"level": %s}}}}'
    operation = f'{{"Operations": [{{"op": "replace", {path}, "value": %s}}]}}'
    without_path = f'{{"Operations": [{{"op": "add", "value": {{"{CREW}:level": %s}}}}]}}'
    for method, endpoint, body in (
        ("PUT", f"/Users/{made}", whole),
        ("PATCH", f"/Users/{made}", operation),
        ("PATCH", f"/Users/{made}", without_path),
    ):
        bulk = f'{{"Operations": [{{"method": "{method}", "path": "{endpoint}", "data": {body}}}]}}'
        for number, stored in (("9007199254740993.0", 9007199254740993), ("2e1", 20), ("7.0", 7)):
            for target, text in ((("PUT" if method == "PUT" else "PATCH", endpoint), body), (("POST", "/Bulk"), bulk)):
                client.request(*target, raw=(text % "0").encode()).ok(200)
                client.request(*target, raw=(text % number).encode()).ok(200)
                assert client.get(f"/Users/{made}").json[CREW] == {"level": stored}
            assert found(crew, f"{CREW}:level eq {stored}") == ["ada"]
        before = client.get(f"/Users/{made}").etag
        for number in ("1e-400", "4.00000000000000000001", "9223372036854775807.9"):
            refused = client.request(method, endpoint, raw=(body % number).encode())
            assert_scim_error(refused, 400, "invalidValue", "integer")
            answer = client.post("/Bulk", raw=(bulk % number).encode()).ok(200).json["Operations"][0]
            assert (answer["status"], answer["response"]["scimType"]) == ("400", "invalidValue")
        assert client.get(f"/Users/{made}").etag == before


DECIMALS = [
    "-1e40",
    "-9007199254740993",
    "0.1",
    "9007199254740992.0",
    "9007199254740993",
    "18446744073709551615",
    "1e22",
]


def test_decimals_are_compared_to_the_last_digit(crew: Connected) -> None:
    """In filters, sort orders and paths of PATCH; a number that would be another one when stored is refused."""
    client, names = crew.client, [f"u{number}" for number in range(len(DECIMALS))]
    body = f'{{"userName": "%s", "{CREW}": {{"score": %s}}}}'
    for name, text in zip(names, DECIMALS, strict=True):
        client.request("POST", "/Users", raw=(body % (name, text)).encode()).ok(201)
    for text, expected in (
        ("eq 9007199254740993", names[4:5]),
        ('eq "9007199254740993.0"', names[4:5]),
        ("gt 9007199254740992", names[4:]),
        ("ge 9007199254740992.5", names[4:]),
        ("lt -9007199254740992", names[:2]),
        ("lt 9007199254740993", names[:4]),
        ("eq 18446744073709551616", []),
        ("le 0.1", names[:3]),
        ("lt 0.1", names[:2]),
        ("eq 0.10000000000000000001", []),
        ("gt 0.10000000000000000001", names[3:]),
        ("ge 10000000000000000000001", []),
    ):
        assert found(crew, f"{CREW}:score {text}") == expected, text
    ordered = client.find("Users", sortBy=f"{CREW}:score", sortOrder="descending", filter=f"{CREW}:score pr")
    assert [user["userName"] for user in ordered["Resources"]] == names[::-1]
    for number in ("9007199254740993.5", "0.10000000000000000001", "1e-400"):
        refused = client.request("POST", "/Users", raw=(body % ("ada", number)).encode())
        assert f"{CREW}:score" in assert_scim_error(refused, 400, "invalidValue")["detail"]


def test_numbers_as_texts_are_stored_as_numbers_whatever_writes_them(crew: Connected) -> None:
    sent = {"level": "3", "score": "4.5", "levels": ["1", "2.0", "1e2"], "badges": [{"value": "a", "rank": "-7"}]}
    stored = {"level": 3, "score": 4.5, "levels": [1, 2, 100], "badges": [{"value": "a", "rank": -7}]}
    ada = crew.client.user("ada", **{CREW: sent}).ok(201)
    assert ada.json[CREW] == stored
    bob = crew.client.user("bob").ok(201)
    assert crew.client.put(f"/Users/{bob.id}", {"userName": "bob", CREW: sent}).ok(200).json[CREW] == stored
    eve = crew.client.user("eve").ok(201)
    whole = {"op": "add", "value": {CREW: {**sent, "level": "9"}}}
    assert crew.client.patch(f"/Users/{eve.id}", whole).ok(200).json[CREW] == {**stored, "level": 9}
    single = {"op": "replace", "path": f"{CREW}:level", "value": "3.0"}
    operations = [
        {"method": "PATCH", "path": f"/Users/{eve.id}", "data": {"schemas": [PATCH_URN], "Operations": [single]}}
    ]
    operations += [{"method": "POST", "path": "/Users", "bulkId": "z", "data": {"userName": "zoe", CREW: sent}}]
    answers = crew.client.post("/Bulk", {"schemas": [BULK_URN], "Operations": operations}).ok(200).json["Operations"]
    assert [answer["status"] for answer in answers] == ["200", "201"]
    for text in (
        f'{CREW}:level eq "3"',
        f"{CREW}:level gt 2.5",
        f'{CREW}:level le "3.0"',
        f"{CREW}:score eq 4.5",
        f'{CREW}:levels[value gt "99.5"]',
        f"{CREW}:badges[rank lt -6.5]",
        f"{CREW}:level lt 1e30",
        f"{CREW}:level ne 3.5",
        f"not ({CREW}:level eq 3.5)",
    ):
        assert found(crew, text) == ["ada", "bob", "eve", "zoe"], text
    for text in (f"{CREW}:level eq 3.5", f"{CREW}:level gt 1e30", f"{CREW}:level lt -99999999999999999999"):
        assert found(crew, text) == [], text


def test_a_value_path_makes_an_item_with_a_number(crew: Connected) -> None:
    ada = crew.client.user("ada").ok(201)
    path = f'{CREW}:badges[rank eq "3"].value'
    for value in ("a", "b"):
        changed = crew.client.patch(f"/Users/{ada.id}", {"op": "replace", "path": path, "value": value}).ok(200).json
        assert changed[CREW]["badges"] == [{"rank": 3, "value": value}]
    path = f"{CREW}:badges[rank eq 4.5].value"
    refused = crew.client.patch(f"/Users/{ada.id}", {"op": "replace", "path": path, "value": "c"})
    assert f"{CREW}:badges.rank takes an integer" in assert_scim_error(refused, 400, "invalidValue")["detail"]


@pytest.mark.parametrize(
    "value", ["three", "4.5", " 3", "3 ", "03", "0x10", "１２", "1_000", "NaN", "1e99", 4.5, 1e30, True]
)
def test_other_texts_and_numbers_are_no_integers(crew: Connected, value: Any) -> None:
    ada = crew.client.user("ada", **{CREW: {"level": 1}}).ok(201)
    for answer in (
        crew.client.user("bob", **{CREW: {"level": value}}),
        crew.client.put(f"/Users/{ada.id}", {"userName": "ada", CREW: {"level": value}}),
        crew.client.patch(f"/Users/{ada.id}", {"op": "replace", "path": f"{CREW}:level", "value": value}),
    ):
        assert f"{CREW}:level takes an integer" in assert_scim_error(answer, 400, "invalidValue")["detail"]
    assert crew.client.get(f"/Users/{ada.id}").ok(200).json[CREW] == {"level": 1}
    assert crew.client.find("Users")["totalResults"] == 1
