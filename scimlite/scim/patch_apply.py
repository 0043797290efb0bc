"""Applying the edits of a PATCH request to a document (RFC 7644 section 3.5.2).

The functions are pure: they return a changed copy, so that a repeated transaction can apply the edits again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import InvalidFilter, Mutability, NoTarget
from . import comparison, document, immutable, values
from .attribute import Attribute
from .leniency import Leniency, note
from .normal import identity, key, normal_form
from .patch_plan import Edit
from .schema import ResourceType
from .strictness import ELEMENTS

Json = Any
Document = dict[str, Json]


def apply(edits: Sequence[Edit], resource_type: ResourceType, current: Document) -> Document:
    """The document after the edits; `current` is not changed.

    Raises NoTarget when a filter matches no item and does not tell how to make one, InvalidFilter when one that may
    match one item only matches several, Mutability when an immutable value would change or a required one be removed,
    InvalidValue when a required one would be blank or a new userName cannot be one.
    """
    finished = document.finish(resource_type, edited(edits, current))
    document.require(resource_type, finished)
    document.check_name(finished, current)
    return finished


def edited(edits: Sequence[Edit], current: Document) -> Document:
    """Like `apply`, before what is required is checked and `schemas` follows."""
    changed = dict(current)
    for edit in edits:
        if edit.urn is None:
            _apply_to(changed, edit)
        else:
            part = dict(changed.get(edit.urn, {}))
            _apply_to(part, edit)
            changed[edit.urn] = part
    for urn, attribute in {(edit.urn, edit.attribute): None for edit in edits}:
        if attribute.composed:
            _settle(changed if urn is None else changed[urn], attribute)
    return changed


def _apply_to(holder: Document, edit: Edit) -> None:
    """Change one attribute in the object that holds it: the document, or the object of an extension."""
    attribute = edit.attribute
    old = holder.get(attribute.name)
    if old is None and (edit.listed is not None or edit.within == "remove"):
        return
    new = (_many if attribute.multi_valued else _single)(edit, old)
    if attribute.mutability == "immutable" and old is not None and new != old:
        raise Mutability(f"{attribute.path} is immutable: it cannot change once it has a value.")
    if new is None or new == [] or new == {}:
        if attribute.required and edit.action != "drop":
            raise Mutability(f"{attribute.path} is required: it cannot be removed.")
        holder.pop(attribute.name, None)
    else:
        holder[attribute.name] = new


def _settle(holder: Document, attribute: Attribute) -> None:
    """Puts an attribute that edits changed into its normal form.

    This comes after all edits, because one may give a value to an item that another one began with a type.
    """
    if attribute.name in holder:
        holder[attribute.name] = normal_form(attribute, holder[attribute.name])
        if holder[attribute.name] is None:
            del holder[attribute.name]


def _single(edit: Edit, old: Json) -> Json:
    """The new value of a single-valued attribute; None for no value."""
    if edit.action == "merge":
        return _merged(edit, old or {})
    if edit.action == "remove" and edit.listed is not None:
        return None if _naming(edit.attribute, edit.listed)(old) else old
    return immutable.settle(edit.attribute, old, edit.value) if edit.action == "set" else None


def _many(edit: Edit, old: Json) -> list[Json]:
    """The new values of a multi-valued attribute."""
    items: list[Json] = list(old or [])
    if edit.action == "drop":
        return []
    if edit.action == "remove":
        named = _naming(edit.attribute, edit.listed) if edit.listed is not None else None
        return [item for item in items if not (_selected(edit, item) and (named is None or named(item)))]
    if edit.action == "append":
        return _appended(edit.attribute, items, edit.value)
    if edit.action == "set" and edit.filter is None:
        return list(immutable.settle(edit.attribute, items, edit.value))
    indexes = [index for index, item in enumerate(items) if _selected(edit, item)]
    if edit.sole and len(indexes) > 1:
        raise InvalidFilter(
            f"The filter of the path matches {len(indexes)} values of {edit.attribute.path}: it may select one only.",
            remedy=ELEMENTS,
        )
    if edit.action == "merge" and edit.filter is None and edit.value and edit.within != "remove" and len(indexes) > 1:
        raise NoTarget(f"{edit.attribute.path} has {len(indexes)} values: a filter must say which one is meant.")
    for index in indexes:
        old = items[index]
        new = _merged(edit, old) if edit.action == "merge" else _replaced(edit, old)
        items[index] = {} if edit.attribute.value_sub is None and values.blanked(edit.attribute, old, new) else new
    if not indexes and edit.value is not None and edit.within != "remove":
        items.append(_new_item(edit))
        indexes = [len(items) - 1]
    if not indexes:
        return items
    items = values.one_primary(edit.attribute, items, indexes[-1])
    return [item for item in items if item != {}]


def _selected(edit: Edit, item: Json) -> bool:
    """True for an item that the edit's filter matches; without a filter, for every item."""
    return edit.filter is None or comparison.matches(edit.filter, edit.attribute, item)


