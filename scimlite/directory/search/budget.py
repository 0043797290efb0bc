"""The budget of a query: how many comparisons it may need that no index saves.

A comparison without an index tests every resource, and one with an index costs about as much for each resource that it
finds: 1 to 18 us (100,000 users, both databases). So the number of terms alone says nothing: 100 of them cost little
in an app of 200 users, and 60 of them 20 s in one of 100,000. At first every index is taken for one that finds
everything; only where that would be too much, the indexes are asked what they find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from peewee import SQL, Select, fn

from ...apps import App
from ...db import Database, Slot, Statement, StatementCache, prepared
from ...db.tables import ResourceRow
from ...errors import Remedy, TooMany
from ...scim.attribute import Attribute
from ...scim.schema import ResourceType
from .binding import BoundFilter
from .columns import COLUMNS
from .conditions import matches
from .cost import driver, item_driver, terms_of
from .shapes import Comparison, Complement, Every, OfTypes, SameItem, Schemas, Shape, Some
from .sorting import Sort

#: Comparisons for each resource that an app of any size may be asked for, such as a word that is sought in three names.
_ALWAYS = 3
#: The part of the budget that indexes may find while they are asked; reading an entry takes 0.3 to 1.2 us.
_ASKED = 4
#: Operators for which an index reads all values of the attribute.
_READS_ALL = frozenset({"co", "ew", "ne"})


def require_affordable(
    db: Database, app: App, types: Sequence[ResourceType], bound: BoundFilter, sort: Sort | None, base: str, most: int
) -> None:
    """Raises TooMany for a query over resources of these types that needs more than `most` comparisons.

    In: the app's base URL, with which filters may compare.
    """
    if not isinstance(bound.shape, Every | Some | Complement | SameItem | OfTypes):
        return
    ordering = 0 if sort is None or sort.attribute.path in COLUMNS else 1
    parts = _parts(types, bound.shape)
    # Most filters have two terms, and an estimate takes 20 us.
    if max(_leaves(part.term) for part in parts) + ordering <= _ALWAYS:
        return
    units = [_Estimate(1, _one).query(part.term, ordering) for part in parts]
    if max(units) <= _ALWAYS:
        return
    binds = {"app": app.id, "base": base, "type": types[0].name, "endpoint": types[0].endpoint, **bound.binds}
    # More resources than this are too many anyway.
    enough = most // min(unit for unit in units if unit) + 1
    bill = _Bill(db, {**binds, "most": enough}, parts, ordering, most)
    if bill.total(0) > most and bill.total(most // _ASKED) > most:
        raise TooMany(
            f"This query makes {max(units)} comparisons for each resource, which no index saves, and more than "
            f"{most:,} in all. Compare fewer attributes, look up with eq on an attribute in which resources differ, or "
            "read all resources in pages and compare them there.",
            remedy=Remedy(setting="SCIMLITE_MAX_COMPARISONS"),
        )


class _Part(NamedTuple):
    """A type that is searched, the end of the names of its Slots, and the term for it."""

    type: ResourceType
    suffix: str
    term: Shape


def _parts(types: Sequence[ResourceType], shape: Shape | OfTypes) -> list[_Part]:
    if not isinstance(shape, OfTypes):
        return [_Part(types[0], "", shape)]
    return [_Part(resource_type, str(number), term) for number, (resource_type, term) in enumerate(shape.terms)]


@dataclass(slots=True)
class _Bill:
    """Adds up the comparisons of a query with the numbers of resources in the database."""

    db: Database
    #: The values of the Slots; `most` is the largest number of resources that matters.
    binds: dict[str, Any]
    parts: Sequence[_Part]
    ordering: int
    most: int
    #: How many resources indexes may yet find before they are no longer asked.
    answers: int = 0

    def total(self, answers: int) -> int:
        """The comparisons of the whole query; indexes are asked what they find, until they found so many."""
        self.answers = answers
        total = 0
        for part in self.parts:
            own = self._size(part.type.name)
            total += _Estimate(own, partial(self._found, part, own)).query(part.term, self.ordering)
            total += sum(self._size(end.type) for holder in _links(part.term) for end in holder.ends)
            if total > self.most:
                break
        return total

    def _size(self, type: str) -> int:
        return self.db.total(_living, **{**self.binds, "type": type})

    def _found(self, part: _Part, own: int, comparison: Comparison) -> int:
        if self.answers <= 0:
            return own
        number = int(self.db.scalar(_counting(self.db, part.type, part.suffix, comparison), **self.binds))
        self.answers -= number
        return number


def _one(comparison: Comparison) -> int:
    return 1


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Counts the comparisons of a query over so many resources; it follows the way in which conditions are compiled."""

    size: int
    #: How many resources the index finds for a comparison.
    found: Callable[[Comparison], int]

    def query(self, shape: Shape, ordering: int) -> int:
        """The comparisons of a whole query; an order compares each resource that was found once more."""
        work, number = self._condition(shape)
        return work + ordering * number

    def _condition(self, shape: Shape, *, nested: bool = False) -> tuple[int, int]:
        """The comparisons of a condition, and the resources that it leaves at most."""
        terms = terms_of(shape)
        leading = driver(terms, nested=nested)
        tests = sum(_leaves(term) for term in terms if term is not leading)
        if leading is None:
            return self.size * tests, self.size
        work, number = self._set(leading)
        return work + number * tests, number

    def _set(self, shape: Shape) -> tuple[int, int]:
        """The comparisons that give a set, and its size."""
        match shape:
            case Some(terms):
                sets = [self._set(term) for term in terms]
                return sum(work for work, _ in sets), min(sum(number for _, number in sets), self.size)
            case Comparison():
                number = self._matches(shape)
                return number, number
            case SameItem(holder, term) if not (holder.links or holder.derived):
                leading = item_driver(term)
                number = self.size if leading is None else self._matches(leading)
                return number * _leaves(term), number
            case SameItem(_, term):
                return self.size * _leaves(term), self.size
        return self._condition(shape, nested=True)

    def _matches(self, comparison: Comparison) -> int:
        leaf, op = comparison.leaf, comparison.op
        if op == "eq" and (leaf.uniqueness != "none" or leaf.path == "id"):
            return 0
        return self.size if op in _READS_ALL else self.found(comparison)


