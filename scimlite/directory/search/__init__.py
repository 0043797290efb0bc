"""Compiles filters and sort orders into the conditions and terms of database queries."""

from .binding import BoundFilter, bind, bind_across, bind_item
from .budget import require_affordable
from .conditions import condition
from .cost import few, narrow
from .links import other_end
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
    "narrow",
    "order",
    "other_end",
    "rank",
    "ranked_order",
    "require_affordable",
    "sort",
]
