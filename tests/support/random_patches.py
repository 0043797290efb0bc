"""Random documents and random PATCH operations: as a client sends them, and as steps for the reference model."""

from __future__ import annotations

import json
from functools import cache, partial
from typing import Any

from hypothesis import strategies as st

from random_searches import POOLS, in_item, literal, named, spelled, tree
from reference_patch import Step
from scimlite.scim.attribute import Attribute
from scimlite.scim.filter import Compare, Filter
from scimlite.scim.path import AttrPath
from scimlite.scim.schema import ResourceType

Json = Any
#: An operation as a client sends it, and its steps.
Operation = tuple[dict[str, Json], list[Step]]

#: Few, so that an operation often meets a value that is present.
_FEW = ["a", "A", "b", "work", "WORK", "home", "", " ", "ß", "SS", "İ", "i\u0307", "a" * 201]
_WRONG: list[Json] = [
    "a",
    1,
    1.5,
    True,
    {"foo": "a"},
    ["a", "b"],
    [1],
    [[]],
    {},
    2**63,
    2.0,
    "2.0",
    "2.5",
    " 2",
    "2026-02-30T00:00:00Z",
    "=",
]
_PERCENT = st.integers(0, 99)
_TEXT_TYPES = ("string", "reference")


def _one(attribute: Attribute, *, nulls: bool = False) -> st.SearchStrategy[Json]:
    """A right value of a single-valued attribute, or an item; `nulls` for a PATCH, where null removes."""
    if attribute.type in _TEXT_TYPES:
        return st.sampled_from(_FEW) | st.sampled_from(_FEW + POOLS["string"])
    if attribute.type in ("integer", "decimal"):
        numbers = st.sampled_from(POOLS[attribute.type])
        return numbers | numbers.map(json.dumps) | st.sampled_from(["5.0", "1e1"])
    if attribute.type != "complex":
        return st.sampled_from(POOLS[attribute.type])
    subs = {sub.name: right(sub, nulls=nulls) for sub in attribute.sub_attributes}
    if nulls:
        subs = {name: value | st.none() if name != "type" else value for name, value in subs.items()}
    # Few at a time: values with all sub-attributes are seldom the same.
    names = st.lists(st.sampled_from(sorted(subs)), unique=True, max_size=3)
    if nulls:
        subs["foo"] = st.just("x")
        strange = st.sampled_from([["foo"], ["foo", next(iter(subs))]])
        names = st.integers(0, 29).flatmap(partial(_rarely, strange, names))
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: subs[name] for name in chosen}))


def _rarely(rare: st.SearchStrategy[Json], otherwise: st.SearchStrategy[Json], dice: int) -> st.SearchStrategy[Json]:
    return rare if dice == 0 else otherwise


@cache
def right(attribute: Attribute, *, nulls: bool = False) -> st.SearchStrategy[Json]:
    """A value that an attribute can take."""
    one = _one(attribute, nulls=nulls)
    return st.lists(one, max_size=3) if attribute.multi_valued else one


def _writable(resource_type: ResourceType) -> list[tuple[str | None, Attribute]]:
    """The attributes that documents hold and operations name: passwords and links are kept elsewhere."""
    return [
        (urn, attribute)
        for urn, attribute in resource_type.attributes
        if attribute.mutability != "writeOnly" and not attribute.links and attribute.key != "schemas"
    ]


@st.composite
def bodies(draw: st.DrawFn, resource_type: ResourceType) -> dict[str, Json]:
    """A resource as a client might create it, with everything required."""
    body: dict[str, Json] = {}
    for urn, attribute in _writable(resource_type):
        if urn is None and attribute.required:
            body[attribute.name] = draw(st.sampled_from(["ada", "Ada", "ß"]))
    pairs = draw(st.lists(st.sampled_from(_writable(resource_type)), unique_by=lambda pair: pair[1].path, max_size=9))
    for urn, attribute in pairs:
        if attribute.read_only or (urn is None and attribute.required):
            continue
        (body if urn is None else body.setdefault(urn, {}))[attribute.name] = _filled_in(
            attribute, draw(right(attribute))
        )
    for extension in resource_type.extensions:
        for attribute in extension.attributes:
            if attribute.required and extension.id in body:
                body[extension.id][attribute.name] = "x"
    return body


def _filled_in(attribute: Attribute, value: Json) -> Json:
    """A value whose complex items have their required sub-attributes."""
    needed = {sub.name: "x" for sub in attribute.sub_attributes if sub.required}
    if not needed:
        return value
    items = [{**needed, **{k: v for k, v in item.items() if k not in needed or v.strip()}} for item in _listed(value)]
    return items if attribute.multi_valued else items[0]


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


@st.composite
def operations(draw: st.DrawFn, resource_type: ResourceType) -> Operation:
    """One operation: on a path, or an object of paths."""
    op = draw(st.sampled_from(["add", "replace", "remove"]))
    if op != "remove" and draw(_PERCENT) < 25:
        return _on_keys(draw, op, resource_type)
    if op == "remove" and resource_type.extensions and draw(_PERCENT) < 5:
        return _on_schema(draw, resource_type)
    step, path = _target(draw, op, resource_type, by_path=True)
    sent = {"op": op, "path": path}
    if op != "remove" or step.value is not None or draw(st.booleans()):
        sent["value"] = step.value
    return sent, [step]


