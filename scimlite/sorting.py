"""Sort orders of requests: checked against a resource type, and as Peewee terms over the value index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import SQL, Asc, Desc, Expression, fn

from .conditions import COLUMNS
from .db import Database
from .errors import InvalidPath
from .models import ResourceRow, ValueRow
from .scim.path import AttrPath
from .scim.schema import Attribute, ResourceType


@dataclass(frozen=True, slots=True)
class Sort:
    """The attribute to sort by, already a simple one, and the direction."""

    attribute: Attribute
    holder: Attribute
    descending: bool = False


def sort(path: AttrPath, resource_type: ResourceType, *, descending: bool) -> Sort:
    """The order that `sortBy` names; a complex attribute sorts by its `value` (RFC 7644 section 3.4.2.3)."""
    target = resource_type.find(path)
    if target is None or target.attribute is None or target.leaf is None:
        raise InvalidPath(f"sortBy: {resource_type.name} has no attribute {str(path)!r}.")
    leaf = target.leaf
    if leaf.complex:
        if leaf.value_sub is None:
            raise InvalidPath(f"sortBy: {leaf.path} has no value of its own; name a sub-attribute.")
        leaf = leaf.value_sub
    if target.attribute.links or target.attribute.derived or leaf.returned == "never" or leaf.path == "schemas":
        raise InvalidPath(f"sortBy: resources cannot be sorted by {leaf.path}.")
    return Sort(leaf, target.attribute, descending)


def order(db: Database, by: Sort | None, *, narrow: bool, backwards: bool = False) -> list[Any]:
    """ORDER BY terms: the sort key, then the order of creation, so that pages never overlap.

    A resource without the attribute comes last ascending, first descending (RFC 7644 section 3.4.2.3). When the
    condition is narrow, no index is made use of: a database that hopes to meet enough matches on its way through all
    resources in order is mostly wrong.
    """
    id = Expression(ResourceRow.id, "+", SQL("0")) if narrow else ResourceRow.id
    last = id.desc() if backwards else id.asc()
    if by is None:
        return [last]
    key = _sort_key(db, by)
    if by.descending != backwards:
        return [Desc(key, nulls="FIRST"), last]
    return [Asc(key, nulls="LAST"), last]


def _sort_key(db: Database, by: Sort) -> Any:
    column = COLUMNS.get(by.attribute.path)
    if column is not None:
        return column(db, ResourceRow)
    value, primary = ValueRow.alias(), ValueRow.alias()
    keys = value.select(value.key).where(value.resource_id == ResourceRow.id, value.path == by.attribute.path)
    first = keys.order_by(value.item).limit(1)
    if "primary" not in by.holder.subs:
        return first
    preferred = keys.join(
        primary,
        on=(
            (primary.resource_id == value.resource_id)
            & (primary.path == f"{by.holder.path}.primary")
            & (primary.item == value.item)
            & (primary.key == "true")
        ),
    ).limit(1)
    return fn.coalesce(preferred, first)
