"""Each quirk of real clients by itself: the odd value is understood, any other comes back as it is."""

from __future__ import annotations

import inspect
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from scimlite.scim import quirks
from scimlite.scim.attribute import Attribute
from scimlite.scim.core import ENTERPRISE_SCHEMA, ENTERPRISE_URN, GROUP, URN_ALIASES, USER, USER_URN
from scimlite.scim.path import AttrPath
from scimlite.scim.schema import schema

MANAGER = ENTERPRISE_SCHEMA.by_key["manager"]
EMAILS = USER.core["emails"]
NAME = USER.core["name"]


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("True", True),
        ("False", False),
        ("true", True),
        (" FALSE ", False),
        ("yes", "yes"),
        (True, True),
        (1, 1),
        ([], []),
    ],
)
def test_string_boolean(sent: Any, meant: Any) -> None:
    """Entra ID, Known issues and resolutions with SCIM 2.0 protocol compliance; Keycloak, OneLogin."""
    understood = quirks.string_boolean(sent)
    assert (type(understood), understood) == (type(meant), meant)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("3", 3),
        ("-3", -3),
        ("4.5", Decimal("4.5")),
        ("1e2", Decimal(100)),
        *(
            (text, text)
            for text in ("", " 3", "3 ", "03", "+3", "3.", ".5", "0x10", "1_000", "１２", "NaN", "Infinity")
        ),
        (3, 3),
        (4.5, 4.5),
        (True, True),
        (None, None),
    ],
)
def test_text_number(sent: Any, meant: Any) -> None:
    """Entra ID, elimity-com/scim#165; every value of a filter in quotation marks, Tutorial: develop a SCIM endpoint."""
    understood = quirks.text_number(sent)
    assert (type(understood), understood) == (type(meant), meant)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [(["x"], "x"), ([{"value": "1"}], {"value": "1"}), ([], None), (["a", "b"], ["a", "b"]), ("x", "x"), (None, None)],
)
def test_unwrap_single(sent: Any, meant: Any) -> None:
    """Entra ID's manager, Tutorial: develop a SCIM endpoint; Captain-P-Goldfish/SCIM-SDK 6f51b6c5, 3c72ca31."""
    assert quirks.unwrap_single(sent) == meant


def test_bare_value() -> None:
    """Captain-P-Goldfish/SCIM-SDK#541 (manager); AzureAD/SCIMReferenceCode (members)."""
    assert quirks.bare_value(MANAGER, "77") == {"value": "77"}
    assert quirks.bare_value(GROUP.core["members"], "77") == {"value": "77"}
    assert quirks.bare_value(NAME, "Ada") == "Ada"
    assert quirks.bare_value(MANAGER, {"value": "77"}) == {"value": "77"}
    assert quirks.bare_value(MANAGER, 77) == {"value": 77}
    assert quirks.bare_value(MANAGER, True) is True


def test_legacy_manager() -> None:
    """OneLogin, goauthentik/authentik#11249."""
    assert quirks.legacy_manager(MANAGER, {"managerId": "7", "displayName": "B"}) == {"value": "7", "displayName": "B"}
    assert quirks.legacy_manager(MANAGER, {"value": "1", "managerId": "7"}) == {"value": "1", "managerId": "7"}
    assert quirks.legacy_manager(EMAILS, {"managerId": "7"}) == {"managerId": "7"}
    assert quirks.legacy_manager(MANAGER, None) is None


def test_display_name() -> None:
    """Microsoft's Postman collection, AzureAD/SCIMReferenceCode; Entra ID's AppRoleAssignmentsComplex."""
    assert quirks.display_name(EMAILS, {"value": "a", "displayName": "A"}) == {"value": "a", "display": "A"}
    for attribute, value in (
        (EMAILS, {"display": "A", "displayName": "B"}),
        (MANAGER, {"displayName": "B"}),
        (EMAILS, "a"),
    ):
        assert quirks.display_name(attribute, value) is value


def test_is_foreign_container() -> None:
    """Okta sends the description of a group so: okta/okta-developer-docs#800."""
    okta = "urn:okta:custom:group:1.0"
    assert quirks.is_foreign_container(okta, {"description": "All"}, USER.urns)
    assert not quirks.is_foreign_container(okta, "All", USER.urns)
    for name in (ENTERPRISE_URN.upper(), f"{ENTERPRISE_URN}:manager", "name", 'emails[type eq "work"]', "urn"):
        assert not quirks.is_foreign_container(name, {}, USER.urns)


