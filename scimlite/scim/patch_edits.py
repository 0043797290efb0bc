"""Planning one PATCH operation on an attribute of the document (RFC 7644 section 3.5.2): it becomes a checked edit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InvalidValue
from . import quirks, values
from .attribute import Attribute
from .filter import Filter
from .normal import distinct
from .patch_plan import Edit
from .schema import Target

Json = Any


# Not frozen: making a frozen one takes 1 us longer, a tenth of the plan of an operation.
@dataclass(slots=True)
class Step:
    """One operation on one attribute.

    `by_path` is False when the attribute was named by a key of the operation's value. `ignored` is the plan's list of
    names that were left out. `whole`: a replace of one complex value leaves nothing of the old one.
    """

    op: str
    target: Target
    attribute: Attribute
    filter: Filter | None
    value: Json
    by_path: bool
    ignored: list[str]
    whole: bool = False

    @property
    def leaf(self) -> Attribute:
        """The attribute or sub-attribute that the whole path names."""
        return self.target.sub or self.attribute

    @property
    def read_only(self) -> bool:
        """True when clients cannot write the attribute or sub-attribute."""
        return self.attribute.read_only or self.leaf.read_only

    @property
    def removes(self) -> bool:
        """True for a remove, and for a replace with null, which means the same (RFC 7643 section 2.5)."""
        return self.op == "remove" or (self.op == "replace" and self.value is None)


def edit_of(step: Step) -> Edit | None:
    """The checked edit for an attribute of the document; None when the operation changes nothing."""
    if step.removes:
        if step.target.sub is not None:
            return _removal_of_sub(step, step.target.sub)
        return _removal(step)
    if step.target.sub is not None:
        return _edit_sub(step, step.target.sub)
    if step.attribute.multi_valued and step.filter is None:
        return _edit_many(step)
    return _edit_one(step)


def _edit_sub(step: Step, sub: Attribute) -> Edit | None:
    """An edit of one sub-attribute; assigning no value removes it (RFC 7643 section 2.5)."""
    value = values.clean(sub, step.value)
    if value is None:
        if quirks.blank_reference(step.attribute, {sub.name: quirks.unwrap_single(step.value)}):
            return _removal(step)
        return Edit(step.target.urn, step.attribute, "merge", step.filter, cleared=(sub.name,))
    within: Literal["set", "append"] = "append" if step.op == "add" and sub.multi_valued else "set"
    return Edit(step.target.urn, step.attribute, "merge", step.filter, {sub.name: value}, within=within)


def _removal_of_sub(step: Step, sub: Attribute) -> Edit:
    """An edit that removes a sub-attribute, or those of its values that the operation names."""
    items = _named(step, sub)
    if items is None:
        return Edit(step.target.urn, step.attribute, "merge", step.filter, cleared=(sub.name,))
    removed = {sub.name: [values.clean_item(sub, item) for item in items if item is not None]}
    return Edit(step.target.urn, step.attribute, "merge", step.filter, removed, within="remove")


def _named(step: Step, leaf: Attribute) -> list[Json] | None:
    """The values of `leaf` that a remove names; None when it names none and so removes what there is.

    An empty array names no value of a multi-valued attribute, and a blank names one value of the whole attribute, so
    that neither removes all values.
    """
    if leaf.multi_valued:
        blank_is_value = step.filter is None or leaf is not step.attribute
        return quirks.listed_values(step.op, step.value if blank_is_value else quirks.blank_removal(step.value))
    value = quirks.blank_removal(quirks.unwrap_single(step.value))
    return None if value is None else quirks.listed_values(step.op, [value])


def _edit_many(step: Step) -> Edit | None:
    """An edit of a multi-valued attribute as a whole."""
    urn, attribute = step.target.urn, step.attribute
    items = _clean_items(step, values.items_of(step.value))
    if step.op == "add":
        return Edit(urn, attribute, "append", value=distinct(attribute, items)) if items else None
    if not items:
        return _removal(step)
    return Edit(urn, attribute, "set", value=values.one_primary(attribute, items))


def _edit_one(step: Step) -> Edit | None:
    """An edit of a single value, or of the items that a filter selects."""
    urn, attribute = step.target.urn, step.attribute
    sent = quirks.unwrap_single(step.value)
    if attribute.complex:
        sent = quirks.legacy_manager(attribute, quirks.bare_value(attribute, sent))
        if not attribute.multi_valued and isinstance(sent, dict) and _changes_nothing(step, sent):
            return None
    value = _clean_item(step, sent)
    cleared = _blanks(attribute, sent, value)
    if value is None and not cleared:
        return None if step.op == "add" and step.filter else _removal(step)
    replaces = step.op == "replace" and (step.whole or attribute.multi_valued)
    if attribute.complex and not replaces:
        return Edit(urn, attribute, "merge", step.filter, value, cleared)
    return Edit(urn, attribute, "set", step.filter, value, cleared)


def _changes_nothing(step: Step, value: dict[str, Json]) -> bool:
    """True when an object names no sub-attribute, or below a key only readOnly ones, which are ignored there."""
    subs = [sub for name in value if (sub := step.attribute.subs.get(name.lower())) is not None]
    return all(sub.read_only and not step.by_path for sub in subs)


def _clean_items(step: Step, items: Iterable[Json]) -> list[Json]:
    """Values, cleaned, without those that are none."""
    cleaned = [(item, _clean_item(step, item)) for item in items]
    return [value for item, value in cleaned if value is not None and not values.blanked(step.attribute, item, value)]


def _clean_item(step: Step, item: Json) -> Json:
    """A value, cleaned; None for no value, such as an object of nulls.

    InvalidValue when none of its sub-attributes can be set: it would read as no value.
    """
    attribute = step.attribute
    value = values.clean_item(attribute, item, step.ignored)
    if value is None and attribute.complex and isinstance(item, dict) and not _names_writable(attribute, item):
        raise InvalidValue(f"{attribute.path}: the value has none of the sub-attributes that can be set.")
    return value


def _names_writable(attribute: Attribute, value: dict[str, Json]) -> bool:
    """True when an object names a sub-attribute that clients can write."""
    subs = (attribute.subs.get(name.lower()) for name in value)
    return any(sub is not None and not sub.read_only for sub in subs)


def _blanks(attribute: Attribute, sent: Json, value: Json) -> tuple[str, ...]:
    """The sub-attributes that an object removes, by null or blank: it names them, and its clean `value` lacks them.

    There are none when a blank `value` removes the object as a whole.
    """
    if not isinstance(sent, dict) or quirks.blank_reference(attribute, sent):
        return ()
    named = (attribute.subs.get(name.lower()) for name in sent)
    return tuple(sub.name for sub in named if sub and not sub.read_only and sub.name not in (value or ()))


def _removal(step: Step) -> Edit | None:
    """An edit that removes values: all, those that the filter selects, and of these only what the operation names.

    Raises InvalidValue for an attribute with a default, which only a remove may remove, and for a blank in place of a
    required value.
    """
    urn, attribute = step.target.urn, step.attribute
    if attribute.default is not None and step.op != "remove":
        raise InvalidValue(f"{attribute.path} takes a value; to take it away, use remove.")
    if attribute.required and step.op != "remove" and step.value == "":
        raise InvalidValue(f"{attribute.path} is required and must not be empty.")
    items = _named(step, attribute)
    if items is None:
        return Edit(urn, attribute, "remove", step.filter)
    if attribute.apart:
        raise InvalidValue(f"{attribute.path} cannot be compared: remove it without a value.")
    if attribute.complex and not attribute.multi_valued:
        return _partial_removal(step, items[0])
    # An empty object names nothing.
    listed = _clean_items(step, [item for item in items if item != {}])
    return Edit(urn, attribute, "remove", step.filter, listed=tuple(listed))


def _partial_removal(step: Step, value: Json) -> Edit | None:
    """An edit that removes those sub-attributes of a single value which have the values that the operation names.

    A sub-attribute that is named without a value is removed whatever its value is.
    """
    urn, attribute = step.target.urn, step.attribute
    sent = quirks.legacy_manager(attribute, quirks.bare_value(attribute, value))
    if isinstance(sent, dict):
        if _changes_nothing(step, sent):
            return None
        sent = {name: quirks.blank_removal(inner) for name, inner in sent.items()}
    named = _clean_item(step, sent) or {}
    return Edit(urn, attribute, "merge", None, named, _blanks(attribute, sent, named), within="remove")
