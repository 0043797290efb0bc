"""A filter and a sort order become conditions and terms of a database query."""

from .binding import BoundFilter, bind, bind_across, bind_item
from .conditions import condition, few, link_condition, narrow
from .sorting import Sort, after, order, rank, ranked_order, sort

__all__ = [
    "BoundFilter",
    "Sort",
    "after",
    "bind",
    "bind_across",
    "bind_item",
    "condition",
    "few",
    "link_condition",
    "narrow",
    "order",
    "rank",
    "ranked_order",
    "sort",
]
