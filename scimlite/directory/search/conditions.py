"""What a checked filter asks, as Peewee expressions over the value index; nothing is evaluated over fetched rows.

A shape is compiled in two ways. As a set, "the ids of resources that …", it is answered from an index on what is
asked for; as a test, "this resource has …", from the resource's own rows. The most selective term of a conjunction
becomes the set and the others tests of the few rows it gives, whatever a database would have guessed.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from peewee import SQL, Case, Expression, NodeList, fn

from ...db import Database, Slot
from ...db.tables import MemberRow, ResourceRow, ValueRow, sought
from ...scim import core
from ...scim.schema import Attribute, ResourceType
from .shapes import Comparison, Complement, Every, Fixed, OfTypes, SameItem, Schemas, Shape, Some

#: How much of a key the index covers (migration 0001).
PREFIX = 200


def condition(db: Database, shape: Shape | OfTypes, types: Sequence[ResourceType]) -> Any:
    """The expression over ResourceRow of the app's living resources of these types that a shape stands for."""
    if not isinstance(shape, OfTypes):
        return _Compiler(db, types[0]).found(shape, ResourceRow)
    sets = []
    for number, (resource_type, term) in enumerate(shape.terms):
        if term != Fixed(False):
            row = ResourceRow.alias()
            found = _Compiler(db, resource_type, str(number)).found(term, row)
            sets.append(row.select(row.id).where(found))
    return ResourceRow.id.in_(functools.reduce(operator.add, sets)) if sets else _NEVER


def narrow(shape: Shape | OfTypes) -> bool:
    """Whether an index is likely to give few resources, so that no order is worth walking through all of them."""
    return isinstance(shape, OfTypes) or _narrow(_driver(_terms(shape)))


def few(shape: Shape | OfTypes) -> bool:
    """Whether the filter is one of those that identity providers match with: it mostly finds one resource or none."""
    driver = _driver(_terms(shape)) if not isinstance(shape, OfTypes) else None
    cost = _cost(driver) if driver is not None else None
    return cost is not None and cost <= _COSTS["eq"]


def link_condition(db: Database, resource_type: ResourceType, shape: Shape, other: Any) -> Any:
    """The expression over the resource at the other end of a link that a shape of its value path stands for."""
    return _Compiler(db, resource_type).other_end(shape, other)


# --- columns ------------------------------------------------------------------------------------------------------


def _version_text(db: Database, row: Any, of: str) -> Any:
    return db.by_code_point(_joined(SQL("'W/\"'"), row.version.cast("TEXT"), SQL("'\"'")))


def _location(db: Database, row: Any, of: str) -> Any:
    return _joined(Slot("base").typed(), SQL("'/'"), Slot(f"endpoint{of}").typed(), SQL("'/'"), row.uuid)


def _joined(*parts: Any) -> Any:
    whole = parts[0]
    for part in parts[1:]:
        whole = Expression(whole, "||", part)
    return whole


#: Attributes that every resource has and that stand in its row, by index path; `of` ends the names of a type's Slots.
COLUMNS: dict[str, Callable[[Database, Any, str], Any]] = {
    "id": lambda db, row, of: row.uuid,
    "meta.created": lambda db, row, of: row.created_at,
    "meta.lastModified": lambda db, row, of: row.modified_at,
    "meta.version": _version_text,
    "meta.location": _location,
    "meta.resourceType": lambda db, row, of: row.type,
}


# --- conditions ---------------------------------------------------------------------------------------------------

_NEVER = SQL("(1 = 0)")
_ALWAYS = SQL("(1 = 1)")

#: What a set costs, roughly: how many resources it is likely to hold.
_COSTS = {"eq": 1, "sw": 3, "gt": 4, "ge": 4, "lt": 4, "le": 4, "co": 6, "ew": 6, "ne": 7, "pr": 7, "any": 7}
#: Who asks for what was modified since asks for little: what came since the last time.
_COLUMN_COSTS = {"id": {"eq": 0}, "meta.lastModified": dict.fromkeys(("eq", "gt", "ge", "lt", "le"), 2)}
_NARROW = 4
#: An attribute with few different values, such as a type or a boolean.
_FEW_VALUES = 5


