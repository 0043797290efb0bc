"""PATCH, row by row from cases/patch.json, and what must hold for any operations.

A row has `source` and `target`, the attributes before and after (`unchanged` for the same again), `operations`, and
`links`, `ignored` or `error` where they matter. What a user, group or device has in any case is added by `filled`.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from scimlite.errors import ScimError
from scimlite.scim import document, messages, patch
from scimlite.scim.changes import LinkStep, Plan
from scimlite.scim.core import GROUP, USER
from scimlite.scim.filter import unparse
from scimlite.scim.patch import Operation
from scimlite.scim.schema import ResourceType

CASES = json.loads(Path(__file__).with_name("cases").joinpath("patch.json").read_text("utf-8"))
DONE = [pytest.param(case, id=case["name"]) for case in CASES if "error" not in case]
REFUSED = [pytest.param(case, id=case["name"]) for case in CASES if "error" in case]

COMMON = {
    "User": {"userName": "ada", "active": True},
    "Group": {"displayName": "Makers"},
    "Device": {"name": "Laptop"},
}


def filled(resource_type: ResourceType, attributes: dict[str, Any]) -> dict[str, Any]:
    """A stored document with these attributes and what every resource of its type has."""
    return document.finish(resource_type, {"id": "1", **COMMON[resource_type.name], **attributes})


def planned(case: dict[str, Any], resource_type: ResourceType) -> Plan:
    body = {"schemas": [messages.PATCH_URN], "Operations": case["operations"]}
    read = messages.load_json(json.dumps(body).encode())
    return patch.plan(messages.load_patch(read), resource_type, **case.get("settings", {}))


def shown(step: LinkStep) -> dict[str, Any]:
    """A step on links as a row writes it: only what it does."""
    steps = {
        "reset": step.reset,
        "remove_where": step.remove_where and unparse(step.remove_where),
        "remove": sorted(step.remove),
        "add": list(step.add),
        "expect": step.expect and unparse(step.expect),
        "then_refuse": step.then_refuse,
    }
    return {name: value for name, value in steps.items() if value}


@pytest.mark.parametrize("case", DONE)
def test_changes(case: dict[str, Any], resource_types: dict[str, ResourceType]) -> None:
    resource_type = resource_types[case.get("type", "User")]
    source = filled(resource_type, case.get("source", {}))
    before = copy.deepcopy(source)
    target = source if case.get("unchanged") else filled(resource_type, case.get("target", {}))

    plan = planned(case, resource_type)
    result = patch.apply(plan.edits, resource_type, source)

    assert result == target
    assert next(iter(result)) == "schemas"
    assert [shown(step) for step in plan.links] == case.get("links", [])
    assert plan.ignored == case.get("ignored", [])
    assert source == before
    assert bool(document.differences(resource_type, source, result)) == (source != target)
    if not case.get("once"):
        assert patch.apply(plan.edits, resource_type, result) == result


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: dict[str, Any], resource_types: dict[str, ResourceType]) -> None:
    resource_type = resource_types[case.get("type", "User")]
    source = filled(resource_type, case.get("source", {}))
    before = copy.deepcopy(source)
    with pytest.raises(ScimError) as refused:
        patch.apply(planned(case, resource_type).edits, resource_type, source)
    error = case["error"]
    assert (refused.value.status, refused.value.scim_type) == (error.get("status", 400), error.get("scimType"))
    assert error["detail"] in refused.value.detail
    assert len(refused.value.detail) < 250
    assert source == before


def test_one_request_makes_a_bounded_number_of_changes() -> None:
    operations = [Operation("add", "emails", f"{number}@example.com", given=True) for number in range(1001)]
    patch.plan(operations[:1000], USER)
    with pytest.raises(ScimError, match="at most 1000 changes"):
        patch.plan(operations, USER)


def test_members_one_by_one_are_one_step() -> None:
    operations = [Operation("add", "members", [{"value": str(number)}], given=True) for number in range(5000)]
    (step,) = patch.plan(operations, GROUP).links
    assert len(step.add) == 5000


def test_ten_thousand_values_are_added_and_removed_in_a_moment() -> None:
    # Comparing each with each would take minutes.
    many = [{"value": f"{number}@example.com", "type": "work"} for number in range(30_000)]
    source = filled(USER, {"emails": many})
    more = [*many, *({**mail, "type": "home"} for mail in many)]
    added = patch.apply(patch.plan([Operation("add", "emails", more, given=True)], USER).edits, USER, source)
    assert len(added["emails"]) == 60_000
    removed = patch.apply(patch.plan([Operation("remove", "emails", more, given=True)], USER).edits, USER, added)
    assert "emails" not in removed
