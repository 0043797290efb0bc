"""Checks sort orders of requests against a resource type, and compiles them into Peewee terms over the value index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import SQL, Asc, Desc, Expression, fn

from ...db import Database, Slot
from ...db.tables import ResourceRow, ValueRow
from ...errors import InvalidPath
from ...scim.attribute import Attribute
from ...scim.path import AttrPath
from ...scim.schema import ResourceType
from .columns import COLUMNS


@dataclass(frozen=True, slots=True)
class Sort:
    """The simple attribute to sort by, its top-level attribute, and the direction."""

    attribute: Attribute
    holder: Attribute
    descending: bool = False


def sort(path: AttrPath, types: Sequence[ResourceType], *, descending: bool) -> Sort:
    """The order that `sortBy` names; a complex attribute sorts by its `value` (RFC 7644 section 3.4.2.3).

    At least one type must have the attribute; in the other types it has no value. Raises InvalidPath when no type has
    it, or when resources cannot be sorted by it.
    """
    targets = (resource_type.find(path) for resource_type in types)
    target = next((target for target in targets if target is not None and target.attribute is not None), None)
    if target is None or target.attribute is None or target.leaf is None:
        subject = f"{types[0].name} has no" if len(types) == 1 else "no resource type of this app has an"
        raise InvalidPath(f"sortBy: {subject} attribute {str(path)!r}.")
    leaf = target.leaf
    if leaf.complex:
        if leaf.value_sub is None:
            raise InvalidPath(f"sortBy: {leaf.path} has no value of its own; name a sub-attribute.")
        leaf = leaf.value_sub
    hidden = "never" in (target.attribute.returned, leaf.returned)
    if target.attribute.links or target.attribute.derived or hidden or leaf.path == "schemas":
        raise InvalidPath(f"sortBy: resources cannot be sorted by {leaf.path}.")
    if leaf.path == "meta.location" and len(types) > 1:
        raise InvalidPath("sortBy: resources of several types cannot be sorted by meta.location; sort by id.")
    return Sort(leaf, target.attribute, descending)


def order(db: Database, by: Sort | None, *, narrow: bool, backwards: bool = False) -> list[Any]:
    """The ORDER BY terms: the sort key, then the order of creation, so that pages never overlap.

    A resource without the attribute comes last ascending, first descending (RFC 7644 section 3.4.2.3). With a narrow
    condition the terms use no index: reading all resources in order until enough of them match mostly costs more.
    """
    id = Expression(ResourceRow.id, "+", SQL("0")) if narrow else ResourceRow.id
    last = id.desc() if backwards else id.asc()
    if by is None:
        return [last]
    key = _sort_key(db, by)
    return [_ordered(key, by, backwards), last]


def _ordered(key: Any, by: Sort, backwards: bool) -> Any:
    return Desc(key, nulls="FIRST") if by.descending != backwards else Asc(key, nulls="LAST")


def ranked_order(ranked: Any, row: Any, by: Sort, *, backwards: bool) -> list[Any]:
    """The order of `order`, as ORDER BY terms over a `rank` that the query selects."""
    return [_ordered(ranked, by, backwards), row.desc() if backwards else row.asc()]


#: How many characters of a key a cursor holds, because it is part of a URL.
_LONGEST_RANK = 300


def rank(db: Database, by: Sort) -> Any:
    """The sort key, or its beginning when it is long: a cursor remembers a place by it."""
    key = _sort_key(db, by)
    return key if by.attribute.path in COLUMNS else fn.substr(key, SQL("1"), SQL(str(_LONGEST_RANK)))


def after(ranked: Any, row: Any, by: Sort | None, *, backwards: bool, unranked: bool) -> Any:
    """The condition that a resource sorts after the resource at a place; before it with `backwards`.

    The Slots `rank` and `row` are the place; `unranked` is true when the resource at the place has no sort key.
    """
    further = Expression(row, "<" if backwards else ">", Slot("row"))
    if by is None:
        return further
    same = (ranked.is_null() if unranked else ranked == Slot("rank")) & further
    if unranked:
        # Resources without a key come last ascending, first descending.
        others_follow = by.descending != backwards
        return same | ranked.is_null(False) if others_follow else same
    beyond = Expression(ranked, "<" if by.descending != backwards else ">", Slot("rank"))
    return same | beyond if by.descending != backwards else same | beyond | ranked.is_null()


def _sort_key(db: Database, by: Sort) -> Any:
    column = COLUMNS.get(by.attribute.path)
    if column is not None:
        return column(db, ResourceRow, "")
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
