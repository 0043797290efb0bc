"""A reference model of PATCH, straight from RFC 7644 section 3.5.2, over plain dicts: each step works on a copy.

It is slow and shares no code with the service: tests compare the service's answers with it. Where the RFC leaves a
choice, docs/architecture.md makes it. Steps hold the parts of their paths, so that nothing is parsed here.
"""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reference_filter import comparable, item_matches
from reference_normal import alike, each_once, emptied, equal, says_something, settled
from reference_values import (
    RefusedError,
    assign,
    blank,
    check_filter,
    complex_value,
    item_value,
    listed,
    simple_value,
    sub_attribute,
    unwrapped,
    whole_value,
)
from scimlite.scim.attribute import Attribute
from scimlite.scim.filter import And, Compare, Filter
from scimlite.scim.schema import ResourceType

Json = Any
Document = dict[str, Json]


@dataclass(frozen=True)
class Step:
    """One change of one attribute; without an attribute, of the whole extension `urn`.

    `unknown`: the path names no attribute. `by_path` is False when the path was a key of the operation's value.
    """

    op: str
    urn: str | None = None
    attribute: Attribute | None = None
    filter: Filter | None = None
    sub: Attribute | None = None
    value: Json = None
    by_path: bool = True
    unknown: bool = False


@dataclass(frozen=True)
class Result:
    """The document after all steps, or None and the scimTypes of all wrong steps, each tried by itself."""

    document: Document | None
    refused: frozenset[str] = frozenset()


def patched(steps: Iterable[Step], resource_type: ResourceType, document: Document) -> Result:
    """The result of the steps on a document: all apply, or none."""
    current, wrong = document, set()
    for step in steps:
        trial = copy.deepcopy(current)
        try:
            _take(step, resource_type, trial)
        except RefusedError as refused:
            wrong.add(str(refused))
        else:
            current = trial
    if not wrong:
        current = settled(resource_type, current)
    if not wrong and not (_complete(resource_type, current) and _named(document, current)):
        wrong.add("invalidValue")
    if wrong:
        return Result(None, frozenset(wrong))
    held = [extension.id for extension in resource_type.extensions if current.get(extension.id)]
    return Result({**current, "schemas": [resource_type.schema.id, *held]})


def _complete(resource_type: ResourceType, document: Document) -> bool:
    """True when every required attribute has a value; those of an extension count once it has a value."""
    for urn, attribute in resource_type.attributes:
        holder = document if urn is None else document.get(urn)
        if holder is None or attribute.links or attribute.read_only:
            continue
        if attribute.required and not _says_something(holder.get(attribute.name)):
            return False
        for item in listed(holder.get(attribute.name)):
            needed = [sub for sub in attribute.sub_attributes if sub.required]
            if not all(_says_something(item.get(sub.name)) for sub in needed):
                return False
    return True


def _named(before: Document, after: Document) -> bool:
    """True unless a new userName has white space at an end or a control character (RFC 8265 section 3.3).

    Names with invisible characters are not among the examples.
    """
    name = after.get("userName", "")
    return name == before.get("userName") or not (
        name[:1].isspace() or name[-1:].isspace() or any(unicodedata.category(char) == "Cc" for char in name)
    )


def _says_something(value: Json) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value not in (None, [])


# --- one step -----------------------------------------------------------------------------------------------------


def _take(step: Step, resource_type: ResourceType, document: Document) -> None:
    if step.unknown:
        raise RefusedError("invalidPath")
    if step.attribute is None:
        _drop_extension(step, resource_type, document)
        return
    if step.filter is not None:
        check_filter(step.attribute, step.filter)
    if step.attribute.read_only or (step.sub is not None and step.sub.read_only):
        if step.by_path:
            raise RefusedError("mutability")
        return
    _check_names(step, step.attribute)
    holder = document if step.urn is None else document.setdefault(step.urn, {})
    name = step.attribute.name
    before = copy.deepcopy(holder.get(name))
    after = _several(step, before) if step.attribute.multi_valued else _one(step, before)
    if after != before and before is not None and step.attribute.mutability == "immutable":
        raise RefusedError("mutability")
    if after in (None, [], {}):
        if step.attribute.required and not (before is None and _names_values(step)):
            raise RefusedError("mutability")
        holder.pop(name, None)
    else:
        holder[name] = after
    if step.urn is not None and not holder:
        del document[step.urn]


def _check_names(step: Step, attribute: Attribute) -> None:
    """Refuses a value that names a sub-attribute which does not exist."""
    if step.sub is not None or attribute.type != "complex":
        return
    for item in listed(step.value):
        if isinstance(item, dict) and any(sub_attribute(attribute, name) is None for name in item):
            raise RefusedError("invalidPath")


