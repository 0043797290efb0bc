"""The cost of a term of a filter: an estimate of how many resources satisfy it, known without asking the database."""

from __future__ import annotations

from collections.abc import Iterable

from .columns import COLUMNS
from .shapes import Comparison, Every, OfTypes, SameItem, Shape, Some

#: Operator to the cost of a term: how many resources its set holds, roughly.
_COSTS = {"eq": 1, "sw": 3, "gt": 4, "ge": 4, "lt": 4, "le": 4, "co": 6, "ew": 6, "ne": 7, "pr": 7, "any": 7}
#: A client that asks for resources modified since a time mostly asks for few: those since its last request.
_COLUMN_COSTS = {"id": {"eq": 0}, "meta.lastModified": dict.fromkeys(("eq", "gt", "ge", "lt", "le"), 2)}
#: A set of this cost, or a lower one, is small.
_SMALL = 4
#: The least cost of an attribute with few different values, such as a type or a boolean.
_FEW_VALUES = 5


def narrow(shape: Shape | OfTypes) -> bool:
    """True when an index probably gives few resources, so that reading all resources in order costs more."""
    return isinstance(shape, OfTypes) or small(driver(terms_of(shape)))


def few(shape: Shape | OfTypes) -> bool:
    """True for the filters that identity providers match with, which mostly find one resource or none."""
    leading = driver(terms_of(shape)) if not isinstance(shape, OfTypes) else None
    cost = _cost(leading) if leading is not None else None
    return cost is not None and cost <= _COSTS["eq"]


def small(term: Shape | None) -> bool:
    """True when the set of a term is small; False for None and for a term without a set."""
    cost = _cost(term) if term is not None else None
    return cost is not None and cost <= _SMALL


def driver(terms: Iterable[Shape], *, nested: bool = False) -> Shape | None:
    """The term with the smallest set, None when no term has a set; `nested` passes over disjunctions."""
    usable = (term for term in terms if not (nested and isinstance(term, Some)))
    costs = [(cost, position, term) for position, term in enumerate(usable) if (cost := _cost(term)) is not None]
    return min(costs)[2] if costs else None


def item_driver(term: Shape) -> Comparison | None:
    """The comparison with the smallest set among the terms of a value path's filter."""
    leading = driver(part for part in terms_of(term) if isinstance(part, Comparison))
    assert leading is None or isinstance(leading, Comparison)
    return leading


def terms_of(shape: Shape) -> tuple[Shape, ...]:
    """The terms of a conjunction; of another shape, the shape alone."""
    return shape.terms if isinstance(shape, Every) else (shape,)


def _cost(shape: Shape) -> int | None:
    """The cost of a shape; None when no index gives its set."""
    match shape:
        case Comparison(_, leaf, op) if leaf.path in COLUMNS:
            return _COLUMN_COSTS.get(leaf.path, {}).get(op)
        case Comparison(holder, leaf, op) if holder.links or holder.derived:
            return _COSTS["eq" if op == "eq" and leaf.key == "value" else "any"]
        case Comparison(_, leaf) if not all(part.sought for part in leaf.leaves()):
            return None
        case Comparison(_, leaf, op):
            few_values = leaf.type == "boolean" or leaf.canonical_values
            return max(_COSTS[op], _FEW_VALUES) if few_values else _COSTS[op]
        case SameItem(holder, term):
            leading = item_driver(term)
            if leading is None:
                return _COSTS["any"] if holder.links or holder.derived else None
            return _cost(leading)
        case Some(terms):
            # Only one level of disjunctions: SQLite's parser refuses sets nested any deeper.
            drivers = [driver(terms_of(term), nested=True) for term in terms]
            costs = [_cost(leading) for leading in drivers if leading is not None]
            return max(cost for cost in costs if cost is not None) if len(costs) == len(terms) else None
    return None
