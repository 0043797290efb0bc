"""Refused requests as they are kept: secret values are masked, and undeclared attributes keep only their names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import tries
from scimlite.scim import core, masking
from scimlite.scim.masking import SECRET, UNDECLARED

USER, ENTERPRISE = core.USER_URN, core.ENTERPRISE_URN
HIDDEN = "hunter2-hunter2"

#: A resource, and how it is kept.
RESOURCES: list[tuple[Any, Any]] = [
    ({"userName": "ann", "active": True}, {"userName": "ann", "active": True}),
    ({"password": "x"}, {"password": SECRET}),
    ({"PassWord": {"deep": ["x"]}}, {"PassWord": SECRET}),
    ({f"{USER}:password": "x"}, {f"{USER}:password": SECRET}),
    ({USER: {"password": "x", "title": "y", "z": 1}}, {USER: {"password": SECRET, "title": "y", "z": UNDECLARED}}),
    ({USER.upper(): {"PASSWORD": "x"}}, {USER.upper(): {"PASSWORD": SECRET}}),
    ({ENTERPRISE: {"department": "IT", "pin": 1}}, {ENTERPRISE: {"department": "IT", "pin": UNDECLARED}}),
    ({f"{ENTERPRISE}:department": "IT"}, {f"{ENTERPRISE}:department": "IT"}),
    ({ENTERPRISE: "x"}, {ENTERPRISE: UNDECLARED}),
    ({"urn:example:Other": {"a": "x"}}, {"urn:example:Other": UNDECLARED}),
    ({"secret": {"password": "x"}}, {"secret": UNDECLARED}),
    ({"name": {"givenName": "A", "password": "x"}}, {"name": {"givenName": "A", "password": UNDECLARED}}),
    ({"emails": [{"value": "a", "x": "y"}, "b"]}, {"emails": [{"value": "a", "x": UNDECLARED}, "b"]}),
    ({"title": {"password": "x"}}, {"title": {"password": UNDECLARED}}),
    ({"emails.password": "x"}, {"emails.password": UNDECLARED}),
    ({"name.givenName": "A"}, {"name.givenName": "A"}),
    (["x"], UNDECLARED),
    ("x", UNDECLARED),
]


@pytest.mark.parametrize(("body", "kept"), RESOURCES, ids=lambda body: json.dumps(body)[:50])
def test_resources(body: Any, kept: Any) -> None:
    assert masking.resource(core.USER, body) == kept


#: An operation of a PATCH, and how it is kept.
OPERATIONS: list[tuple[Any, Any]] = [
    ({"op": "add", "path": "title", "value": "x"}, {"op": "add", "path": "title", "value": "x"}),
    ({"OP": "add", "Path": "PASSWORD", "Value": "x"}, {"OP": "add", "Path": "PASSWORD", "Value": SECRET}),
    ({"path": f"{USER}:password", "value": "x"}, {"path": f"{USER}:password", "value": SECRET}),
    ({"path": "password.value", "value": "x"}, {"path": "password.value", "value": SECRET}),
    ({"path": f"{ENTERPRISE}:nope", "value": "x"}, {"path": f"{ENTERPRISE}:nope", "value": UNDECLARED}),
    ({"path": ENTERPRISE, "value": {"department": "x", "z": 1}}, None),
    ({"path": "nope", "value": {"password": "x"}}, {"path": "nope", "value": UNDECLARED}),
    ({"path": "name", "value": {"password": "x"}}, {"path": "name", "value": {"password": UNDECLARED}}),
    ({"path": "name.givenName", "value": "x"}, {"path": "name.givenName", "value": "x"}),
    ({"path": "name.nope", "value": "x"}, {"path": "name.nope", "value": UNDECLARED}),
    ({"value": {"password": "x", "title": "y"}}, {"value": {"password": SECRET, "title": "y"}}),
    ({"value": "x"}, {"value": UNDECLARED}),
    ({"path": None, "value": {"password": "x"}}, {"path": UNDECLARED, "value": {"password": SECRET}}),
    ({"path": 'password[value eq "x"]', "value": "y"}, {"path": 'password[value eq "***"]', "value": SECRET}),
    ({"path": 'emails[type eq "work"].value', "value": "y"}, {"path": 'emails[type eq "work"].value', "value": "y"}),
    ({"path": 'emails[nope eq "x"].value', "value": "y"}, {"path": 'emails[nope eq "***"].value', "value": "y"}),
    ({"path": 'nope[value eq "x"]', "value": "y"}, {"path": 'nope[value eq "***"]', "value": UNDECLARED}),
    ({"password": "x"}, {"password": UNDECLARED}),
    ("x", UNDECLARED),
]


@pytest.mark.parametrize(("operation", "kept"), OPERATIONS, ids=lambda body: json.dumps(body)[:50])
def test_operations(operation: Any, kept: Any) -> None:
    if kept is None:
        kept = {"path": ENTERPRISE, "value": {"department": "x", "z": UNDECLARED}}
    masked = masking.patch(core.USER, {"schemas": ["s"], "Operations": [operation], "x": "y"})
    assert masked == {"schemas": ["s"], "Operations": [kept], "x": UNDECLARED}


def test_a_path_that_cannot_be_read_is_not_kept() -> None:
    masked = masking.patch(core.USER, {"operations": [{"path": f'password[value eq "{HIDDEN}', "value": HIDDEN}]})
    assert HIDDEN not in json.dumps(masked)
    assert "characters that cannot be read" in masked["operations"][0]["path"]


#: A filter, and how it is kept.
FILTERS: list[tuple[str, str]] = [
    ('userName eq "ann"', 'userName eq "ann"'),
    ('password eq "x"', 'password eq "***"'),
    ('title pr and (PASSWORD sw "x" or not (nope eq 5))', 'title pr and (PASSWORD sw "***" or not (nope eq "***"))'),
    ('emails[type eq "work" and nope eq "x"]', 'emails[type eq "work" and nope eq "***"]'),
    ('nope[a eq "x" or not (b eq "y")]', 'nope[a eq "***" or not (b eq "***")]'),
    ('displayName eq "g"', 'displayName eq "g"'),
    ('emails[not (nope eq "x") or value eq "y"]', 'emails[not (nope eq "***") or value eq "y"]'),
    ('password[value pr or value eq "x"]', 'password[value pr or value eq "***"]'),
    ('members[value eq "x" and password eq "y"]', 'members[value eq "x" and password eq "***"]'),
    ('schemas[value eq "x"]', 'schemas[value eq "x"]'),
    ("password pr", "password pr"),
    ('password eq "x', "(a filter of 14 characters that cannot be read)"),
]


@pytest.mark.parametrize(("text", "kept"), FILTERS)
def test_filters(text: str, kept: str) -> None:
    assert masking.filter_text([core.USER, core.GROUP], text) == kept
    assert masking.search([core.USER, core.GROUP], {"Filter": text, "count": 5, "x": HIDDEN}) == {
        "Filter": kept,
        "count": 5,
        "x": UNDECLARED,
    }


def test_bodies_that_are_no_messages_are_masked() -> None:
    for body in ([HIDDEN], HIDDEN, None):
        assert masking.patch(core.USER, body) == UNDECLARED
        assert masking.search([core.USER], body) == UNDECLARED
    assert masking.patch(core.USER, {"schemas": HIDDEN, "Operations": HIDDEN}) == {
        "schemas": UNDECLARED,
        "Operations": UNDECLARED,
    }


def test_parameters_of_a_search() -> None:
    body = {"attributes": ["title"], "excludedAttributes": [HIDDEN, 5], "sortBy": "x" * 3000, "count": {"x": HIDDEN}}
    assert masking.search([core.USER], body) == {
        "attributes": ["title"],
        "excludedAttributes": UNDECLARED,
        "sortBy": "x" * 2000,
        "count": UNDECLARED,
    }


_ANY_CASE = st.sampled_from(["password", "Password", "PASSWORD", f"{USER}:password", f"{USER.upper()}:passWord"])
_UNKNOWN = st.sampled_from(["nope", "x", "secretStuff", "urn:example:Other", "name.nope", "emails[0]", "", "💥"])
_KNOWN = st.sampled_from(["userName", "name", "emails", USER, ENTERPRISE, "title", "schemas", "members"])
_HIDDEN = st.recursive(
    st.just(HIDDEN),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2) | st.dictionaries(_KNOWN | _UNKNOWN, inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)


@st.composite
def _bodies(draw: st.DrawFn, depth: int = 2) -> Any:
    """Objects in which everything that is secret or undeclared is HIDDEN, however deep, and the rest is not."""
    body: dict[str, Any] = draw(st.dictionaries(_ANY_CASE | _UNKNOWN, _HIDDEN, max_size=3))
    if depth:
        for key in draw(st.lists(st.sampled_from([USER, ENTERPRISE, "name", "emails"]), max_size=2, unique=True)):
            inner = draw(_bodies(depth=depth - 1))
            body[key] = [inner] if key == "emails" else inner
    return body


_PATHS = (
    _ANY_CASE | _UNKNOWN | st.sampled_from([None, 'password[value eq "a"].x', "name.nope", "emails.nope", "password.x"])
)


@tries(300)
@given(_bodies(), _PATHS, st.sampled_from(["Operations", "operations", "OPERATIONS"]))
def test_what_is_hidden_is_never_kept(body: Any, path: str | None, operations: str) -> None:
    kept = [masking.resource(core.USER, body)]
    operation: dict[str, Any] = {"op": "add", "value": body if path is None else HIDDEN, "VALUE": body}
    if path is not None:
        operation["path"] = path
    kept.append(masking.patch(core.USER, {operations: [operation, {"op": HIDDEN * 9, "value": body}], "x": HIDDEN}))
    kept.append(masking.search([core.USER], {**body, "filter": f'{path} eq "{HIDDEN}"'}))
    for masked in kept:
        assert HIDDEN not in json.dumps(masked, ensure_ascii=False).replace((HIDDEN * 9)[:20], "")
