"""Applying the edits of a PATCH request to a document.

It is pure: the given document is not changed, so that it can happen again when a transaction is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from ..errors import Mutability, NoTarget
from . import comparison, document, immutable, quirks, values
from .patch_plan import Edit
from .schema import Attribute, ResourceType

Json = Any
Document = dict[str, Json]


def apply(edits: Iterable[Edit], resource_type: ResourceType, current: Document) -> Document:
    """The document after the edits; the given one is not changed.

    Raises NoTarget when a filter matches nothing and does not say how to make an item, Mutability when an
    immutable value would change or a required one be removed, InvalidValue when a required one would be blank.
    """
    changed = dict(current)
    for edit in edits:
        if edit.urn is None:
            _apply_to(changed, edit)
        else:
            part = dict(changed.get(edit.urn, {}))
            _apply_to(part, edit)
            changed[edit.urn] = part
    finished = document.finish(resource_type, changed)
    document.require(resource_type, finished)
    return finished


def _apply_to(holder: Document, edit: Edit) -> None:
    """Change one attribute in the object that holds it."""
    attribute = edit.attribute
    old = holder.get(attribute.name)
    new = (_many if attribute.multi_valued else _single)(edit, old)
    if attribute.mutability == "immutable" and old is not None and new != old:
        raise Mutability(f"{attribute.path} is immutable: it cannot change once it has a value.")
    if new is None or new == [] or new == {}:
        if attribute.required and edit.action != "drop":
            raise Mutability(f"{attribute.path} is required: it cannot be removed.")
        holder.pop(attribute.name, None)
    else:
        holder[attribute.name] = new


def _single(edit: Edit, old: Json) -> Json:
    if edit.action == "merge":
        return quirks.drop_blank_reference(edit.attribute, _merged(edit, old or {}))
    return edit.value if edit.action == "set" else None


def _many(edit: Edit, old: Json) -> list[Json]:
    items: list[Json] = list(old or [])
    if edit.action == "drop":
        return []
    if edit.action == "remove":
        if edit.listed is not None:
            return _remaining(edit.attribute, items, edit.listed)
        return [item for item in items if not _selected(edit, item)]
    if edit.action == "append":
        return _appended(edit.attribute, items, edit.value)
    if edit.action == "set" and edit.filter is None:
        return list(immutable.settle(edit.attribute, items, edit.value))
    hit = [index for index, item in enumerate(items) if _selected(edit, item)]
    if edit.action == "merge" and edit.filter is None and edit.value and edit.within != "remove" and len(hit) > 1:
        raise NoTarget(f"{edit.attribute.path} has {len(hit)} values: a filter must say which one is meant.")
    for index in hit:
        items[index] = _merged(edit, items[index]) if edit.action == "merge" else _replaced(edit, items[index])
    if not hit and edit.value is not None and edit.within != "remove":
        items.append(_made(edit))
        hit = [len(items) - 1]
    if not hit:
        return items
    items = values.one_primary(edit.attribute, items, hit[-1])
    return [item for item in items if item != {}]


def _selected(edit: Edit, item: Json) -> bool:
    return edit.filter is None or comparison.matches(edit.filter, edit.attribute, item)


def _merged(edit: Edit, old: Document) -> Document:
    """A complex value with some sub-attributes set and some cleared.

    A `$ref` belongs to the `value` it came with, so it goes when only `value` changes.
    """
    part = _part(edit, old)
    new = {name: value for name, value in {**old, **part}.items() if name not in edit.cleared and value != []}
    if "$ref" not in part and new.get("value") != old.get("value"):
        new.pop("$ref", None)
    _check_subs(edit.attribute, old, new)
    return new


def _part(edit: Edit, old: Document) -> Document:
    """The sub-attributes that a merge sets, those that it adds to or takes from included (RFC 7644 section 3.5.2.1)."""
    part: Document = edit.value or {}
    if edit.within == "set":
        return part
    change = _appended if edit.within == "append" else _remaining
    return {name: change(edit.attribute.subs[name.lower()], list(old.get(name, [])), part[name]) for name in part}


def _replaced(edit: Edit, old: Json) -> Json:
    if edit.attribute.complex:
        _check_subs(edit.attribute, old, edit.value)
    return edit.value


def _check_subs(attribute: Attribute, old: Document, new: Document) -> None:
    """Raise Mutability when an immutable sub-attribute would change, or a required one of a value that stays go."""
    for sub in attribute.sub_attributes:
        if sub.name not in old or new.get(sub.name) == old[sub.name]:
            continue
        if sub.mutability == "immutable":
            raise Mutability(f"{sub.path} is immutable: it cannot change once it has a value.")
        if sub.required and new and sub.name not in new:
            raise Mutability(f"{sub.path} is required: it cannot be removed.")


def _made(edit: Edit) -> Json:
    """The item that a change on a value path creates when nothing matches.

    RFC 7644 section 3.5.2.3 would answer noTarget; Entra ID relies on the item being made
    (Captain-P-Goldfish/scim-for-keycloak#73). Only a conjunction of `eq` says what to make.
    """
    attribute = edit.attribute
    start: dict[str, Any] | None = {}
    if edit.filter is not None:
        start = comparison.required_values(edit.filter, attribute)
    if start is not None and attribute.complex:
        made = values.clean_item(attribute, {**start, **edit.value})
        if made is not None and _selected(edit, made):
            return made
    raise NoTarget(f"No value of {attribute.path} matches the filter.")


def _appended(attribute: Attribute, items: list[Json], added: list[Json]) -> list[Json]:
    """The items with the new ones behind them, or merged with those that they are the same as.

    What is there already is not added again (RFC 7644 section 3.5.2.1), and a pair of `value` and `type` should not
    be there twice (RFC 7643 section 2.4); a value that comes without a type is any one of that value.
    """
    known: dict[str, dict[str, int]] = {}
    for index, item in enumerate(items):
        value, kind = _identity(attribute, item)
        known.setdefault(value, {}).setdefault(kind, index)
    newest = None
    for item in added:
        value, kind = _identity(attribute, item)
        same = known.setdefault(value, {})
        place = same.get(kind) if kind or not same else next(iter(same.values()))
        if place is None:
            place = same[kind] = len(items)
            items.append(item)
        elif attribute.complex:
            items[place] = _merged(Edit(None, attribute, "merge", value=item), items[place])
        if isinstance(item, dict) and item.get("primary") is True:
            newest = place
    return values.one_primary(attribute, items, newest)


def _remaining(attribute: Attribute, items: list[Json], listed: Iterable[Json]) -> list[Json]:
    """The items without those that a Remove lists: by `value`, and `type` if given, else by all that is named."""
    gone: set[tuple[str, str]] = set()
    partial: list[Document] = []
    for wanted in listed:
        if isinstance(wanted, dict) and "value" not in wanted:
            partial.append(wanted)
        else:
            gone.add(_identity(attribute, wanted))
    return [
        item
        for item in items
        if not gone.intersection(((found := _identity(attribute, item)), (found[0], "")))
        and not any(_holds(attribute, item, wanted) for wanted in partial)
    ]


def _identity(attribute: Attribute, item: Json) -> tuple[str, str]:
    """Texts that are equal for items that should not be there twice; the second is the type, empty without one."""
    if not isinstance(item, dict):
        return _text(_key(attribute, item)), ""
    if "value" not in item:
        return _text(item), ""
    value = _text(_key(attribute.subs["value"], item["value"]))
    return value, _text(_key(attribute.subs["type"], item["type"])) if "type" in item else ""


def _holds(attribute: Attribute, item: Document, wanted: Document) -> bool:
    """Whether an item has all the sub-attributes of another."""
    return all(
        name in item and _key(attribute.subs[name.lower()], item[name]) == _key(attribute.subs[name.lower()], value)
        for name, value in wanted.items()
    )


def _key(attribute: Attribute, value: Json) -> Json:
    """What a value is compared by, a list for several."""
    return [values.key(attribute, one) for one in value] if isinstance(value, list) else values.key(attribute, value)


def _text(value: Json) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
