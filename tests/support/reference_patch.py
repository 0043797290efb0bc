"""What PATCH means, straight from RFC 7644 section 3.5.2, over plain dicts: one step at a time, each on a copy.

Slow, and written without looking at how the service does it: the tests hold its answers against it. Where the RFC
leaves a choice, docs/architecture.md makes it. Steps name what they aim at in parts, so that nothing is parsed here.
"""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reference_filter import comparable, item_matches
from scimlite.scim.filter import And, Compare, Filter, Not, Or
from scimlite.scim.schema import Attribute, ResourceType

Json = Any
Document = dict[str, Json]


@dataclass(frozen=True)
class Step:
    """One change of one attribute; without an attribute it aims at the whole extension `urn`, if that is one.

    `unknown`: the path names nothing. `by_path`: it stands in `path`, not as a key of the value.
    """

    op: str
    urn: str | None = None
    attribute: Attribute | None = None
    filter: Filter | None = None
    sub: Attribute | None = None
    value: Json = None
    by_path: bool = True
    unknown: bool = False


class Refused(Exception):
    """A step that is refused; the argument is the scimType."""


@dataclass(frozen=True)
class Result:
    """The document after all steps, or why not: the scimType of every step that is wrong, each looked at alone."""

    document: Document | None
    refused: frozenset[str] = frozenset()


def patched(steps: Iterable[Step], resource_type: ResourceType, document: Document) -> Result:
    """What becomes of a document. All steps apply, or none."""
    current, wrong = document, set()
    for step in steps:
        trial = copy.deepcopy(current)
        try:
            _take(step, resource_type, trial)
        except Refused as refused:
            wrong.add(str(refused))
        else:
            current = trial
    if not wrong and not _complete(resource_type, current):
        wrong.add("invalidValue")
    if wrong:
        return Result(None, frozenset(wrong))
    held = [extension.id for extension in resource_type.extensions if current.get(extension.id)]
    return Result({**current, "schemas": [resource_type.schema.id, *held]})


def _complete(resource_type: ResourceType, document: Document) -> bool:
    """Whether everything required is there; of an extension, once something of it is."""
    for urn, attribute in resource_type.attributes:
        holder = document if urn is None else document.get(urn)
        if holder is None or attribute.links or attribute.read_only:
            continue
        if attribute.required and not _says_something(holder.get(attribute.name)):
            return False
        for item in _listed(holder.get(attribute.name)):
            needed = [sub for sub in attribute.sub_attributes if sub.required]
            if not all(_says_something(item.get(sub.name)) for sub in needed):
                return False
    return True


def _says_something(value: Json) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value not in (None, [])


# --- one step -----------------------------------------------------------------------------------------------------


def _take(step: Step, resource_type: ResourceType, document: Document) -> None:
    if step.unknown:
        raise Refused("invalidPath")
    if step.attribute is None:
        _drop_extension(step, resource_type, document)
        return
    if step.filter is not None:
        _check_filter(step.attribute, step.filter)
    if step.attribute.read_only or (step.sub is not None and step.sub.read_only):
        if step.by_path:
            raise Refused("mutability")
        return
    holder = document if step.urn is None else document.setdefault(step.urn, {})
    name = step.attribute.name
    before = copy.deepcopy(holder.get(name))
    after = _several(step, before) if step.attribute.multi_valued else _one(step, before)
    if after != before and before is not None and step.attribute.mutability == "immutable":
        raise Refused("mutability")
    if after in (None, [], {}):
        if step.attribute.required:
            raise Refused("mutability")
        holder.pop(name, None)
    else:
        holder[name] = after
    if step.urn is not None and not holder:
        del document[step.urn]


def _drop_extension(step: Step, resource_type: ResourceType, document: Document) -> None:
    """An extension goes as a whole, with what it requires; but for what can never change."""
    if step.urn is None:
        raise Refused("noTarget")
    if step.op == "add":
        return
    held = document.pop(step.urn, {})
    declared = next(each for each in resource_type.extensions if each.id == step.urn)
    if any(each.mutability == "immutable" and each.name in held for each in declared.attributes):
        raise Refused("mutability")


