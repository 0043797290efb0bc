"""Whole resources, row by row from cases/documents.json: read, indexed, and renewed by PUT.

A row of `clean` has a `body`, the stored `document` without the members that `finish` adds, and the parts of the body
that the document does not hold.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scimlite.errors import InvalidValue, ScimError
from scimlite.scim import document, intake, messages
from scimlite.scim.core import USER
from scimlite.scim.schema import ResourceType

LEASE = "urn:example:schemas:extension:2.0:Lease"
CASES = json.loads(Path(__file__).with_name("cases").joinpath("documents.json").read_text("utf-8"))


def rows(section: str, *, refused: bool = False) -> list[Any]:
    chosen = [case for case in CASES[section] if ("error" in case) == refused]
    return [pytest.param(case, id=case["name"]) for case in chosen]


@pytest.mark.parametrize("case", rows("clean"))
def test_reads(case: dict[str, Any], resource_types: dict[str, ResourceType]) -> None:
    resource_type = resource_types[case.get("type", "User")]
    body = messages.load_json(json.dumps(case["body"]).encode())
    before = copy.deepcopy(body)
    cleaned = intake.clean(resource_type, body)
    assert cleaned.document == document.finish(resource_type, case["document"])
    assert cleaned.document["schemas"] == case.get("schemas", cleaned.document["schemas"])
    assert cleaned.links == case.get("links", [])
    assert cleaned.ignored == case.get("ignored", [])
    assert cleaned.secrets == case.get("secrets", {})
    assert body == before
    assert intake.clean(resource_type, cleaned.document).document == cleaned.document


@pytest.mark.parametrize("case", rows("clean", refused=True))
def test_refuses(case: dict[str, Any], resource_types: dict[str, ResourceType]) -> None:
    with pytest.raises(ScimError) as refused:
        intake.clean(resource_types[case.get("type", "User")], case["body"])
    assert (refused.value.status, refused.value.scim_type) == (400, case["error"]["scimType"])
    assert case["error"]["detail"] in refused.value.detail


@pytest.mark.parametrize("case", rows("value_rows"))
def test_indexes(case: dict[str, Any], resource_types: dict[str, ResourceType]) -> None:
    resource_type = resource_types[case.get("type", "User")]
    indexed = document.value_rows(resource_type, document.finish(resource_type, case["document"]))
    assert sorted(list(row) for row in indexed) == sorted(case["rows"])


@pytest.mark.parametrize("case", rows("renewed"))
def test_renews(case: dict[str, Any], resource_types: dict[str, ResourceType]) -> None:
    resource_type = resource_types[case.get("type", "User")]
    current = document.finish(resource_type, {"id": "1", **case["current"]})
    cleaned = intake.clean(resource_type, case["body"])
    renewed = document.renewed(resource_type, current, cleaned.document)
    assert renewed == document.finish(resource_type, {"id": "1", **case["document"]})
    assert list(renewed)[:2] == ["schemas", "id"]


@pytest.mark.parametrize("case", rows("renewed", refused=True))
def test_does_not_renew(case: dict[str, Any], resource_types: dict[str, ResourceType]) -> None:
    resource_type = resource_types[case.get("type", "User")]
    current = document.finish(resource_type, {"id": "1", **case["current"]})
    cleaned = intake.clean(resource_type, case["body"])
    with pytest.raises(ScimError) as refused:
        document.renewed(resource_type, current, cleaned.document)
    assert refused.value.scim_type == case["error"]["scimType"]
    assert case["error"]["detail"] in refused.value.detail


def test_what_has_no_value_gets_its_default() -> None:
    sent = intake.clean(USER, {"userName": "ada"}).document
    assert document.with_defaults(USER, sent)["active"] is True
    assert document.with_defaults(USER, sent, {"active": False})["active"] is False
    assert "active" not in document.with_defaults(USER, sent, {"userName": "ada"})
    assert document.with_defaults(USER, {**sent, "active": False})["active"] is False


def test_what_was_not_taken_is_listed_shortly() -> None:
    body = {"userName": "ada", "x" * 1000: 1, **{f"attribute{number}": 1 for number in range(1000)}}
    ignored = intake.clean(USER, body).ignored
    assert len(ignored) == 20
    assert ignored[0] == "x" * 200 + "…"


def test_stored_values_of_a_former_schema_do_no_harm() -> None:
    former = {"userName": "ada", "name": {"givenName": "Ada", "former": "x"}, "shoeSize": "43"}
    rows = document.value_rows(USER, document.finish(USER, former))
    assert sorted(row.path for row in rows) == ["name.givenName", "userName"]


def test_an_empty_display_name_is_one() -> None:
    assert document.names(USER, {"userName": "ada", "displayName": ""}) == ("ada", "")
    assert document.names(USER, {"userName": "ada"}) == ("ada", None)


def test_a_required_extension_must_have_a_value(device: ResourceType) -> None:
    lease = device.extensions[0]
    strict = replace(device, required_extensions=frozenset({lease.id}))
    assert intake.clean(strict, {"name": "Laptop", lease.id: {"lender": "x"}}).document[lease.id] == {"lender": "x"}
    for body in ({"name": "Laptop"}, {"name": "Laptop", lease.id: {}}):
        with pytest.raises(InvalidValue, match=f"{lease.id} is required"):
            intake.clean(strict, body)


@pytest.mark.parametrize(
    ("paths", "changes"),
    [
        ({"name"}, {"name": None}),
        ({"tags", "owner.room"}, {"tags": None, "owner": {"value": "7"}}),
        ({"owner.room", "owner.value", "parts.value"}, {"owner": None, "parts": [{"type": "x"}]}),
        ({f"{LEASE}:agent.mail"}, {LEASE: {"lender": "x", "agent": {"name": "a"}}}),
        ({f"{LEASE}:lender"}, {LEASE: {"agent": {"name": "a", "mail": "m"}}}),
        ({"nothing", "counts"}, {}),
    ],
)
def test_without(paths: set[str], changes: dict[str, Any], device: ResourceType) -> None:
    whole = {
        "name": "n",
        "tags": ["a"],
        "owner": {"value": "7", "room": "1"},
        "parts": [{"value": "ram", "type": "x"}, {"value": "cpu"}],
        LEASE: {"lender": "x", "agent": {"name": "a", "mail": "m"}},
    }
    expected = {name: value for name, value in {**whole, **changes}.items() if value is not None}
    assert document.without(device, whole, paths) == expected


def test_equal_items_with_halves_of_surrogate_pairs_are_one() -> None:
    """JSON has none, but code that writes without HTTP may give them."""
    for items in (["\ud800", "\ud800"], [{"value": "x", "type": "\udfff"}] * 2):
        assert len(intake.clean(USER, {"userName": "ada", "emails": items}).document["emails"]) == 1
    countries = [{"country": "\ud800"}, {"country": "\udfff"}, {"country": "\ud800"}]
    assert intake.clean(USER, {"userName": "ada", "addresses": countries}).document["addresses"] == countries[:2]