def test_blank_reference() -> None:
    """Entra ID clears a manager with a blank: results of Microsoft's SCIM Validator."""
    assert quirks.blank_reference(MANAGER, {"VALUE": "", "$ref": "x"})
    assert not quirks.blank_reference(MANAGER, {"value": "7"})
    assert not quirks.blank_reference(EMAILS, {"value": "", "type": "work"})


def test_unqualified_extension_attributes() -> None:
    """Entra ID's "path":"manager", Tutorial: develop a SCIM endpoint; AWS IAM Identity Center, ListUsers."""
    target = USER.find(AttrPath("Manager"))
    assert target is not None
    assert (target.urn, target.attribute) == (ENTERPRISE_URN, MANAGER)
    assert USER.find(AttrPath("shoeSize")) is None
    assert USER.find(AttrPath("manager", urn=USER_URN)) is None
    twice = replace(USER, extensions=(ENTERPRISE_SCHEMA, schema("urn:x:y", "", "", [Attribute("manager")], core=False)))
    assert twice.unqualified["manager"] == (ENTERPRISE_URN, MANAGER)


def test_without_nested_schemas() -> None:
    """scim2-models, seen from scim2-client and scim2-tester."""
    assert quirks.without_nested_schemas({"Schemas": [ENTERPRISE_URN], "department": "D"}) == {"department": "D"}
    assert quirks.without_nested_schemas("x") == "x"


def test_operation_name() -> None:
    """Entra ID, Known issues and resolutions with SCIM 2.0 protocol compliance; langwatch/langwatch#6972."""
    assert [quirks.operation_name(op) for op in ("Add", "REPLACE", "remove", 5)] == ["add", "replace", "remove", 5]


def test_without_labels() -> None:
    """AzureAD/SCIMReferenceCode, PostmanCollection.json."""
    operation = {"op": "add", "path": "members", "value": []}
    assert quirks.without_labels({"Name": "addMember", **operation}) == operation
    assert quirks.without_labels(operation) == operation


def test_listed_values() -> None:
    """Entra ID, ssosync and authentik remove members by a value array: pingidentity/scim2#174, SimpleIdServer#164."""
    assert quirks.listed_values("remove", [{"value": "1"}]) == [{"value": "1"}]
    assert quirks.listed_values("remove", "1") == ["1"]
    assert quirks.listed_values("remove", []) == []
    assert quirks.listed_values("remove", None) is None
    assert quirks.listed_values("add", ["1"]) is None


def test_blank_removal() -> None:
    """Entra ID clears with a blank: results of Microsoft's SCIM Validator."""
    assert quirks.blank_removal("") is None
    assert [quirks.blank_removal(value) for value in (" ", [], 0, False)] == [" ", [], 0, False]


def test_refuses_pagination() -> None:
    """canaille 0.3.6 with scim2-models 0.6 (httpx); scim2-client of today (httpx2) and all others understand it."""
    assert quirks.refuses_pagination("python-httpx/0.28.1")
    for agent in ("python-httpx2/2.16.2", "", "Mozilla/5.0", "Microsoft-SCIM-Client"):
        assert not quirks.refuses_pagination(agent)


def test_urn_aliases() -> None:
    """A sample in Microsoft's documentation without a colon; OneLogin's templates, goauthentik/authentik#11249."""
    assert set(URN_ALIASES.values()) == {ENTERPRISE_URN}
    assert all(USER.extension_by_key[alias.lower()] is ENTERPRISE_SCHEMA for alias in URN_ALIASES)


def test_every_quirk_says_where_it_was_seen_and_has_a_test() -> None:
    functions = {name: value for name, value in vars(quirks).items() if inspect.isfunction(value)}
    for name, function in functions.items():
        source = inspect.getdoc(function) or ""
        assert any(word in source for word in ("#", "Microsoft", "scim2-")), name
        assert inspect.getdoc(globals()[f"test_{name}"]), name


def test_number_as_text() -> None:
    """Numbers of HR sources, and goauthentik/authentik#15533."""
    assert quirks.number_as_text(701984) == "701984"
    for value in (True, "5", None, [5], {}):
        assert quirks.number_as_text(value) is value


def test_wrapped_value() -> None:
    """Entra ID's Multi-Value attributes; pingidentity/scim#37, keycloak/keycloak#50865."""
    many, one = Attribute("projects", multi_valued=True), Attribute("project")
    assert quirks.wrapped_value(many, {"Value": "red", "type": "x", "primary": False}) == "red"
    for attribute, value in (
        (many, {"value": "red", "colour": 1}),
        (many, {"value": "red", "VALUE": "blue"}),
        (many, {"type": "x"}),
        (one, {"value": "red"}),
        (many, "red"),
    ):
        assert quirks.wrapped_value(attribute, value) is value