def _one(step: Step, before: Json) -> Json:
    """A single value: replaced if simple, merged if complex (sections 3.5.2.1 and 3.5.2.3)."""
    attribute, value = step.attribute, _unwrapped(step.value)
    assert attribute is not None
    if step.filter is not None:
        raise Refused("invalidPath")
    if step.sub is not None:
        after = _with_sub(step, step.sub, before or {})
    elif step.op == "remove":
        return None
    elif value is None:
        if attribute.default is not None:
            raise Refused("invalidValue")
        return None
    elif attribute.type != "complex":
        return _simple(attribute, value)
    elif value == {}:
        return before
    else:
        given = _object(attribute, value)
        subs = {name: _sub(attribute, name) for name in given}
        if not step.by_path and all(sub is not None and sub.read_only for sub in subs.values()):
            return before
        after, told = dict(before or {}), False
        for name, sub in subs.items():
            if sub is not None and not sub.read_only:
                told = True
                _assign(after, sub, _whole(sub, given[name]))
        if not told:
            raise Refused("invalidValue")
        after = _without_stale_reference(before or {}, after, given)
    _check_protected(attribute, before or {}, after)
    # Identity providers clear a reference by making it blank.
    return None if after.get("value") == "" else after


def _several(step: Step, before: Json) -> list[Json]:
    """Values of a multi-valued attribute: all, or those that the filter picks."""
    attribute, items = step.attribute, list(before or [])
    assert attribute is not None
    if step.sub is None and step.filter is None:
        return _all_values(step, attribute, items)
    chosen = [place for place, item in enumerate(items) if _picked(step, attribute, item)]
    if step.sub is None and (step.op == "remove" or (step.op == "replace" and _unwrapped(step.value) is None)):
        return [item for place, item in enumerate(items) if place not in chosen]
    if step.sub is None and _unwrapped(step.value) is None:
        return items
    takes_away = step.sub is not None and (step.op == "remove" or _whole(step.sub, step.value) is None)
    if takes_away:
        for place in chosen:
            items[place] = _changed_item(step, attribute, items[place])
        return [item for item in items if item != {}]
    if step.filter is None and len(chosen) > 1:
        _changed_item(step, attribute, {})
        raise Refused("noTarget")
    for place in chosen:
        items[place] = _changed_item(step, attribute, items[place])
    if not chosen:
        items.append(_new_item(step, attribute))
        chosen = [len(items) - 1]
    return _with_one_primary([item for item in items if item != {}], items[chosen[-1]])


def _picked(step: Step, attribute: Attribute, item: Json) -> bool:
    return step.filter is None or item_matches(step.filter, attribute, item)


def _changed_item(step: Step, attribute: Attribute, before: Json) -> Json:
    if step.sub is not None:
        after = _with_sub(step, step.sub, before)
    else:
        given = _item(attribute, _unwrapped(step.value))
        if attribute.type != "complex":
            return given
        if step.op == "replace":
            after = given
        else:
            after = {**before, **given}
            sent = _object(attribute, _unwrapped(step.value))
            for name, each in sent.items():
                sub = _sub(attribute, name)
                if sub is not None and each in (None, []):
                    after.pop(sub.name, None)
            after = _without_stale_reference(before, after, given)
    _check_protected(attribute, before, after)
    return after


def _new_item(step: Step, attribute: Attribute) -> Json:
    """What a value path that matches nothing makes: only a conjunction of `eq` says how (Entra ID needs it)."""
    given = {step.sub.name: _whole(step.sub, step.value)} if step.sub else _item(attribute, _unwrapped(step.value))
    said = _equalities(step.filter) if step.filter is not None else []
    if attribute.type != "complex" or said is None:
        raise Refused("noTarget")
    made: Document = {}
    for term in said:
        sub = _sub(attribute, term.path.name)
        assert sub is not None
        _assign(made, sub, _whole(sub, term.value))
    made.update(given)
    if not _picked(step, attribute, made):
        raise Refused("noTarget")
    return made


