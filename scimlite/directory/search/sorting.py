"""Sort orders of requests: checked against a resource type, and as Peewee terms over the value index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import SQL, Asc, Desc, Expression, fn

from ...db import Database, Slot
from ...db.tables import ResourceRow, ValueRow
from ...errors import InvalidPath
from ...scim.path import AttrPath
from ...scim.schema import Attribute, ResourceType
from .conditions import COLUMNS


@dataclass(frozen=True, slots=True)
class Sort:
    """The attribute to sort by, already a simple one, and the direction."""

    attribute: Attribute
    holder: Attribute
    descending: bool = False


def sort(path: AttrPath, types: Sequence[ResourceType], *, descending: bool) -> Sort:
    """The order that `sortBy` names; a complex attribute sorts by its `value` (RFC 7644 section 3.4.2.3).

    Of several types one has to have the attribute; resources of the others have no value then.
    """
    found = (each.find(path) for each in types)
    target = next((each for each in found if each is not None and each.attribute is not None), None)
    if target is None or target.attribute is None or target.leaf is None:
        named = types[0].name if len(types) == 1 else "no resource type of this app"
        has = "has no attribute" if len(types) == 1 else "has an attribute"
        raise InvalidPath(f"sortBy: {named} {has} {str(path)!r}.")
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
    return [_ordered(key, by, backwards), last]


def _ordered(key: Any, by: Sort, backwards: bool) -> Any:
    return Desc(key, nulls="FIRST") if by.descending != backwards else Asc(key, nulls="LAST")


def ranked_order(ranked: Any, row: Any, by: Sort, *, backwards: bool) -> list[Any]:
    """ORDER BY terms over a `rank` that was selected already; the same order as `order` gives."""
    return [_ordered(ranked, by, backwards), row.desc() if backwards else row.asc()]


#: How much of a key a cursor holds: it travels in a URL.
_LONGEST_RANK = 300


def rank(db: Database, by: Sort) -> Any:
    """What resources are ranked by when a cursor has to remember a place: the sort key, its beginning if it is long."""
    key = _sort_key(db, by)
    return key if by.attribute.path in COLUMNS else fn.substr(key, SQL("1"), SQL(str(_LONGEST_RANK)))


def after(ranked: Any, row: Any, by: Sort | None, *, backwards: bool, unranked: bool) -> Any:
    """The condition that a resource comes behind a place, or before it: Slots `rank` and `row` are the place.

    `unranked`: the resource at the place has no sort key.
    """
    further = Expression(row, "<" if backwards else ">", Slot("row"))
    if by is None:
        return further
    same = (ranked.is_null() if unranked else ranked == Slot("rank")) & further
    if unranked:
        # Without a key comes last ascending, first descending.
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