def _drop_extension(step: Step, resource_type: ResourceType, document: Document) -> None:
    """Remove a whole extension, required attributes included; refused when an immutable one has a value."""
    if step.urn is None:
        raise RefusedError("noTarget")
    if step.op == "add":
        return
    held = document.pop(step.urn, {})
    extension = next(extension for extension in resource_type.extensions if extension.id == step.urn)
    if any(attribute.mutability == "immutable" and attribute.name in held for attribute in extension.attributes):
        raise RefusedError("mutability")


def _names_values(step: Step) -> bool:
    """True for a remove that says what is to go. A blank says nothing, but where it is one of all values."""
    leaf = step.sub or step.attribute
    assert leaf is not None
    if step.op != "remove":
        return False
    if not leaf.multi_valued:
        return unwrapped(step.value) not in (None, "")
    return step.value is not None and (step.value != "" or step.filter is None or step.sub is not None)


def _one(step: Step, before: Json) -> Json:
    """A single value: replaced if simple, merged if complex (sections 3.5.2.1 and 3.5.2.3)."""
    attribute, value = step.attribute, unwrapped(step.value)
    assert attribute is not None
    if step.filter is not None:
        raise RefusedError("invalidPath")
    if step.op != "remove" and _clears(attribute, value if step.sub is None else {step.sub.name: value}):
        return None
    if step.sub is not None:
        after = _with_sub(step, step.sub, before or {})
    elif step.op == "remove":
        return _one_less(step, attribute, before)
    elif blank(value):
        _check_clearing(attribute, value)
        return None
    elif attribute.type != "complex":
        return simple_value(attribute, value)
    elif value == {}:
        return before
    else:
        sent = complex_value(attribute, value)
        subs = {name: sub_attribute(attribute, name) for name in sent}
        if not step.by_path and all(sub is not None and sub.read_only for sub in subs.values()):
            return before
        after, changes = dict(before or {}), False
        for name, sub in subs.items():
            if sub is not None and not sub.read_only:
                changes = True
                assign(after, sub, whole_value(sub, sent[name]))
        if not changes:
            raise RefusedError("invalidValue")
        after = _without_stale_reference(before or {}, after, sent)
    _check_protected(attribute, before or {}, after)
    return after


def _check_clearing(attribute: Attribute, value: Json) -> None:
    """Refuses no value for an attribute with a default, and a blank for a required one."""
    if attribute.default is not None or (attribute.required and value == ""):
        raise RefusedError("invalidValue")


def _clears(attribute: Attribute, value: Json) -> bool:
    """True for a blank `value`: identity providers clear a reference so."""
    if attribute.type != "complex" or sub_attribute(attribute, "value") is None:
        return False
    return value == "" or (isinstance(value, dict) and any(n.lower() == "value" and v == "" for n, v in value.items()))


def _one_less(step: Step, attribute: Attribute, before: Json) -> Json:
    """A single value after a remove."""
    value = unwrapped(step.value)
    if not _names_values(step):
        return None
    if attribute.type == "complex":
        after = _without_named(step, complex_value(attribute, value), before or {})
        _check_protected(attribute, before or {}, after)
        return after
    return None if _same(attribute, simple_value(attribute, value), before) else before


def _without_named(step: Step, sent: Document, before: Document) -> Document:
    """A single complex value without the sub-attributes that a remove names, where they are equal or named blank."""
    assert step.attribute is not None
    subs = {name: sub for name in sent if (sub := sub_attribute(step.attribute, name)) is not None}
    if not sent or (not step.by_path and all(sub.read_only for sub in subs.values())):
        return before
    if all(sub.read_only for sub in subs.values()):
        raise RefusedError("invalidValue")
    after = before
    for name, sub in subs.items():
        if not sub.read_only:
            value = None if sent[name] in (None, "", []) else sent[name]
            after = _with_sub(Step("remove", attribute=step.attribute, sub=sub, value=value), sub, after)
    return after