def _merged(edit: Edit, old: Document) -> Document:
    """A complex value with sub-attributes set and cleared.

    A `$ref` belongs to the `value` it came with, so it is removed when only `value` changes.
    """
    part = _part(edit, old)
    new = {name: value for name, value in {**old, **part}.items() if name not in edit.cleared and value != []}
    if ("$ref" not in part or edit.within == "remove") and new.get("value") != old.get("value"):
        new.pop("$ref", None)
    _check_subs(edit.attribute, old, new)
    return new


def _part(edit: Edit, old: Document) -> Document:
    """The new values of the sub-attributes that a merge sets, adds to or removes from (RFC 7644 section 3.5.2.1).

    An empty list stands for no value.
    """
    part: Document = edit.value or {}
    if edit.within == "set":
        return part
    subs = edit.attribute.subs
    if edit.within == "append":
        return {name: _appended(subs[name.lower()], list(old.get(name, [])), part[name]) for name in part}
    left: Document = {}
    for name in part:
        sub = subs[name.lower()]
        named = _naming(sub, values.items_of(part[name]))
        rest = [value for value in values.items_of(old.get(name)) if not named(value)]
        left[name] = rest[0] if rest and not sub.multi_valued else rest
    return left


def _replaced(edit: Edit, old: Json) -> Json:
    """The value of the edit, in place of the item `old`: what the filter's `eq` terms fix stays if not named."""
    if not edit.attribute.complex:
        return edit.value
    fixed = comparison.fixed_names(edit.filter, edit.attribute) if edit.filter is not None else ()
    kept = {name: old[name] for name in fixed if name in old and name not in edit.cleared}
    new = {**kept, **(edit.value or {})}
    _check_subs(edit.attribute, old, new)
    return new


def _check_subs(attribute: Attribute, old: Document, new: Document) -> None:
    """Raises Mutability when an immutable sub-attribute would change, or a kept value would lose a required one."""
    for sub in attribute.sub_attributes:
        if sub.name not in old or new.get(sub.name) == old[sub.name]:
            continue
        if sub.mutability == "immutable":
            raise Mutability(f"{sub.path} is immutable: it cannot change once it has a value.")
        if sub.required and new and sub.name not in new:
            raise Mutability(f"{sub.path} is required: it cannot be removed.")


def _new_item(edit: Edit) -> Json:
    """The item that a value path creates when its filter matches no item.

    RFC 7644 section 3.5.2.3 would answer noTarget; Entra ID relies on the new item
    (Captain-P-Goldfish/scim-for-keycloak#73). Only a filter of `eq` joined by `and` tells how to make one.
    """
    attribute = edit.attribute
    start: dict[str, Any] | None = {} if attribute.complex else None
    if edit.filter is not None and attribute.complex:
        start = comparison.required_values(edit.filter, attribute)
    if start is not None:
        made = values.clean_item(attribute, {**start, **edit.value})
        if made is not None and _selected(edit, made):
            note(Leniency.NEW_ITEM)
            return made
    raise NoTarget(f"No value of {attribute.path} matches the filter.")


def _appended(attribute: Attribute, items: list[Json], added: list[Json]) -> list[Json]:
    """The items with the added ones at the end; an added item that is present already is merged into the present one.

    A present value is not added again (RFC 7644 section 3.5.2.1), and a pair of `value` and `type` should not stand
    twice (RFC 7643 section 2.4). A value without a type is the same as one with any type.
    """
    indexes: dict[str, dict[str, int]] = {}
    for index, item in enumerate(items):
        value, kind = identity(attribute, item)
        indexes.setdefault(value, {}).setdefault(kind, index)
    newest = None
    for item in added:
        value, kind = identity(attribute, item)
        same = indexes.setdefault(value, {})
        place = same.get(kind) if kind or not same else next(iter(same.values()))
        if place is None:
            place = same[kind] = len(items)
            items.append(item)
        elif attribute.complex:
            items[place] = _merged(Edit(None, attribute, "merge", value=item), items[place])
        if isinstance(item, dict) and item.get("primary") is True:
            newest = place
    return values.one_primary(attribute, items, newest)


def _naming(attribute: Attribute, listed: Iterable[Json]) -> Callable[[Json], bool]:
    """Returns a test for the items that a list names: by `value` and any `type`, or by all sub-attributes in the list.

    The test costs the same for a list of any length, but for items that are listed without a `value`.
    """
    identities: set[tuple[str, str]] = set()
    partial: list[Document] = []
    for named in listed:
        if isinstance(named, dict) and "value" not in named:
            partial.append(named)
        else:
            identities.add(identity(attribute, named))

    def is_named(item: Json) -> bool:
        known = identity(attribute, item)
        if known in identities or (known[0], "") in identities:
            return True
        return any(_holds(attribute, item, part) for part in partial)

    return is_named


def _holds(attribute: Attribute, item: Document, part: Document) -> bool:
    """True when an item has all sub-attributes of `part`, with the same values; an absent `primary` is false."""
    for name, value in part.items():
        sub = attribute.subs[name.lower()]
        present = item.get(name, sub.assumed)
        if present is None or key(sub, present) != key(sub, value):
            return False
    return True