def _equalities(term: Filter) -> list[Compare] | None:
    """The comparisons of a conjunction of `eq`, None when it is not one."""
    if isinstance(term, Compare):
        return [term] if term.op == "eq" and term.value is not None else None
    if isinstance(term, And):
        parts = [_equalities(each) for each in term.terms]
        return None if None in parts else [each for part in parts if part is not None for each in part]
    return None


def _all_values(step: Step, attribute: Attribute, items: list[Json]) -> list[Json]:
    """An operation on a multi-valued attribute as a whole."""
    if step.op == "remove" and step.value is None:
        return []
    given = [_item(attribute, each) for each in _listed(step.value) if each is not None]
    if step.op == "remove":
        return [item for item in items if not any(_means(attribute, wanted, item) for wanted in given)]
    if step.op == "replace":
        marked = [each for each in given if isinstance(each, dict) and each.get("primary") is True]
        return _with_one_primary(given, marked[-1] if marked else None)
    newest = None
    for each in given:
        same = next((place for place, item in enumerate(items) if _same(attribute, each, item)), None)
        if same is None:
            items.append(copy.deepcopy(each))
            same = len(items) - 1
        elif attribute.type == "complex":
            merged = _without_stale_reference(items[same], {**items[same], **each}, each)
            _check_protected(attribute, items[same], merged)
            items[same] = merged
        if isinstance(each, dict) and each.get("primary") is True:
            newest = items[same]
    return _with_one_primary(items, newest)


def _same(attribute: Attribute, new: Json, old: Json) -> bool:
    """Whether a value to add is there already: a pair of value and type must not be there twice."""
    if attribute.type != "complex":
        return bool(comparable(attribute, new) == comparable(attribute, old))
    if "value" not in new or "value" not in old:
        return bool(new == old)
    return _equal(attribute, "value", new, old) and ("type" not in new or _equal(attribute, "type", new, old))


def _means(attribute: Attribute, wanted: Json, item: Json) -> bool:
    """Whether a Remove that lists values means this one: by value and perhaps type, else by all that is named."""
    if attribute.type != "complex" or "value" in wanted:
        return ("value" in item if attribute.type == "complex" else True) and _same(attribute, wanted, item)
    return all(_equal(attribute, name, wanted, item) for name in wanted)


def _equal(attribute: Attribute, name: str, one: Document, other: Document) -> bool:
    sub = _sub(attribute, name)
    assert sub is not None
    if name not in one or name not in other:
        return False
    pairs = [[comparable(sub, each) for each in _listed(holder[name])] for holder in (one, other)]
    return pairs[0] == pairs[1]


def _with_one_primary(items: list[Json], newest: Json) -> list[Json]:
    """At most one value is primary: the one written last (RFC 7643 section 2.4)."""
    marked = [item for item in items if isinstance(item, dict) and item.get("primary") is True]
    if len(marked) < 2:
        return items
    keep = newest if any(item is newest for item in marked) else marked[-1]
    return [{**item, "primary": False} if item.get("primary") is True and item is not keep else item for item in items]


# --- sub-attributes -----------------------------------------------------------------------------------------------


def _with_sub(step: Step, sub: Attribute, before: Document) -> Document:
    """A complex value after a change of one sub-attribute."""
    after = dict(before)
    if step.op == "remove":
        left = None
        if sub.multi_valued and step.value is not None:
            left = _all_values(Step("remove", attribute=sub, value=step.value), sub, before.get(sub.name, []))
        _assign(after, sub, left or None)
    else:
        value = _whole(sub, step.value)
        if step.op == "add" and sub.multi_valued and value is not None:
            # Section 3.5.2.1: a new value is added, one that is there already is not.
            value = _all_values(Step("add", attribute=sub, value=value), sub, list(before.get(sub.name, [])))
        _assign(after, sub, value)
    return _without_stale_reference(before, after, {sub.name: None})


