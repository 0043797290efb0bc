"""What the interoperability profile refuses: each rule is a feature, and without it the same request is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import (
    ENTERPRISE_URN,
    GROUP_URN,
    PATCH_URN,
    USER_URN,
    Answer,
    add_members,
    assert_scim_error,
    remove_member,
)

Json = Any
SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
USER = {"schemas": [USER_URN], "userName": "new"}
WORK = 'emails[type eq "work"]'


@dataclass(frozen=True)
class Case:
    """A request that a feature refuses, and that is carried out without it."""

    feature: str
    value: str
    method: str
    path: str
    body: Json
    detail: str
    scim_type: str = "invalidSyntax"


def unknown(body: Json, detail: str, method: str = "POST", path: str = "/Users") -> Case:
    return Case("unknown_attributes", "strict", method, path, body, detail)


def schemas(method: str, path: str, body: Json, detail: str = "schemas is missing") -> Case:
    return Case("require_schemas", "on", method, path, body, detail)


def message(*operations: Json, schemas: Json = (PATCH_URN,)) -> Json:
    return {"schemas": list(schemas), "Operations": list(operations)}


def pathless(op: str, value: Json) -> Case:
    body = message({"op": op, "value": value})
    return Case("patch_without_path", "off", "PATCH", "/Users/{user}", body, "Each operation needs a path.")


def element(operation: Json, detail: str = "selects whole items", scim_type: str = "invalidPath") -> Case:
    return Case("patch_elements", "off", "PATCH", "/Users/{user}", message(operation), detail, scim_type)


CASES = [
    unknown({**USER, "favouriteColour": "green"}, "“favouriteColour” is not defined for User"),
    unknown({**USER, "favouriteColour": None}, "“favouriteColour” is not defined for User"),
    unknown({**USER, "emails": [{"value": "a@example.com", "colour": "green"}]}, "“emails.colour”"),
    unknown({**USER, "name": {"nick": "N"}}, "“name.nick”"),
    unknown({**USER, ENTERPRISE_URN: {"floor": "3"}}, f"“{ENTERPRISE_URN}:floor”"),
    unknown({**USER, ENTERPRISE_URN: {"manager": {"managerId": "m"}}}, "managerId”"),
    unknown({**USER, "urn:example:x": {"a": "b"}}, "“urn:example:x”"),
    unknown({**USER, "schemas": [USER_URN, "urn:example:x"]}, "The schema “urn:example:x”"),
    unknown({**USER, "meta": {"resourceType": "User", "colour": "green"}}, "“meta.colour”"),
    unknown({**USER, "favouriteColour": "green"}, "“favouriteColour”", "PUT", "/Users/{user}"),
    unknown({"schemas": [GROUP_URN], "displayName": "G", "colour": "green"}, "“colour”", path="/Groups"),
    unknown(message({"op": "add", "path": "manager", "value": "m"}), "“manager”", "PATCH", "/Users/{user}"),
    schemas("POST", "/Users", {"userName": "new"}),
    schemas("POST", "/Users", {**USER, "schemas": []}),
    schemas("POST", "/Users", {**USER, "schemas": None}),
    schemas("POST", "/Users", {**USER, "schemas": [GROUP_URN]}, f"schemas does not name {USER_URN}"),
    schemas("POST", "/Users", {**USER, "schemas": [USER_URN, "urn:x:y"]}, "schemas names “urn:x:y”"),
    schemas("POST", "/Users", {**USER, ENTERPRISE_URN: {"department": "d"}}, f"does not name {ENTERPRISE_URN}"),
    schemas("PUT", "/Users/{user}", {"userName": "new"}),
    schemas("POST", "/Groups", {"displayName": "G"}),
    schemas("PATCH", "/Users/{user}", message({"op": "add", "path": "title", "value": "T"}, schemas=())),
    schemas(
        "PATCH",
        "/Users/{user}",
        message({"op": "add", "path": "title", "value": "T"}, schemas=[USER_URN]),
        f"schemas does not name {PATCH_URN}",
    ),
    schemas("POST", "/Users/.search", {"filter": 'userName eq "known"'}),
    schemas("POST", "/.search", {"schemas": [PATCH_URN]}, f"schemas does not name {SEARCH_URN}"),
    schemas("POST", "/Bulk", {"Operations": [{"method": "DELETE", "path": "/Users/{user}"}]}),
    pathless("replace", {"title": "T"}),
    pathless("add", {"emails": [{"value": "a@example.com"}]}),
    element({"op": "replace", "path": WORK, "value": {"type": "work", "value": "b@example.com"}}),
    element({"op": "add", "path": WORK, "value": {"display": "Work"}}),
    element({"op": "remove", "path": WORK}),
    element(
        {"op": "replace", "path": 'emails[value co "example"].display', "value": "D"},
        "A path may select by eq only",
        "invalidSyntax",
    ),
    element(
        {"op": "remove", "path": 'emails[type eq "work" or type eq "home"].display'},
        "A path may select by eq only",
        "invalidSyntax",
    ),
]

#: Refused in PATCH without the feature as well, with the scimType of the RFC.
UNKNOWN_IN_PATCH = [
    {"op": "add", "path": "favouriteColour", "value": "green"},
    {"op": "add", "path": "name.nick", "value": "N"},
    {"op": "add", "path": f"{ENTERPRISE_URN}:floor", "value": "3"},
    {"op": "add", "path": "urn:example:x:colour", "value": "green"},
    {"op": "add", "value": {"favouriteColour": "green"}},
    {"op": "remove", "path": "favouriteColour"},
]
#: Sub-attributes that are not defined.
UNKNOWN_SUBS = [
    {"op": "add", "path": "emails", "value": [{"value": "b@example.com", "colour": "green"}]},
    {"op": "replace", "path": "name", "value": {"givenName": "G", "nick": "N"}},
    {"op": "add", "path": ENTERPRISE_URN, "value": {"floor": "3"}},
    {"op": "add", "value": {"name": {"nick": "N", "givenName": "G"}}},
]


def filled(body: Json, id: str) -> Json:
    if isinstance(body, dict):
        return {name: filled(value, id) for name, value in body.items()}
    if isinstance(body, list):
        return [filled(value, id) for value in body]
    return body.replace("{user}", id) if isinstance(body, str) else body


def known_user(app: Connected) -> str:
    return app.client.user("known", emails=[{"value": "a@example.com", "type": "work"}]).ok(201).id


def send(app: Connected, case: Case, id: str) -> Answer:
    return app.client.request(case.method, case.path.replace("{user}", id), filled(case.body, id))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.feature}-{case.method}-{case.detail[:30]}")
def test_a_feature_refuses_what_is_carried_out_without_it(installation: Installation, case: Case) -> None:
    off, on = installation.app(), installation.app(**{case.feature: case.value})
    send(off, case, known_user(off)).ok()
    id = known_user(on)
    before = on.client.get(f"/Users/{id}").content
    assert_scim_error(send(on, case, id), 400, case.scim_type, case.detail)
    assert on.client.get(f"/Users/{id}").content == before
    assert on.client.find("Users")["totalResults"] == 1
    assert on.client.find("Groups")["totalResults"] == 0


@pytest.mark.parametrize("operation", UNKNOWN_IN_PATCH, ids=str)
def test_unknown_attributes_in_patch_have_another_type_of_error_when_strict(
    installation: Installation, operation: Json
) -> None:
    default, strict = installation.app(), installation.app(unknown_attributes="strict")
    assert_scim_error(default.client.patch(f"/Users/{known_user(default)}", operation), 400, "invalidPath")
    answer = strict.client.patch(f"/Users/{known_user(strict)}", operation)
    assert_scim_error(answer, 400, "invalidSyntax", "is not defined for User")


@pytest.mark.parametrize("operation", UNKNOWN_SUBS, ids=str)
def test_unknown_sub_attributes_in_patch_are_refused_when_strict(installation: Installation, operation: Json) -> None:
    strict = installation.app(unknown_attributes="strict")
    answer = strict.client.patch(f"/Users/{known_user(strict)}", operation)
    assert_scim_error(answer, 400, "invalidSyntax", "is not defined for User")


def test_a_replace_of_a_name_replaces_all_of_it(installation: Installation) -> None:
    """Section 6.5.2.1 of the draft; the RFC leaves what is not named."""
    operation = {"op": "replace", "path": "name", "value": {"givenName": "H"}}
    for value, left in (("merge", {"givenName": "H", "familyName": "F"}), ("whole", {"givenName": "H"})):
        app = installation.app(patch_replace=value)
        user = app.client.post("/Users", {**USER, "name": {"givenName": "G", "familyName": "F"}}).ok(201).id
        assert app.client.patch(f"/Users/{user}", operation).ok(200).json["name"] == left
        assert app.client.get(f"/Users/{user}").json["name"] == left
        assert app.client.find("Users", filter='name.familyName eq "F"')["totalResults"] == len(left) - 1


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": f"{WORK}.value", "value": "c@example.com"},
        {"op": "add", "path": f"{WORK}.display", "value": "D"},
        {"op": "remove", "path": f"{WORK}.display"},
        {"op": "replace", "path": f"{WORK}.value", "value": ""},
    ],
    ids=str,
)
def test_a_path_selects_one_value_only(installation: Installation, operation: Json) -> None:
    """Section 6.5.3 of the draft; the RFC changes every value that matches."""
    emails = [{"value": value, "type": "work", "display": value} for value in ("a@example.com", "b@example.com")]
    off, on = installation.app(), installation.app(patch_elements="off")
    several = off.client.user("several", emails=emails).ok(201).id
    changed = off.client.patch(f"/Users/{several}", operation).ok(200).json
    assert not any(email in changed.get("emails", []) for email in emails)
    several = on.client.user("several", emails=emails).ok(201)
    before = on.client.get(f"/Users/{several.id}").content
    body = message({"op": "add", "path": "title", "value": "T"}, operation)
    refused = on.client.patch(f"/Users/{several.id}", *body["Operations"])
    assert_scim_error(refused, 400, "invalidFilter", "matches 2 values of emails")
    bulk = {"Operations": [{"method": "PATCH", "path": f"/Users/{several.id}", "data": body}]}
    answer = on.client.post("/Bulk", bulk).ok(200).json["Operations"][0]
    assert (answer["status"], answer["response"]["scimType"]) == ("400", "invalidFilter")
    assert on.client.get(f"/Users/{several.id}").content == before
    on.client.patch(f"/Users/{known_user(on)}", operation).ok(200)


def test_an_operation_of_a_bulk_request_is_refused_by_itself(installation: Installation) -> None:
    app = installation.app(unknown_attributes="strict", patch_without_path="off")
    id = known_user(app)
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": "1", "data": {**USER, "favouriteColour": "green"}},
        {"method": "PATCH", "path": f"/Users/{id}", "data": message({"op": "add", "value": {"title": "T"}})},
        {"method": "POST", "path": "/Users", "bulkId": "2", "data": USER},
    ]
    answer = app.client.post("/Bulk", {"schemas": [BULK_URN], "Operations": operations}).ok(200)
    results = answer.json["Operations"]
    assert [result["status"] for result in results] == ["400", "400", "201"]
    assert [result["response"]["scimType"] for result in results[:2]] == ["invalidSyntax", "invalidSyntax"]


STRICT = {
    "unknown_attributes": "strict",
    "require_schemas": "on",
    "patch_without_path": "off",
    "patch_elements": "off",
    "patch_replace": "whole",
}


def test_the_service_says_that_it_keeps_the_profile(installation: Installation) -> None:
    strict, almost, default = (
        installation.app(**features) for features in (STRICT, {**STRICT, "require_schemas": "off"}, {})
    )
    config = strict.client.get("/ServiceProviderConfig").ok(200).json
    assert config["interopProfileConformant"] is True
    for app in (almost, default):
        assert "interopProfileConformant" not in app.client.get("/ServiceProviderConfig").ok(200).json


def test_a_client_that_keeps_the_profile_is_served(installation: Installation) -> None:
    client = installation.app(**STRICT).client
    body = {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "userName": "alice",
        "name": {"givenName": "A"},
        "emails": [{"value": "a@example.com", "type": "work"}],
        ENTERPRISE_URN: {"department": "d"},
    }
    user = client.post("/Users", body).ok(201)
    sent_back = client.get(f"/Users/{user.id}").ok(200).json
    client.put(f"/Users/{user.id}", sent_back).ok(200)
    patched = client.patch(
        f"/Users/{user.id}",
        {"op": "replace", "path": f"{WORK}.value", "value": "b@example.com"},
        {"op": "replace", "path": 'emails[type eq "work" and value eq "b@example.com"].display', "value": "B"},
        {"op": "add", "path": "name", "value": {"familyName": "F"}},
        {"op": "replace", "path": f"{ENTERPRISE_URN}:manager", "value": {"value": "m"}},
        {"op": "remove", "path": "title"},
    ).ok(200)
    assert patched.json["emails"] == [{"value": "b@example.com", "type": "work", "display": "B"}]
    assert patched.json["name"] == {"givenName": "A", "familyName": "F"}
    group = client.group("staff").ok(201)
    client.patch(f"/Groups/{group.id}", add_members(user.id)).ok(200)
    client.patch(f"/Groups/{group.id}", remove_member(user.id)).ok(200)
    assert client.members(group.id) == set()


def test_resources_that_refer_to_each_other_in_a_circle_are_created(installation: Installation) -> None:
    client = installation.app(**STRICT).client
    groups = [
        {"schemas": [GROUP_URN], "displayName": name, "members": [{"value": f"bulkId:{other}"}]}
        for name, other in (("a", "b"), ("b", "a"))
    ]
    operations = [
        {"method": "POST", "path": "/Groups", "bulkId": group["displayName"], "data": group} for group in groups
    ]
    answer = client.post("/Bulk", {"schemas": [BULK_URN], "Operations": operations}).ok(200)
    assert [result["status"] for result in answer.json["Operations"]] == ["201", "201"]


def test_a_refusal_says_which_feature_it_is(installation: Installation) -> None:
    app = installation.app(require_schemas="on")
    app.client.post("/Users", {"userName": "new"})
    (entry,) = installation.journal(app)
    assert (entry.action, entry.outcome) == ("created", "refused")
    assert entry.detail is not None
    assert entry.detail.startswith("schemas is missing")