def _cost(shape: Shape) -> int | None:
    """How large the set of a shape is likely to be; None when no index gives it."""
    match shape:
        case Comparison(holder, leaf, op) if leaf.path in COLUMNS:
            return _COLUMN_COSTS.get(leaf.path, {}).get(op)
        case Comparison(holder, leaf, op) if holder.links or holder.derived:
            return _COSTS["eq" if op == "eq" and leaf.key == "value" else "any"]
        case Comparison(_, leaf) if not all(each.sought for each in leaf.leaves()):
            return None
        case Comparison(_, leaf, op):
            few = leaf.type == "boolean" or leaf.canonical_values
            return max(_COSTS[op], _FEW_VALUES) if few else _COSTS[op]
        case SameItem(holder, term):
            driver = _driver(each for each in _terms(term) if isinstance(each, Comparison))
            if driver is None:
                return _COSTS["any"] if holder.links or holder.derived else None
            return _cost(driver)
        case Some(terms):
            # Only one level of these: a set in a set in a set is more than SQLite's parser takes.
            drivers = [_driver(_terms(term), nested=True) for term in terms]
            costs = [_cost(driver) for driver in drivers if driver is not None]
            return max(cost for cost in costs if cost is not None) if len(costs) == len(terms) else None
    return None


def _driver(terms: Iterable[Shape], *, nested: bool = False) -> Shape | None:
    """The term whose set is likely to be the smallest."""
    usable = (term for term in terms if not (nested and isinstance(term, Some)))
    costs = [(cost, at, term) for at, term in enumerate(usable) if (cost := _cost(term)) is not None]
    return min(costs)[2] if costs else None


def _narrow(driver: Shape | None) -> bool:
    cost = _cost(driver) if driver is not None else None
    return cost is not None and cost <= _NARROW


def _terms(shape: Shape) -> tuple[Shape, ...]:
    return shape.terms if isinstance(shape, Every) else (shape,)


