"""Compiles the shape of a filter into a Peewee condition over the value index; the database evaluates all of it.

A shape is compiled in two ways: as a set, "the ids of resources that …", which an index on the values answers, or as a
test, "this resource has …", which the resource's own rows answer. The term of a conjunction with the smallest set
becomes the set, and the other terms become tests of its few rows, whatever order the database would have chosen.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

from peewee import SQL, fn

from ...db import Database, Slot
from ...db.tables import PREFIX, ResourceRow, ValueRow, sought
from ...scim.attribute import Attribute
from ...scim.schema import ResourceType
from . import links
from .columns import COLUMNS
from .cost import driver, item_driver, small, terms_of
from .expressions import ALWAYS, NEVER, all_of, any_of, belongs_to, compared, exists, has_path, hidden, negated
from .shapes import Comparison, Complement, Every, Fixed, OfTypes, SameItem, Schemas, Shape, Some


def condition(db: Database, shape: Shape | OfTypes, types: Sequence[ResourceType]) -> Any:
    """The expression over ResourceRow for the app's living resources of these types that satisfy a shape."""
    if not isinstance(shape, OfTypes):
        return _Compiler(db, types[0]).condition(shape, ResourceRow)
    sets = []
    for number, (resource_type, term) in enumerate(shape.terms):
        if term != Fixed(False):
            row = ResourceRow.alias()
            matching = _Compiler(db, resource_type, str(number)).condition(term, row)
            sets.append(row.select(row.id).where(matching))
    return ResourceRow.id.in_(functools.reduce(operator.add, sets)) if sets else NEVER


def matches(db: Database, term: Comparison, resource_type: ResourceType, suffix: str = "") -> Any:
    """A query of the ids of resources that an index finds for a comparison; `suffix` as for the compiler.

    It reads the index alone, and so may find a few more than satisfy the comparison.
    """
    compiler = _Compiler(db, resource_type, suffix)
    if term.leaf.path in COLUMNS or term.holder.links or term.holder.derived:
        return compiler.set(term)
    value = ValueRow.alias()
    covered = compiler.covered(value, term)
    return compiler.value_set(value, term.leaf, [] if covered is None else [covered])