def _on_keys(draw: st.DrawFn, op: str, resource_type: ResourceType) -> Operation:
    """An operation without a path: each key of the value is one, and the attributes of a URN may stand below it."""
    value: dict[str, Json] = {}
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 3))):
        step, path = _target(draw, op, resource_type, by_path=False)
        if step.urn and step.attribute and step.filter is None and not step.unknown and draw(st.booleans()):
            if path.lower() in value or step.urn in value:
                continue
            name = f"{step.attribute.name}.{step.sub.name}" if step.sub else step.attribute.name
            value[step.urn] = {name: step.value}
        elif path.lower() in {name.lower() for name in value}:
            continue
        else:
            value[path] = step.value
        steps.append(step)
    return {"op": op, "value": value}, steps


def _on_schema(draw: st.DrawFn, resource_type: ResourceType) -> Operation:
    """A remove of what is named of an extension."""
    extension = draw(st.sampled_from(resource_type.extensions))
    names = st.lists(st.sampled_from(extension.attributes), min_size=1, max_size=3, unique=True)
    steps = [
        Step("remove", extension.id, each, None, None, _value(draw, "remove", each, None, None), by_path=False)
        for each in draw(names)
    ]
    value = {step.attribute.name: step.value for step in steps if step.attribute}
    return {"op": "remove", "path": extension.id, "value": value}, steps


def _target(draw: st.DrawFn, op: str, resource_type: ResourceType, *, by_path: bool) -> tuple[Step, str]:
    """A step, and its path as text."""
    kind = draw(_PERCENT)
    if kind < 2:
        return Step(op, unknown=True, value="x", by_path=by_path), draw(st.sampled_from(_unknown(resource_type)))
    if kind < 6 and resource_type.extensions and by_path:
        extension = draw(st.sampled_from(resource_type.extensions)).id
        return Step(op, extension, by_path=by_path), extension
    if kind < 7 and op == "remove":
        return Step(op, by_path=by_path), resource_type.schema.id
    choices = [pair for pair in _writable(resource_type) if kind < 12 or not pair[1].read_only]
    if kind < 70:
        # These have the most rules.
        choices = [pair for pair in choices if pair[1].multi_valued or pair[1].complex] or choices
    urn, attribute = draw(st.sampled_from(choices))
    whole = named(draw, resource_type, urn, attribute)
    term = None
    if draw(_PERCENT) < (50 if attribute.multi_valued else 1):
        term = _filter(draw, attribute)
    subs = [sub for sub in attribute.sub_attributes if kind % 9 == 0 or not sub.read_only]
    sub = draw(st.sampled_from((None, *subs)))
    text = f"{whole}[{spelled(term)}]" if term is not None else str(whole)
    if sub is not None:
        text += f".{sub.name if kind % 3 else sub.name.upper()}"
    return Step(op, urn, attribute, term, sub, _value(draw, op, attribute, term, sub), by_path), text


def _unknown(resource_type: ResourceType) -> list[str]:
    urns = [resource_type.schema.id, *(extension.id for extension in resource_type.extensions)]
    return ["nothing", "nothing.value", "meta.nothing", "urn:example:nobody:x", *(f"{urn}:nothing" for urn in urns)]


def _filter(draw: st.DrawFn, attribute: Attribute) -> Filter:
    kind = draw(_PERCENT)
    if kind < 4:
        return Compare(AttrPath("nothing"), "eq", "a")
    subs = [sub for sub in attribute.sub_attributes if sub.returned != "never"]
    if kind < 60:
        # Clients send these, and they can make an item.
        leaf = draw(st.sampled_from(subs)) if subs else attribute
        name = leaf.name if subs else "value"
        return Compare(AttrPath(name), "eq", literal(draw, draw(right(leaf) if not leaf.multi_valued else _one(leaf))))
    return tree(draw, lambda: in_item(draw, attribute, []), 2)


def _value(draw: st.DrawFn, op: str, attribute: Attribute, term: Filter | None, sub: Attribute | None) -> Json:
    """The value of an operation: mostly right, sometimes none, an array of one, or a value of the wrong type."""
    kind = draw(_PERCENT)
    if op == "remove":
        if kind < 45:
            return None
        if kind < 50:
            return draw(st.sampled_from(["", [], [None], "a", {}, 1]))
        leaf = sub or attribute
        one = _one(leaf, nulls=kind < 75)
        return draw(right(leaf) if leaf.multi_valued and kind < 75 else one)
    if kind < 6:
        return None
    if kind < 8:
        return draw(st.sampled_from(_WRONG))
    leaf = sub or attribute
    one = _one(leaf, nulls=True)
    if leaf.multi_valued and (term is None or sub is not None):
        return draw(one if kind < 30 else st.lists(one if kind < 90 else one | st.none(), max_size=3))
    return [draw(one)] if kind < 15 else draw(one)
