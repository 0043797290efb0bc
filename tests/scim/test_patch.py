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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    many = [{"value": f"{number}@example.com", "type": "work"} for number in range(10_000)]
    source = filled(USER, {"emails": many})
    more = [*many, *({**mail, "type": "home"} for mail in many)]
    added = patch.apply(patch.plan([Operation("add", "emails", more, given=True)], USER).edits, USER, source)
    assert len(added["emails"]) == 20_000
    removed = patch.apply(patch.plan([Operation("remove", "emails", more, given=True)], USER).edits, USER, added)
    assert "emails" not in removed


# -- any operations ----------------------------------------------------------------------------------------

TYPES = {"User": USER, "Group": GROUP, "Device": DEVICE}
SUBS = ["value", "type", "primary", "display", "$ref", "givenName", "since", "model", "maker", "phones", "foo", "Value"]
NAMES = sorted({a.name for t in TYPES.values() for _, a in t.attributes}) + ["foo", "USERNAME", "managerId"]
URNS = [*(s.id for t in TYPES.values() for s in (t.schema, *t.extensions)), "urn:x:y:2.0:User", ""]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", " ", "a", "A", "b", "true", "False", "work", "2026-01-31T08:00:00Z", "AQID", "ß", "\x00\ud800"])
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
)
OBJECTS = st.dictionaries(st.sampled_from(SUBS) | st.text(max_size=2), SCALARS, max_size=4)
ITEMS = SCALARS | OBJECTS | st.lists(SCALARS | OBJECTS, max_size=3)
PATHS = st.builds(
    lambda urn, name, condition, sub: (f"{urn}:" if urn else "") + name + condition + sub,
    st.sampled_from(URNS[-1:] * 6 + URNS),
    st.sampled_from(NAMES),
    st.sampled_from([""] * 4)
    | st.builds(
        "[{} {} {}]".format,
        st.sampled_from(SUBS),
        st.sampled_from(["eq"] * 4 + ["ne", "co", "gt"]),
        st.sampled_from(['"a"', '"work"', "true", "1", "null"]),
    )
    | st.sampled_from(['[value eq "a" and type eq "work"]', '[type eq "a" or value pr]', "[not (type pr)]", "["]),
    st.sampled_from([""] * 3) | st.sampled_from(SUBS).map(".{}".format),
) | st.sampled_from(URNS)
RESOURCES = st.dictionaries(PATHS, ITEMS | st.dictionaries(st.sampled_from(NAMES), ITEMS, max_size=3), max_size=4)
OPERATIONS = st.lists(
    st.builds(
        Operation,
        st.sampled_from(["add", "replace", "remove"]),
        st.none() | PATHS,
        RESOURCES | ITEMS,
        given=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), ITEMS, max_size=6) | st.dictionaries(
    st.sampled_from(URNS + NAMES), RESOURCES | ITEMS, max_size=4
)


def stored(resource_type: ResourceType, body: dict[str, Any]) -> dict[str, Any]:
    """The document that a body is stored as, or the least one when it is refused."""
    try:
        cleaned = document.clean(resource_type, {**COMMON[resource_type.name], **body}).document
    except ScimError:
        return filled(resource_type, {})
    return document.with_defaults(resource_type, {"schemas": cleaned["schemas"], "id": "1", **cleaned})


@given(st.sampled_from(list(TYPES.values())), BODIES, OPERATIONS, st.booleans())
@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow])
def test_any_operations_apply_or_are_refused(
    resource_type: ResourceType, body: dict[str, Any], operations: list[Operation], ignore_unknown: bool
) -> None:
    source = stored(resource_type, body)
    asked = copy.deepcopy((source, operations))
    try:
        plan = patch.plan(operations, resource_type, ignore_unknown=ignore_unknown)
        result = patch.apply(plan.edits, resource_type, source)
    except ScimError as refused:
        assert 400 <= refused.status < 500
        refused.detail.encode()
        assert len(refused.detail) < 400
        return
    finally:
        assert (source, operations) == asked or repr((source, operations)) == repr(asked)  # NaN is not itself

    assert result["id"] == source["id"]
    assert None not in result.values()
    for urn, attribute in resource_type.attributes:
        value = (result if urn is None else result.get(urn, {})).get(attribute.name)
        if attribute.read_only and attribute.key != "id":
            assert value is None
        if "primary" in attribute.subs:
            assert sum(item.get("primary") is True for item in value or ()) <= 1
    # What is stored is what a client could have sent, so it can be read, indexed and told apart.
    cleaned = document.clean(resource_type, result)
    assert document.finish(resource_type, {"id": result["id"], **cleaned.document}) == result
    assert cleaned.ignored == []
    rows = document.value_rows(resource_type, result)
    assert rows == document.value_rows(resource_type, cleaned.document)
    changed = document.differences(resource_type, source, result)
    assert bool(changed) == (source != result)
    if not changed:
        assert rows == document.value_rows(resource_type, source)


@given(st.sampled_from(list(TYPES.values())), BODIES)
@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
def test_any_body_is_read_or_refused(resource_type: ResourceType, body: dict[str, Any]) -> None:
    before = repr(body)
    try:
        cleaned = document.clean(resource_type, body)
    except ScimError as refused:
        assert refused.status == 400
        refused.detail.encode()
    else:
        assert document.clean(resource_type, cleaned.document).document == cleaned.document
        document.value_rows(resource_type, cleaned.document)
    assert repr(body) == before


@given(st.sampled_from(list(TYPES.values())), BODIES, BODIES)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_a_put_takes_what_was_sent(resource_type: ResourceType, old: dict[str, Any], new: dict[str, Any]) -> None:
    current, sent = stored(resource_type, old), stored(resource_type, new)
    sent = {name: value for name, value in sent.items() if name not in ("schemas", "id")}
    try:
        renewed = document.renewed(resource_type, current, document.finish(resource_type, sent))
    except ScimError as refused:
        assert refused.scim_type == "mutability"
    else:
        assert {**renewed, **sent} == renewed or "serial" in current or resource_type.extensions
