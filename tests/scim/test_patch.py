"""PATCH, row by row from cases/patch.json, and what must hold for any operations.

A row has `source` and `target`, the attributes before and after (`unchanged` for the same again), `operations`, and
`links`, `secrets`, `ignored` or `error` where they matter. What a user, group or device has in any case is added by
`filled`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from scimlite.errors import ScimError
from scimlite.scim import document, intake, messages, patch, patch_apply, versions
from scimlite.scim.attribute import Attribute
from scimlite.scim.core import GROUP, USER
from scimlite.scim.filter import unparse
from scimlite.scim.patch import Operation
from scimlite.scim.patch_plan import LinkStep, Plan
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
    """A stored document with these attributes and what every resource of its type has, but for those that are null."""
    stored = {"id": "1", **COMMON[resource_type.name], **attributes}
    return document.finish(resource_type, {name: value for name, value in stored.items() if value is not None})


def planned(case: dict[str, Any], resource_type: ResourceType) -> Plan:
    body = {"schemas": [messages.PATCH_URN], "Operations": case["operations"]}
    read = messages.load_json(json.dumps(body).encode())
    return patch.plan(messages.load_patch(read), resource_type, **case.get("settings", {}))


def shown(step: LinkStep) -> dict[str, Any]:
    """A step on links as a row writes it: only what it does."""
    steps = {
        "reset": step.reset,
        "remove_where": step.remove_where and unparse(step.remove_where),
        "among": step.among is not None and sorted(step.among),
        "remove": sorted(step.remove),
        "add": list(step.add),
        "replacements": step.replacements != [tuple(step.add)] and [list(ids) for ids in step.replacements],
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
    result = patch_apply.apply(plan.edits, resource_type, source)

    assert result == target
    assert next(iter(result)) == "schemas"
    assert [shown(step) for step in plan.links] == case.get("links", [])
    assert plan.ignored == case.get("ignored", [])
    assert plan.secrets == case.get("secrets", {})
    assert source == before
    assert bool(versions.differences(versions.changes(resource_type, source, result))) == (source != target)
    if not case.get("once"):
        assert patch_apply.apply(plan.edits, resource_type, result) == result


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: dict[str, Any], resource_types: dict[str, ResourceType]) -> None:
    resource_type = resource_types[case.get("type", "User")]
    source = filled(resource_type, case.get("source", {}))
    before = copy.deepcopy(source)
    with pytest.raises(ScimError) as refused:
        patch_apply.apply(planned(case, resource_type).edits, resource_type, source)
    error = case["error"]
    assert (refused.value.status, refused.value.scim_type) == (error.get("status", 400), error.get("scimType"))
    assert error["detail"] in refused.value.detail
    assert len(refused.value.detail) < 250
    assert source == before


def test_one_request_makes_a_bounded_number_of_changes() -> None:
    operations = [Operation("add", "emails", f"{number}@example.com", has_value=True) for number in range(1001)]
    patch.plan(operations[:1000], USER)
    with pytest.raises(ScimError, match="at most 1000 changes"):
        patch.plan(operations, USER)


def test_members_one_by_one_are_one_step() -> None:
    operations = [Operation("add", "members", [{"value": str(number)}], has_value=True) for number in range(5000)]
    (step,) = patch.plan(operations, GROUP).links
    assert len(step.add) == 5000


def test_ten_thousand_values_are_added_and_removed_in_a_moment() -> None:
    # Comparing each with each would take minutes.
    many = [{"value": f"{number}@example.com", "type": "work"} for number in range(10_000)]
    source = filled(USER, {"emails": many})
    more = [*many, *({**mail, "type": "home"} for mail in many)]
    add, remove = (patch.plan([Operation(op, "emails", more, has_value=True)], USER) for op in ("add", "remove"))
    added = patch_apply.apply(add.edits, USER, source)
    assert len(added["emails"]) == 20_000
    removed = patch_apply.apply(remove.edits, USER, added)
    assert "emails" not in removed


# -- any operations ----------------------------------------------------------------------------------------

SIMPLE: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["a", "A", "b", "work", "ß", "", " "]),
    "reference": st.sampled_from(["a", "https://example.com/b"]),
    "boolean": st.booleans() | st.sampled_from(["True", "false"]),
    "integer": st.integers(-2, 2),
    "decimal": st.sampled_from([-1.5, -0.0, 0, 1, 1.0]),
    "dateTime": st.sampled_from(["2026-01-31T08:00:00Z", "2026-01-31T09:00:00.5+01:00"]),
    "binary": st.sampled_from(["AQID", "AQ"]),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("\x00\ud800"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["value", "VALUE", "type", "foo", "userName"]) | st.text(max_size=2), inner)
    ),
    max_leaves=4,
)
FILTERS = ["[{0} eq {1}]"] * 4 + ["[{0} ne {1}]", "[{0} pr]", "[not ({0} eq {1})]", "[{0} eq {1} and {0} pr]", "["]


def one_of(attribute: Attribute) -> st.SearchStrategy[Any]:
    """A value of a single-valued attribute, or an item."""
    if not attribute.complex:
        return SIMPLE[attribute.type]
    subs = {sub.name: value_of(sub) | st.none() for sub in attribute.sub_attributes}
    return st.fixed_dictionaries({}, optional={**subs, "foo": st.just("x")})


def value_of(attribute: Attribute) -> st.SearchStrategy[Any]:
    one = one_of(attribute)
    return st.lists(one, max_size=3) | one if attribute.multi_valued else one


def rarely(strategy: st.SearchStrategy[Any], otherwise: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 14).flatmap(lambda dice: strategy if dice == 7 else otherwise)


def bodies(resource_type: ResourceType) -> st.SearchStrategy[dict[str, Any]]:
    def of(attributes: Iterable[Attribute]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({}, optional={a.name: rarely(ANYTHING, value_of(a)) for a in attributes})

    body = st.tuples(
        of(resource_type.core.values()), *(of(extension.attributes) for extension in resource_type.extensions)
    )
    return body.map(
        lambda parts: {**parts[0], **{e.id: p for e, p in zip(resource_type.extensions, parts[1:], strict=True)}}
    )


@st.composite
def targets(draw: st.DrawFn, resource_type: ResourceType) -> tuple[str, st.SearchStrategy[Any]]:
    """A path, and what values may stand there."""
    urn, attribute = draw(st.sampled_from(resource_type.attributes))
    path, value = attribute.path, value_of(attribute)
    if attribute.multi_valued and draw(st.booleans()):
        sub = draw(st.sampled_from(attribute.sub_attributes or (attribute,)))
        literal = json.dumps(draw(SIMPLE[sub.type]))
        name = sub.name if sub is not attribute else "value"
        path, value = path + draw(st.sampled_from(FILTERS)).format(name, literal), one_of(attribute)
    if attribute.complex and draw(st.booleans()):
        sub = draw(st.sampled_from(attribute.sub_attributes))
        path, value = f"{path}.{sub.name}", value_of(sub)
    shown = draw(st.sampled_from([path] * 6 + [path.upper(), urn or resource_type.schema.id, f"{path}.foo", "foo"]))
    return shown, rarely(ANYTHING, value)


@st.composite
def operations(draw: st.DrawFn, resource_type: ResourceType) -> Operation:
    op = draw(st.sampled_from(["add", "replace", "remove"]))
    if draw(st.integers(0, 3)) == 0:
        keys = draw(st.lists(targets(resource_type), max_size=3))
        value = draw(rarely(ANYTHING, st.just({path: draw(inner) for path, inner in keys})))
        return Operation(op, None, value, has_value=True)
    path, value = draw(targets(resource_type))
    has_value = draw(st.integers(0, 9)) < (4 if op == "remove" else 9)
    return Operation(op, path, draw(value) if has_value else None, has_value)


def stored(resource_type: ResourceType, body: dict[str, Any]) -> dict[str, Any]:
    """The document that a body is stored as, or the least one when it is refused."""
    cleaned = tried(lambda: intake.clean(resource_type, {**COMMON[resource_type.name], **body}).document)
    if cleaned is None:
        return filled(resource_type, {})
    return document.with_defaults(resource_type, {"schemas": cleaned["schemas"], "id": "1", **cleaned})


def tried(call: Callable[[], Any]) -> Any:
    """The result of a call; None when it raises a ScimError with a detail that can be sent."""
    try:
        return call()
    except ScimError as error:
        refused = error
    assert refused.status == 400
    assert len(refused.detail) < 400
    refused.detail.encode()
    return None


KINDS = st.sampled_from(["User", "Group", "Device", "Device"])


@given(st.data(), KINDS, st.booleans())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_operations_apply_or_are_refused(
    type_named: Callable[[str], ResourceType], data: st.DataObject, kind: str, ignore_unknown: bool
) -> None:
    resource_type = type_named(kind)
    source = stored(resource_type, data.draw(bodies(resource_type)))
    asked = data.draw(st.lists(operations(resource_type), min_size=1, max_size=3))
    before = repr((source, asked))
    plan = tried(lambda: patch.plan(asked, resource_type, ignore_unknown=ignore_unknown))
    result = plan and tried(lambda: patch_apply.apply(plan.edits, resource_type, source))
    assert repr((source, asked)) == before
    if not result:
        return
    event("changed" if result != source else "unchanged")
    assert result["id"] == source["id"]
    assert None not in result.values()
    for urn, attribute in resource_type.attributes:
        value = (result if urn is None else result.get(urn, {})).get(attribute.name)
        if attribute.read_only and attribute.key != "id":
            assert value is None
        if "primary" in attribute.subs:
            assert sum(item.get("primary") is True for item in value or ()) <= 1
    # A stored document is one that a client could have sent: it can be read, indexed and compared.
    cleaned = intake.clean(resource_type, result)
    assert document.finish(resource_type, {"id": result["id"], **cleaned.document}) == result
    assert cleaned.ignored == []
    rows = document.value_rows(resource_type, result)
    assert rows == document.value_rows(resource_type, cleaned.document)
    changes = versions.changes(resource_type, source, result)
    assert bool(versions.differences(changes)) == (source != result)
    # A changed index has the rows of a new one.
    removed, added = versions.changed_rows(changes)
    assert document.value_rows(resource_type, source) - removed | added == rows


@given(st.data(), KINDS)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_any_body_is_read_or_refused(type_named: Callable[[str], ResourceType], data: st.DataObject, kind: str) -> None:
    resource_type = type_named(kind)
    body = data.draw(bodies(resource_type) | st.dictionaries(st.text(max_size=3), ANYTHING))
    before = repr(body)
    cleaned = tried(lambda: intake.clean(resource_type, body))
    assert repr(body) == before
    if cleaned is not None:
        assert intake.clean(resource_type, cleaned.document).document == cleaned.document
        assert len(document.value_rows(resource_type, cleaned.document)) >= 1


@given(st.data(), st.sampled_from(["User", "Group"]))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_a_put_takes_all_that_was_sent(
    type_named: Callable[[str], ResourceType], data: st.DataObject, kind: str
) -> None:
    resource_type = type_named(kind)
    current, sent = (stored(resource_type, data.draw(bodies(resource_type))) for _ in range(2))
    body = {name: value for name, value in sent.items() if name != "id"}
    assert document.renewed(resource_type, current, body) == sent