def _several(step: Step, before: Json) -> list[Json]:
    """Values of a multi-valued attribute: all, or those that the filter picks."""
    attribute, items = step.attribute, list(before or [])
    assert attribute is not None
    if step.sub is None and step.filter is None:
        return _all_values(step, attribute, items)
    chosen = [place for place, item in enumerate(items) if _picked(step, attribute, item)]
    if step.sub is None and _names_values(step):
        named = [value for value in listed(step.value) if not blank(value) and value != {}]
        sent = [(value, item_value(attribute, value)) for value in named]
        wanted = [value for before, value in sent if value != {} and not emptied(attribute, before, value)]
        gone = [place for place in chosen if any(_means(attribute, value, items[place]) for value in wanted)]
        return [item for place, item in enumerate(items) if place not in gone]
    if step.sub is None and (step.op == "remove" or (step.op == "replace" and _removes(step, attribute))):
        return [item for place, item in enumerate(items) if place not in chosen]
    if (
        step.sub is None
        and _nothing(step, attribute)
        and (not chosen or (step.op == "add" and blank(unwrapped(step.value))))
    ):
        return items
    takes_away = step.sub is not None and (step.op == "remove" or whole_value(step.sub, step.value) is None)
    if takes_away:
        _changed_item(step, attribute, {})
        for place in chosen:
            items[place] = _left(attribute, items[place], _changed_item(step, attribute, items[place]))
        return [item for item in items if item != {}]
    if step.filter is None and len(chosen) > 1:
        _changed_item(step, attribute, {})
        raise RefusedError("noTarget")
    for place in chosen:
        items[place] = _left(attribute, items[place], _changed_item(step, attribute, items[place]))
    if not chosen:
        items.append(_new_item(step, attribute))
        chosen = [len(items) - 1]
    return _with_one_primary(attribute, [item for item in items if item != {}], items[chosen[-1]])


def _removes(step: Step, attribute: Attribute) -> bool:
    """True when the value in place of items is none. An object of nulls is one: it may leave what the filter fixes."""
    value = unwrapped(step.value)
    return value is None or (value == "" and attribute.type != "complex")


def _names_subs(step: Step) -> bool:
    """True for a replace, and for an add of an object, which takes away what it names with null."""
    return step.op == "replace" or isinstance(unwrapped(step.value), dict)


def _nothing(step: Step, attribute: Attribute) -> bool:
    """True when the value for an item is none: null, blank, or an object of such."""
    value = unwrapped(step.value)
    return blank(value) or item_value(attribute, value) == {}


def _picked(step: Step, attribute: Attribute, item: Json) -> bool:
    return step.filter is None or item_matches(step.filter, attribute, item)


def _left(attribute: Attribute, before: Json, after: Json) -> Json:
    """An item after a change; nothing is left of an address without a value."""
    return {} if sub_attribute(attribute, "value") is None and emptied(attribute, before, after) else after


def _changed_item(step: Step, attribute: Attribute, before: Json) -> Json:
    if step.sub is not None:
        after = _with_sub(step, step.sub, before)
    else:
        new = item_value(attribute, unwrapped(step.value))
        if attribute.type != "complex":
            return new
        sent = complex_value(attribute, unwrapped(step.value))
        if step.op == "replace":
            nulls = {name.lower() for name, value in sent.items() if _is_no_value(attribute, name, value)}
            fixed = [name for name in _fixed(step.filter, attribute) if name in before and name.lower() not in nulls]
            after = {**{name: before[name] for name in fixed}, **new}
        else:
            after = {**before, **new}
            for name, value in sent.items():
                sub = sub_attribute(attribute, name)
                if sub is not None and _is_no_value(attribute, name, value):
                    after.pop(sub.name, None)
            after = _without_stale_reference(before, after, new)
    _check_protected(attribute, before, after)
    return after


def _fixed(term: Filter | None, attribute: Attribute) -> list[str]:
    """The sub-attributes of which a filter says what they are, by `eq` that must hold."""
    if isinstance(term, And):
        return [name for inner in term.terms for name in _fixed(inner, attribute)]
    if isinstance(term, Compare) and term.op == "eq" and term.value is not None:
        return [sub.name for sub in [sub_attribute(attribute, term.path.name)] if sub is not None]
    return []


def _is_no_value(attribute: Attribute, name: str, value: Json) -> bool:
    """True when an object takes a sub-attribute away that clients can write."""
    sub = sub_attribute(attribute, name)
    return sub is not None and not sub.read_only and whole_value(sub, value) is None


def _new_item(step: Step, attribute: Attribute) -> Json:
    """The item for a value path without a match: a filter of `eq` joined by `and` makes one (Entra ID needs it)."""
    whole, value = step.sub, step.value
    new = {whole.name: whole_value(whole, value)} if whole else item_value(attribute, unwrapped(value))
    equalities = _equalities(step.filter) if step.filter is not None else []
    if attribute.type != "complex" or equalities is None:
        raise RefusedError("noTarget")
    made: Document = {}
    for term in equalities:
        sub = sub_attribute(attribute, term.path.name)
        assert sub is not None
        assign(made, sub, whole_value(sub, term.value))
    made.update(new)
    if not _picked(step, attribute, made):
        raise RefusedError("noTarget")
    return made