class _Compiler:
    """Builds one condition; holds what every part of it needs. `row` is the resource that is asked about.

    `of` ends the names of the Slots of the type and its endpoint, where several types are asked for at once.
    """

    def __init__(self, db: Database, resource_type: ResourceType, of: str = "") -> None:
        self.db = db
        self.resource_type = resource_type
        self.of = of
        self.type = Slot(f"type{of}")

    def found(self, shape: Shape, row: Any, *, nested: bool = False) -> Any:
        """The condition, led by the set of its most selective term if there is one.

        What the row belongs to must hold as well, but when the set is small it is hidden from the planners: without
        statistics, or with old ones, they take an index over all resources of an app for just as good.
        """
        terms = _terms(shape)
        driver = _driver(terms, nested=nested)
        tests = [self.test(each, row) for each in terms if each is not driver]
        app, type, living = row.app_id == Slot("app"), row.type == self.type, row.deleted_at.is_null()
        if driver is None:
            return _all_of([app, type, living, *tests])
        if isinstance(driver, Comparison) and driver.leaf.path in COLUMNS:
            first = self.test(driver, row)
            if driver.leaf.path == "id":
                return _all_of([app, first, _hidden(type, living), *tests])
            return _all_of([app, type, first, _hidden(living), *tests])
        first = row.id.in_(self.set(driver))
        if _narrow(driver):
            return _all_of([first, _hidden(app, type, living), *tests])
        return _all_of([app, type, living, first, *tests])

    def set(self, shape: Shape) -> Any:
        """A query of the ids of resources that a shape with a cost stands for."""
        match shape:
            case Some(terms):
                return functools.reduce(operator.add, [self.set(term) for term in terms])
            case Comparison(holder, leaf) if leaf.path not in COLUMNS:
                if holder.links or holder.derived:
                    return self.linked_set(holder, shape)
                value = ValueRow.alias()
                return self.value_set(value, leaf, [self.indexed(value, shape)])
            case SameItem(holder, term):
                if holder.links or holder.derived:
                    return self.linked_set(holder, term)
                value = ValueRow.alias()
                driver = _driver(each for each in _terms(term) if isinstance(each, Comparison))
                assert isinstance(driver, Comparison)
                rest = [self.item_test(each, value) for each in _terms(term) if each is not driver]
                return self.value_set(value, driver.leaf, [self.indexed(value, driver), *rest])
        resource = ResourceRow.alias()
        return resource.select(resource.id).where(self.found(shape, resource, nested=True))

    def value_set(self, value: Any, leaf: Attribute, tests: Iterable[Any]) -> Any:
        asked = [value.app_id == Slot("app"), value.type == self.type, _at(value, leaf), sought(value), *tests]
        return value.select(value.resource_id).where(_all_of(asked))

    def test(self, shape: Shape, row: Any) -> Any:
        """The condition on a resource that is already found."""
        match shape:
            case Fixed(holds):
                return _ALWAYS if holds else _NEVER
            case Every(terms):
                return _all_of(self.test(each, row) for each in terms)
            case Some(terms):
                return _any_of(self.test(each, row) for each in terms)
            case Complement(term):
                return _not(self.test(term, row))
            case Schemas(urns):
                return self.schemas(urns, row)
            case SameItem(holder, term):
                if holder.links or holder.derived:
                    return self.linked(holder, term, row)
                value = ValueRow.alias()
                return _exists(value, _of(value, row), _at(value, holder), self.item_test(term, value))
            case Comparison(holder, leaf, op, slot):
                if leaf.path in COLUMNS:
                    name = f"{slot}i" if leaf.type == "dateTime" else slot
                    return self.compared(COLUMNS[leaf.path](self.db, row, self.of), op, Slot(name))
                if holder.links or holder.derived:
                    return self.linked(holder, shape, row)
                value = ValueRow.alias()
                return _exists(value, _of(value, row), _at(value, leaf), self.plain(value, shape))

    def schemas(self, urns: tuple[str, ...], row: Any) -> Any:
        """`schemas` follows from what a resource holds: the core URN always, an extension's when it has a value."""
        if self.resource_type.schema.id in urns:
            return _ALWAYS
        value = ValueRow.alias()
        paths = [
            leaf.path
            for extension in self.resource_type.extensions
            if extension.id in urns
            for attribute in extension.attributes
            for leaf in attribute.leaves()
        ]
        return _exists(value, _of(value, row), value.path.in_(paths)) if paths else _NEVER

    # --- one comparison ---

    def compared(self, column: Any, op: str, slot: Slot) -> Any:
        """`column op value` on whole texts or numbers."""
        match op:
            case "co":
                return self.db.contains(column, slot)
            case "sw":
                return fn.substr(column, 1, fn.length(slot)) == slot
            case "ew":
                return self.db.ends_with(column, slot)
        signs = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
        return Expression(column, signs[op], slot)

    def plain(self, value: Any, term: Comparison) -> Any:
        """The test of the key of a row that is already found."""
        if term.op == "any":
            return _ALWAYS
        return value.key != "" if term.op == "pr" else self.compared(value.key, term.op, Slot(term.slot))

    def indexed(self, value: Any, term: Comparison) -> Any:
        """The same test, its first part as the index answers it."""
        prefix = fn.substr(value.key, SQL("1"), SQL(str(PREFIX)))
        start = Slot(f"{term.slot}p")
        match term.op:
            case "eq":
                found = prefix == start
                return found & self.plain(value, term) if term.long else found
            case "sw":
                found = prefix >= start
                if not term.last:
                    found &= prefix < Slot(f"{term.slot}n")
                return found & self.plain(value, term) if term.long else found
            case "gt" | "ge":
                return (prefix >= start) & self.plain(value, term)
            case "lt" | "le":
                return (prefix <= start) & self.plain(value, term)
        return self.plain(value, term)

    def item_test(self, shape: Shape, item: Any) -> Any:
        """The condition on one value of an attribute, given a row of it."""
        match shape:
            case Every(terms):
                return _all_of(self.item_test(each, item) for each in terms)
            case Some(terms):
                return _any_of(self.item_test(each, item) for each in terms)
            case Complement(term):
                return _not(self.item_test(term, item))
        assert isinstance(shape, Comparison)
        value = ValueRow.alias()
        same = (value.resource_id == item.resource_id) & (value.item == item.item)
        return _exists(value, same, _at(value, shape.leaf), self.plain(value, shape))

    # --- links: members of a group, groups of a user ---

    def linked_set(self, holder: Attribute, term: Shape) -> Any:
        member = MemberRow.alias()
        if holder.links:
            return member.select(member.group_id).where(self.among_others(member.member_id, term))
        return member.select(member.member_id).where(member.group_id.in_(self.groups_below(term)))

    def linked(self, holder: Attribute, term: Shape, row: Any) -> Any:
        member = MemberRow.alias()
        if holder.links:
            return _exists(member, member.group_id == row.id, self.among_others(member.member_id, term))
        return _exists(member, member.member_id == row.id, member.group_id.in_(self.groups_below(term)))

    def among_others(self, column: Any, term: Shape) -> Any:
        """The column is the id of a resource at the other end; of the one, as a value, where there can be but one."""
        others = self.others(term)
        return column == others if _names_one(term) else column.in_(others)

    def others(self, term: Shape, type: str | None = None) -> Any:
        """The living resources of the app that pass a test of the other end."""
        other = ResourceRow.alias()
        app, living = other.app_id == Slot("app"), other.deleted_at.is_null()
        more = [other.type == type] if type is not None else []
        if _names_one(term):
            return other.select(other.id).where(_all_of([app, self.other_end(term, other), _hidden(living, *more)]))
        return other.select(other.id).where(_all_of([app, *more, living, self.other_end(term, other)]))

    def groups_below(self, term: Shape) -> Any:
        """The living groups that pass the test and all groups in them; UNION makes cycles end."""
        start = self.others(term, core.GROUP.name)
        if isinstance(term, Comparison) and term.op in ("pr", "any"):
            return start
        down = start.cte("down", recursive=True, columns=("id",))
        member, inner = MemberRow.alias(), ResourceRow.alias()
        step = (
            member.select(member.member_id)
            .join(down, on=(member.group_id == down.c.id))
            .join(inner, on=(inner.id == member.member_id))
            .where(inner.type == core.GROUP.name, inner.deleted_at.is_null())
        )
        closure = down.union(step)
        return closure.select_from(closure.c.id)

    def other_end(self, shape: Shape, other: Any) -> Any:
        """The condition on the resource at the other end of a link."""
        match shape:
            case Every(terms):
                return _all_of(self.other_end(each, other) for each in terms)
            case Some(terms):
                return _any_of(self.other_end(each, other) for each in terms)
            case Complement(term):
                return _not(self.other_end(term, other))
        assert isinstance(shape, Comparison)
        if shape.op == "any" or (shape.op == "pr" and shape.leaf.key != "display"):
            return _ALWAYS
        end = self.end(shape.leaf, other)
        return end != "" if shape.op == "pr" else self.compared(end, shape.op, Slot(shape.slot))

    def end(self, leaf: Attribute, other: Any) -> Any:
        """What a sub-attribute of a link is at its other end."""
        if leaf.key == "value":
            return other.uuid
        if leaf.key == "display":
            return fn.coalesce(*(_only(other, path) for path in ("displayName", "userName")), "")
        if leaf.key == "$ref":
            return _joined(Slot("base").typed(), SQL("'/'"), _endpoint(other.type), SQL("'/'"), other.uuid)
        assert leaf.key == "type", leaf.path
        return fn.lower(other.type)


