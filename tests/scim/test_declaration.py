"""Declarations of schemas and resource types, row by row from cases/declarations.json, and the types they make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import tries
from hostile_json import hostile
from scimlite.errors import ScimError
from scimlite.scim import core, declaration_form, declared, messages
from scimlite.scim.declaration import DeclarationError
from scimlite.scim.declared import NOTHING, Declared
from scimlite.scim.schema import ResourceType

CASES = json.loads(Path(__file__).with_name("cases").joinpath("declarations.json").read_text("utf-8"))
ACME = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User"
DEVICE = "urn:example:schemas:2.0:Device"


def rows(section: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in CASES[section]]


def declare(body: Any, to: Any = (), required: bool | None = None, before: Declared = NOTHING) -> Declared:
    return declared.with_more(before, declaration_form.read(body), to, required)


def types(declarations: Declared) -> dict[str, ResourceType]:
    return {own.name: own for own in declarations.resource_types(core.RESOURCE_TYPES).values()}


@pytest.mark.parametrize("case", rows("good"))
def test_a_declaration_makes_resource_types(case: dict[str, Any]) -> None:
    resource_types = types(declare(case["body"], case.get("to", ())))
    plain = types(NOTHING)
    for name, paths in case["attributes"].items():
        known = [*core.COMMON, *([a for _, a in plain[name].attributes] if name in plain else [])]
        if name not in plain and core.ENTERPRISE_SCHEMA in resource_types[name].extensions:
            known += core.ENTERPRISE_SCHEMA.attributes
        added = [leaf.path for _, a in resource_types[name].attributes if a not in known for leaf in a.leaves()]
        assert added == paths
    for name, paths in case.get("unique", {}).items():
        assert set(paths) <= resource_types[name].unique_paths
    for name, resource_type in resource_types.items():
        assert resource_type.required_extensions == set(case.get("required", {}).get(name, ()))


@pytest.mark.parametrize("case", rows("bad"))
def test_a_declaration_that_cannot_hold_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError) as refused:
        declare(case["body"], case["to"])
    assert case["error"] in str(refused.value)


@pytest.mark.parametrize("case", rows("good"))
def test_what_is_stored_is_read_again(case: dict[str, Any]) -> None:
    made = declare(case["body"], case.get("to", ()))
    again = declared.from_json(made.to_json())
    assert again.to_json() == made.to_json()
    assert again is declared.from_json(made.to_json())
    assert [t.declaration() for t in types(again).values()] == [t.declaration() for t in types(made).values()]


@pytest.mark.parametrize("case", rows("good"))
def test_what_is_written_can_be_declared(case: dict[str, Any]) -> None:
    made = declare(case["body"], case.get("to", ()))
    written = [declaration.declaration(whole=True) for declaration in made.schemas.values()]
    written += [declaration.declaration() for declaration in types(made).values()]
    assert declare({"Resources": written}).to_json() == made.to_json()


def test_nothing_declared_is_what_is_built_in() -> None:
    assert NOTHING.resource_types(core.RESOURCE_TYPES) == core.RESOURCE_TYPES
    assert declared.from_json(NOTHING.to_json()) is NOTHING


@pytest.mark.parametrize(
    ("kind", "declared_exact", "exact"),
    [
        ("string", None, False),
        ("string", True, True),
        ("reference", None, True),
        ("reference", False, False),
        ("binary", False, True),
        ("integer", True, False),
    ],
)
def test_case(kind: str, declared_exact: bool | None, exact: bool) -> None:
    attribute = {"name": "a", "type": kind, **({} if declared_exact is None else {"caseExact": declared_exact})}
    user = types(declare({"id": ACME, "attributes": [attribute]}, ["User"]))["User"]
    assert user.extension_by_key[ACME.lower()].by_key["a"].case_exact is exact


def test_what_is_write_only_is_never_returned() -> None:
    pin = {"name": "pin", "mutability": "writeOnly"}
    user = types(declare({"id": ACME, "attributes": [pin]}, ["User"]))["User"]
    assert user.extension_by_key[ACME.lower()].by_key["pin"].returned == "never"
    assert user.secret_paths == {f"{ACME}:pin"}


def test_a_schema_declared_anew_takes_the_place_of_the_old_one() -> None:
    before = declare({"id": ACME, "attributes": [{"name": "a"}]}, ["User"], required=True)
    after = declare({"id": ACME.upper().replace("URN:", "urn:"), "attributes": [{"name": "b"}]}, before=before)
    (extension,) = types(after)["User"].extensions[1:]
    assert [attribute.name for attribute in extension.attributes] == ["b"]
    assert types(after)["User"].required_extensions == {extension.id}
    optional = declare({"id": ACME, "attributes": [{"name": "b"}]}, ["User"], False, after)
    assert types(optional)["User"].required_extensions == frozenset()


def test_what_is_removed_is_gone_with_what_only_it_used() -> None:
    device = [
        {"name": "Device", "endpoint": "/Devices", "schema": DEVICE, "schemaExtensions": [{"schema": ACME}]},
        {"id": DEVICE, "attributes": [{"name": "displayName"}]},
        {"id": ACME, "attributes": [{"name": "badge"}]},
    ]
    both = declare(device)
    assert declared.without(both, "device").to_json() == "{}"
    shared = declare(device, ["User"])
    assert types(declared.without(shared, "Device"))["User"].extensions[-1].id == ACME
    assert types(declared.without(both, ACME.lower()))["Device"].extensions == ()
    for name, reason in ((DEVICE, "is the core schema of Device"), ("User", "is built in"), ("x", "Nothing is")):
        with pytest.raises(DeclarationError, match=reason):
            declared.without(both, name)


def test_an_extension_of_a_declared_type() -> None:
    device = declare(
        [
            {"name": "Device", "endpoint": "Devices", "schema": DEVICE},
            {"id": DEVICE, "attributes": [{"name": "displayName"}]},
        ]
    )
    resource_types = types(declare({"id": ACME, "attributes": [{"name": "badge"}]}, ["Device"], before=device))
    assert [extension.id for extension in resource_types["Device"].extensions] == [ACME]
    assert resource_types["User"] is core.USER


@given(data=st.data())
@tries(300)
def test_hostile_declarations_are_refused_or_hold(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES["good"]))
    raw = data.draw(hostile(case["body"]))
    try:
        made = declare(messages.load_json(raw), case.get("to", ()))
    except (ScimError, DeclarationError):
        return
    assert types(made)
    assert declared.from_json(made.to_json()).to_json() == made.to_json()
