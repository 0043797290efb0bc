"""Two versions of a document: the attributes that differ, for the value index and for the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from . import document
from .attribute import Attribute
from .document import Document, ValueRow
from .schema import ResourceType

Json = Any

#: Stands in the journal for a writeOnly value.
HIDDEN = "(not shown)"


class Change(NamedTuple):
    """An attribute with different values in two versions of a document; None stands for no value."""

    attribute: Attribute
    before: Json
    after: Json


def changes(resource_type: ResourceType, old: Document, new: Document) -> list[Change]:
    """The attributes that differ between two versions of a document, in the order of the schemas."""
    if new is old:
        return []
    differing = []
    pairs = zip(document.parts(resource_type, old), document.parts(resource_type, new), strict=True)
    for (attributes, before), (_, after) in pairs:
        if before != after:
            names = {name for name in {**before, **after} if before.get(name) != after.get(name)} - {"schemas"}
            differing += [
                Change(attribute, before.get(attribute.name), after.get(attribute.name))
                for attribute in attributes.values()
                if attribute.name in names
            ]
    return differing


def changed_rows(changes: Iterable[Change]) -> tuple[set[ValueRow], set[ValueRow]]:
    """The rows of the value index for the changed attributes: those of the old version, and those of the new one."""
    before: set[ValueRow] = set()
    after: set[ValueRow] = set()
    for change in changes:
        document.add_rows(before, change.attribute, change.before)
        document.add_rows(after, change.attribute, change.after)
    return before, after


def differences(changes: Iterable[Change]) -> dict[str, list[Json]]:
    """Changes as the journal shows them: attribute path to [old, new], None for no value.

    Single complex values are compared by sub-attribute, multi-valued attributes as a whole. Values of writeOnly
    attributes are HIDDEN.
    """
    shown: dict[str, list[Json]] = {}
    for attribute, before, after in changes:
        if attribute.complex and not attribute.multi_valued:
            for sub in attribute.sub_attributes:
                old, new = (before or {}).get(sub.name), (after or {}).get(sub.name)
                if old != new:
                    owner = attribute if attribute.write_only else sub
                    shown[sub.path] = [_shown(owner, old), _shown(owner, new)]
        else:
            shown[attribute.path] = [_shown(attribute, before), _shown(attribute, after)]
    return shown


def _shown(attribute: Attribute, value: Json) -> Json:
    """A value with HIDDEN in place of everything that is writeOnly."""
    if value is None:
        return None
    if attribute.write_only:
        return HIDDEN
    hidden = {sub.name for sub in attribute.sub_attributes if sub.write_only}
    if not hidden:
        return value
    return [{name: HIDDEN if name in hidden else part for name, part in item.items()} for item in value]