def _equalities(term: Filter) -> list[Compare] | None:
    """The comparisons of a filter of `eq` joined by `and`; None for any other filter."""
    if isinstance(term, Compare):
        return [term] if term.op == "eq" and not blank(term.value) else None
    if isinstance(term, And):
        parts = [_equalities(inner) for inner in term.terms]
        return None if None in parts else [equality for part in parts if part is not None for equality in part]
    return None


def _all_values(step: Step, attribute: Attribute, items: list[Json]) -> list[Json]:
    """An operation on a multi-valued attribute as a whole."""
    if step.op == "remove" and step.value is None:
        return []
    named = [value for value in listed(step.value) if not blank(value) and not (step.op == "remove" and value == {})]
    sent = [(value, item_value(attribute, value)) for value in named]
    new = [value for before, value in sent if value != {} and not emptied(attribute, before, value)]
    if step.op == "remove":
        return [item for item in items if not any(_means(attribute, wanted, item) for wanted in new)]
    if step.op == "replace":
        return _with_one_primary(attribute, new, None)
    newest = None
    for added in each_once(attribute, new):
        same = next((place for place, item in enumerate(items) if _same(attribute, added, item)), None)
        if same is None:
            items.append(copy.deepcopy(added))
            same = len(items) - 1
        elif attribute.type == "complex":
            merged = _without_stale_reference(items[same], {**items[same], **added}, added)
            _check_protected(attribute, items[same], merged)
            items[same] = merged
        if isinstance(added, dict) and added.get("primary") is True:
            newest = items[same]
    return _with_one_primary(attribute, items, newest)


def _same(attribute: Attribute, new: Json, old: Json) -> bool:
    """True when a value to add is present already: a pair of value and type must not stand twice."""
    if new is None or old is None:
        return False
    if attribute.type != "complex":
        return bool(comparable(attribute, new) == comparable(attribute, old))
    if "value" not in new or "value" not in old:
        return alike(attribute, new, old)
    return equal(attribute, "value", new, old) and ("type" not in new or equal(attribute, "type", new, old))


def _means(attribute: Attribute, wanted: Json, item: Json) -> bool:
    """True when a remove lists this item: by value and perhaps type, else by all sub-attributes in the list."""
    if attribute.type != "complex" or "value" in wanted:
        return ("value" in item if attribute.type == "complex" else True) and _same(attribute, wanted, item)
    return all(equal(attribute, name, wanted, item) for name in wanted)


def _with_one_primary(attribute: Attribute, items: list[Json], newest: Json) -> list[Json]:
    """At most one value is primary: the one written last (RFC 7643 section 2.4), if it is a value."""
    if attribute.type != "complex":
        return items
    marked = [item for item in items if item.get("primary") is True and says_something(attribute, item)]
    keep = newest if any(item is newest for item in marked) else marked[-1] if marked else None
    others = [item for item in marked if item is not keep]
    return [{**item, "primary": False} if any(item is other for other in others) else item for item in items]


# --- sub-attributes -----------------------------------------------------------------------------------------------


def _with_sub(step: Step, sub: Attribute, before: Document) -> Document:
    """A complex value after a change of one sub-attribute."""
    after = dict(before)
    if step.op == "remove":
        left = None
        if sub.multi_valued and step.value is not None:
            left = _all_values(Step("remove", attribute=sub, value=step.value), sub, before.get(sub.name, []))
        elif _names_values(step):
            value = whole_value(sub, step.value)
            left = [] if _same(sub, value, before.get(sub.name)) else before.get(sub.name)
        assign(after, sub, left if left not in ([], None) else None)
    else:
        value = whole_value(sub, step.value)
        if step.op == "add" and sub.multi_valued and value is not None:
            # Section 3.5.2.1: a new value is added, one that is there already is not.
            value = _all_values(Step("add", attribute=sub, value=value), sub, list(before.get(sub.name, [])))
        assign(after, sub, value)
    return _without_stale_reference(before, after, {} if step.op == "remove" else {sub.name: None})


def _without_stale_reference(before: Document, after: Document, sent: Iterable[str]) -> Document:
    """A `$ref` belongs to the `value` it came with."""
    if after.get("value") != before.get("value") and not any(name.lower() == "$ref" for name in sent):
        return {name: value for name, value in after.items() if name != "$ref"}
    return after


def _check_protected(attribute: Attribute, before: Document, after: Document) -> None:
    """Refuses a change of an immutable sub-attribute, and the loss of a required one in a value that stays."""
    for sub in attribute.sub_attributes:
        changes = sub.name in before and before[sub.name] != after.get(sub.name)
        if changes and (sub.mutability == "immutable" or (sub.required and after and sub.name not in after)):
            raise RefusedError("mutability")