def _leaves(shape: Shape) -> int:
    """The comparisons of a term for one resource."""
    match shape:
        case Every(terms) | Some(terms):
            return sum(_leaves(term) for term in terms)
        case Complement(term) | SameItem(_, term):
            return _leaves(term)
    return 1 if isinstance(shape, Comparison | Schemas) else 0


def _links(shape: Shape) -> Iterator[Attribute]:
    """The linking attribute of each comparison with the resources at the other end of links."""
    match shape:
        case Every(terms) | Some(terms):
            for term in terms:
                yield from _links(term)
        case Complement(term) | SameItem(_, term):
            yield from _links(term)
        case Comparison(holder, _) if holder.links or holder.derived:
            yield holder


_counts: StatementCache[Statement] = StatementCache()


def _counting(db: Database, resource_type: ResourceType, suffix: str, comparison: Comparison) -> Statement:
    """Counts the resources that an index finds for a comparison, at most `most`."""

    def build() -> Statement:
        ids = matches(db, comparison, resource_type, suffix).limit(Slot("most"))
        return prepared(lambda db: Select([ids.alias("found")], [fn.count(SQL("*"))]))

    return _counts.get((db.kind, resource_type, suffix, comparison), build)


@prepared
def _living(db: Database) -> Any:
    """The number of living resources of a type, at most `most`."""
    resources = ResourceRow.select(ResourceRow.id).where(
        ResourceRow.app_id == Slot("app"), ResourceRow.type == Slot("type"), ResourceRow.deleted_at.is_null()
    )
    return Select([resources.limit(Slot("most")).alias("found")], [fn.count(SQL("*"))])