def _endpoint(type: Any) -> Any:
    """The endpoint of a type that a link can point at, as SQL over the column that names the type."""
    return Case(type, [(SQL(f"'{name}'"), SQL(f"'{endpoint}'")) for name, endpoint in core.ENDPOINTS.items()])


def _only(other: Any, path: str) -> Any:
    value = ValueRow.alias()
    return value.select(value.key).where(value.resource_id == other.id, value.path == path).limit(1)


def _of(value: Any, row: Any) -> Any:
    return value.resource_id == row.id


def _at(value: Any, attribute: Attribute) -> Any:
    """The row is of this attribute, or of one of its sub-attributes."""
    paths = [leaf.path for leaf in attribute.leaves()]
    return value.path == paths[0] if len(paths) == 1 else value.path.in_(paths)


def _exists(table: Any, *tests: Any) -> Any:
    """Whether there is such a row. PostgreSQL makes no join of what `IS TRUE` follows.

    Its guesses then cannot turn the order round, and a hundred joins would take it half a minute.
    """
    return Expression(fn.EXISTS(table.select(SQL("1")).where(*tests)), "IS", SQL("TRUE"))


def _hidden(*tests: Any) -> Any:
    """Tests that no planner takes for something that an index answers."""
    return Expression(_all_of(tests), "IS", SQL("TRUE"))


def _names_one(term: Shape) -> bool:
    """Whether the other end is given by its id."""
    return any(isinstance(each, Comparison) and each.leaf.key == "value" and each.op == "eq" for each in _terms(term))


def _all_of(parts: Iterable[Any]) -> Any:
    return _chained(" AND ", list(parts))


def _any_of(parts: Iterable[Any]) -> Any:
    return _chained(" OR ", list(parts))


def _chained(glue: str, parts: list[Any]) -> Any:
    """The parts in one pair of brackets: SQLite's parser takes no hundred pairs one in another."""
    return parts[0] if len(parts) == 1 else NodeList(parts, glue, parens=True)


def _not(part: Any) -> Any:
    return NodeList((SQL("NOT"), part), parens=True)