class _Compiler:
    """Builds the condition on resources of one type; `row` in its methods is the resource's alias of ResourceRow.

    `suffix` ends the names of the Slots of the type and its endpoint, where a search is about several types.
    """

    def __init__(self, db: Database, resource_type: ResourceType, suffix: str = "") -> None:
        self.db = db
        self.resource_type = resource_type
        self.suffix = suffix
        self.type = Slot(f"type{suffix}")

    def condition(self, shape: Shape, row: Any, *, nested: bool = False) -> Any:
        """The condition of a search; the set of the driver comes first, if there is a driver.

        App, type and life are conditions too. Beside a small set they are hidden from the planner: without statistics,
        or with old ones, a planner takes an index over all resources of an app for as good as the set.
        """
        terms = terms_of(shape)
        leading = driver(terms, nested=nested)
        tests = [self.test(term, row) for term in terms if term is not leading]
        app, type, living = row.app_id == Slot("app"), row.type == self.type, row.deleted_at.is_null()
        if leading is None:
            return all_of([app, type, living, *tests])
        if isinstance(leading, Comparison) and leading.leaf.path in COLUMNS:
            first = self.test(leading, row)
            if leading.leaf.path == "id":
                return all_of([app, first, hidden(type, living), *tests])
            return all_of([app, type, first, hidden(living), *tests])
        first = row.id.in_(self.set(leading))
        if small(leading):
            return all_of([first, hidden(app, type, living), *tests])
        return all_of([app, type, living, first, *tests])

    # --- sets ---

    def set(self, shape: Shape) -> Any:
        """A query of the ids of resources that satisfy a shape; the shape has a cost."""
        match shape:
            case Some(terms):
                return functools.reduce(operator.add, [self.set(term) for term in terms])
            case Comparison(holder, leaf) if leaf.path not in COLUMNS:
                if holder.links or holder.derived:
                    return links.linked_set(self.db, holder, shape)
                value = ValueRow.alias()
                return self.value_set(value, leaf, [self.indexed(value, shape)])
            case SameItem(holder, term):
                if holder.links or holder.derived:
                    return links.linked_set(self.db, holder, term)
                value = ValueRow.alias()
                leading = item_driver(term)
                assert leading is not None
                rest = [self.item_test(part, value) for part in terms_of(term) if part is not leading]
                return self.value_set(value, leading.leaf, [self.indexed(value, leading), *rest])
        resource = ResourceRow.alias()
        return resource.select(resource.id).where(self.condition(shape, resource, nested=True))

    def value_set(self, value: Any, leaf: Attribute, tests: Iterable[Any]) -> Any:
        """A query of the resources with a value of an attribute that passes the tests."""
        place = [value.app_id == Slot("app"), value.type == self.type, has_path(value, leaf), sought(value)]
        return value.select(value.resource_id).where(all_of([*place, *tests]))

    # --- tests ---

    def test(self, shape: Shape, row: Any) -> Any:
        """The condition on a resource whose row another condition finds."""
        match shape:
            case Fixed(holds):
                return ALWAYS if holds else NEVER
            case Every(terms):
                return all_of(self.test(term, row) for term in terms)
            case Some(terms):
                return any_of(self.test(term, row) for term in terms)
            case Complement(term):
                return negated(self.test(term, row))
            case Schemas(urns):
                return self.schemas(urns, row)
            case SameItem(holder, term):
                if holder.links or holder.derived:
                    return links.linked(self.db, holder, term, row)
                value = ValueRow.alias()
                return exists(value, belongs_to(value, row), has_path(value, holder), self.item_test(term, value))
            case Comparison():
                return self.comparison(shape, row)

    def comparison(self, term: Comparison, row: Any) -> Any:
        """The condition that a resource has a value that passes a comparison."""
        holder, leaf = term.holder, term.leaf
        if leaf.path in COLUMNS:
            slot = Slot(f"{term.slot}i" if leaf.type == "dateTime" else term.slot)
            return compared(self.db, COLUMNS[leaf.path](self.db, row, self.suffix), term.op, slot)
        if holder.links or holder.derived:
            return links.linked(self.db, holder, term, row)
        value = ValueRow.alias()
        return exists(value, belongs_to(value, row), has_path(value, leaf), self.key_test(value, term))

    def schemas(self, urns: tuple[str, ...], row: Any) -> Any:
        """The condition that a resource has one of these extensions: a value of it."""
        value = ValueRow.alias()
        paths = [
            leaf.path
            for extension in self.resource_type.extensions
            if extension.id in urns
            for attribute in extension.attributes
            for leaf in attribute.leaves()
        ]
        return exists(value, belongs_to(value, row), value.path.in_(paths)) if paths else NEVER

    def item_test(self, shape: Shape, item: Any) -> Any:
        """The condition on one value of a multi-valued attribute, given a value row of it."""
        match shape:
            case Every(terms):
                return all_of(self.item_test(term, item) for term in terms)
            case Some(terms):
                return any_of(self.item_test(term, item) for term in terms)
            case Complement(term):
                return negated(self.item_test(term, item))
        assert isinstance(shape, Comparison)
        value = ValueRow.alias()
        same = (value.resource_id == item.resource_id) & (value.item == item.item)
        return exists(value, same, has_path(value, shape.leaf), self.key_test(value, shape))

    # --- keys ---

    def key_test(self, value: Any, term: Comparison) -> Any:
        """The condition on the key of a value row that another condition finds."""
        if term.op == "any":
            return ALWAYS
        return value.key != "" if term.op == "pr" else compared(self.db, value.key, term.op, Slot(term.slot))

    def indexed(self, value: Any, term: Comparison) -> Any:
        """The condition of `key_test`, led by a condition on the key's beginning, which the index covers."""
        covered = self.covered(value, term)
        if covered is None:
            return self.key_test(value, term)
        exact = term.op in ("eq", "sw") and not term.long
        return covered if exact else covered & self.key_test(value, term)

    def covered(self, value: Any, term: Comparison) -> Any:
        """The condition on the key's beginning that every key of `key_test` satisfies; None when there is none."""
        prefix = fn.substr(value.key, SQL("1"), SQL(str(PREFIX)))
        start = Slot(f"{term.slot}p")
        match term.op:
            case "eq":
                return prefix == start
            case "sw":
                return prefix >= start if term.last else (prefix >= start) & (prefix < Slot(f"{term.slot}n"))
            case "gt" | "ge":
                return prefix >= start
            case "lt" | "le":
                return prefix <= start
        return None