def _without_stale_reference(before: Document, after: Document, given: Iterable[str]) -> Document:
    """A `$ref` belongs to the `value` it came with."""
    if after.get("value") != before.get("value") and not any(name.lower() == "$ref" for name in given):
        return {name: value for name, value in after.items() if name != "$ref"}
    return after


def _check_protected(attribute: Attribute, before: Document, after: Document) -> None:
    """What is immutable stays as it is, what is required is not taken away from a value that stays."""
    for sub in attribute.sub_attributes:
        changes = sub.name in before and before[sub.name] != after.get(sub.name)
        if changes and (sub.mutability == "immutable" or (sub.required and after and sub.name not in after)):
            raise Refused("mutability")


def _assign(holder: Document, sub: Attribute, value: Json) -> None:
    """Nothing assigned is nothing there (RFC 7643 section 2.5)."""
    if value is None:
        holder.pop(sub.name, None)
    else:
        holder[sub.name] = value


# --- values -------------------------------------------------------------------------------------------------------


def _sub(attribute: Attribute, name: str) -> Attribute | None:
    return next((sub for sub in attribute.sub_attributes if sub.name.lower() == name.lower()), None)


def _listed(value: Json) -> list[Json]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _unwrapped(value: Json) -> Json:
    """Clients wrap single values in arrays of one."""
    if isinstance(value, list) and len(value) < 2:
        return value[0] if value else None
    return value


def _whole(sub: Attribute, value: Json) -> Json:
    """All that a simple attribute is given; None when that is nothing."""
    if sub.multi_valued:
        return [_simple(sub, each) for each in _listed(value) if each is not None] or None
    value = _unwrapped(value)
    return None if value is None else _simple(sub, value)


def _object(attribute: Attribute, value: Json) -> Document:
    """A complex value; a string is its `value`."""
    if isinstance(value, str) and _sub(attribute, "value") is not None:
        return {"value": value}
    if not isinstance(value, dict):
        raise Refused("invalidValue")
    return value


def _item(attribute: Attribute, value: Json) -> Json:
    """One value as it is stored; of a complex one, what can be written, and that must be something."""
    if attribute.type != "complex":
        return _simple(attribute, value)
    stored: Document = {}
    for name, each in _object(attribute, value).items():
        sub = _sub(attribute, name)
        if sub is not None and not sub.read_only:
            _assign(stored, sub, _whole(sub, each))
    if not stored:
        raise Refused("invalidValue")
    return stored


def _simple(attribute: Attribute, value: Json) -> Json:
    """A value of the right type; booleans may be strings, as Entra ID sends them."""
    if attribute.type == "boolean" and isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower(), value)
    checks: dict[str, Callable[[], bool]] = {
        "string": lambda: isinstance(value, str),
        "reference": lambda: isinstance(value, str),
        "boolean": lambda: isinstance(value, bool),
        "integer": lambda: type(value) is int and -(2**63) <= value < 2**63,
        "decimal": lambda: type(value) in (int, float) and abs(value) < 1e308,
        "dateTime": lambda: isinstance(value, str) and _is_time(value),
        "binary": lambda: isinstance(value, str) and _is_base64(value),
    }
    if not checks[attribute.type]():
        raise Refused("invalidValue")
    return value


def _is_time(value: str) -> bool:
    try:
        return "t" in value.lower() and bool(datetime.fromisoformat(value.upper()))
    except ValueError:
        return False


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True


def _check_filter(attribute: Attribute, term: Filter) -> None:
    """A value path picks among several values, by sub-attributes that there are."""
    if not attribute.multi_valued:
        raise Refused("invalidPath")
    match term:
        case And(terms) | Or(terms):
            for each in terms:
                _check_filter(attribute, each)
        case Not(inner):
            _check_filter(attribute, inner)
        case Compare(path):
            named = attribute if path.name.lower() == "value" else None
            sub = _sub(attribute, path.name) if attribute.type == "complex" else named
            if sub is None or sub.returned == "never":
                raise Refused("invalidFilter")
