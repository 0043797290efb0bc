"""Two versions of a document, row by row from cases/documents.json: their differences, and the changed index rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scimlite.scim import document, versions
from scimlite.scim.attribute import Attribute
from scimlite.scim.core import COMMON, USER
from scimlite.scim.schema import ResourceType, schema

CASES = json.loads(Path(__file__).with_name("cases").joinpath("documents.json").read_text("utf-8"))["differences"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_compares(case: dict[str, Any], resource_types: dict[str, ResourceType]) -> None:
    resource_type = resource_types[case.get("type", "User")]
    old, new = (document.finish(resource_type, {"id": "1", **case[side]}) for side in ("old", "new"))
    assert versions.differences(versions.changes(resource_type, old, new)) == case["differences"]
    turned = {path: [now, was] for path, (was, now) in case["differences"].items()}
    assert versions.differences(versions.changes(resource_type, new, old)) == turned


def test_a_stored_name_in_another_case_is_of_a_former_schema() -> None:
    """A changed index has the rows of a new one; the differences leave out the attribute of the former schema."""
    old, new = (document.finish(USER, {"userName": "ada", name: "x"}) for name in ("NickName", "nickName"))
    changes = versions.changes(USER, old, new)
    assert versions.differences(changes) == {"nickName": [None, "x"]}
    removed, added = versions.changed_rows(changes)
    assert document.value_rows(USER, old) - removed | added == document.value_rows(USER, new)
    assert versions.changes(USER, old, document.finish(USER, {"userName": "ada"})) == []


def test_writeonly_sub_attributes_of_several_values_are_hidden() -> None:
    keys = Attribute("keys", "complex", (Attribute("label"), Attribute("code", mutability="writeOnly")), True)
    safe = ResourceType("Safe", "Safes", "", schema("urn:x:Safe", "Safe", "", [keys], core=True), common=COMMON)
    old, new = ({"keys": [{"label": "a", "code": code}, {"label": "b"}]} for code in "12")
    hidden = [{"label": "a", "code": versions.HIDDEN}, {"label": "b"}]
    assert versions.differences(versions.changes(safe, old, new)) == {"keys": [hidden, hidden]}
    assert versions.differences(versions.changes(safe, {}, new)) == {"keys": [None, hidden]}


def test_a_document_does_not_differ_from_itself() -> None:
    ada = document.finish(USER, {"userName": "ada"})
    assert versions.changes(USER, ada, ada) == []
