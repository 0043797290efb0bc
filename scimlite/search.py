"""A filter and a sort order, checked against a resource type, compiled to Peewee expressions over the value index.

Two steps: `bind` checks a filter and separates its shape (hashable) from the compared keys; `condition` builds the
expression of a shape once, with Slots where the keys go. Nothing is ever evaluated over fetched rows.

Two-valued logic: a comparison with an absent attribute is false, except `ne`, which is true; `not` is the complement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peewee import SQL, Asc, Desc, Expression, fn

from .db import Database, Slot
from .errors import InvalidFilter, InvalidPath
from .models import MemberRow, ResourceRow, ValueRow
from .scim import comparison
from .scim.filter import And, Compare, Filter, Not, Or, ValuePath
from .scim.path import AttrPath
from .scim.schema import Attribute, ResourceType, Target

#: How much of a key the index covers (migration 0001).
PREFIX = 200
#: Keys of times are microseconds plus this (scim.values).
_TIME_BIAS = 10**19

Shape = tuple[Any, ...]


@dataclass(slots=True)
class BoundFilter:
    """A filter's shape, and what its Slots are bound to."""

    shape: Shape
    binds: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sort:
    """The attribute to sort by, already a simple one, and the direction."""

    attribute: Attribute
    holder: Attribute
    descending: bool = False


# --- checking and binding -----------------------------------------------------------------------------------------


def bind(term: Filter | None, resource_type: ResourceType) -> BoundFilter:
    """Check a filter against the schema; InvalidFilter names what does not exist or cannot be compared."""
    bound = BoundFilter(("all",))
    if term is not None:
        bound.shape = _bind(term, resource_type, bound.binds)
    return bound


def _bind(term: Filter, resource_type: ResourceType, binds: dict[str, Any]) -> Shape:
    match term:
        case And():
            return ("and", *(_bind(each, resource_type, binds) for each in term.terms))
        case Or():
            return ("or", *(_bind(each, resource_type, binds) for each in term.terms))
        case Not():
            return ("not", _bind(term.term, resource_type, binds))
        case Compare():
            target = _resolve(resource_type, term.path)
            assert target.attribute is not None and target.leaf is not None
            return _bind_compare(target.attribute, target.leaf, term, binds)
        case ValuePath():
            target = _resolve(resource_type, term.path)
            attribute = target.leaf
            assert attribute is not None
            if not attribute.multi_valued:
                raise InvalidFilter(f"{attribute.path} has one value: it takes no filter in brackets.")
            return ("item", attribute, _bind_item(term.term, attribute, binds))
    raise AssertionError(term)


def _resolve(resource_type: ResourceType, path: AttrPath) -> Target:
    target = resource_type.find(path)
    if target is None or target.attribute is None:
        raise InvalidFilter(f"{resource_type.name} has no attribute {str(path)!r}.")
    return target


def _bind_item(term: Filter, attribute: Attribute, binds: dict[str, Any]) -> Shape:
    """The filter inside the brackets of a value path: every name is a sub-attribute."""
    match term:
        case And():
            return ("and", *(_bind_item(each, attribute, binds) for each in term.terms))
        case Or():
            return ("or", *(_bind_item(each, attribute, binds) for each in term.terms))
        case Not():
            return ("not", _bind_item(term.term, attribute, binds))
        case Compare():
            return _bind_compare(attribute, comparison.sub_attribute(attribute, term.path), term, binds)
        case ValuePath():
            raise InvalidFilter("A value path cannot stand inside another one.")
    raise AssertionError(term)


def _bind_compare(holder: Attribute, leaf: Attribute, term: Compare, binds: dict[str, Any]) -> Shape:
    bound = comparison.bind(leaf, term.op, term.value)
    if bound.op in ("pr", "absent"):
        return ("compare", holder, bound.attribute, bound.op, "", False)
    name = f"v{len(binds)}"
    binds[name] = bound.key
    ahead = _successor(bound.key[:PREFIX]) if bound.op == "sw" else None
    binds[f"{name}p"] = bound.key[:PREFIX]
    binds[f"{name}n"] = ahead
    binds[f"{name}i"] = int(bound.key) - _TIME_BIAS if bound.attribute.type == "dateTime" else None
    hint = "long" if len(bound.key) >= PREFIX else "open" if bound.op == "sw" and ahead is None else ""
    return ("compare", holder, bound.attribute, bound.op, name, hint, *_constant(holder, bound))


def _constant(holder: Attribute, bound: comparison.Bound) -> tuple[Any, ...]:
    """What a comparison with something that is the same for all resources needs to know when it is compiled."""
    if holder.key == "schemas" or bound.attribute.path == "meta.resourceType":
        return (bound.key,)
    return ()


def _successor(text: str) -> str | None:
    """The smallest text greater than every text that starts with this one; None when there is none."""
    while text:
        code = ord(text[-1]) + 1
        if code == 0xD800:
            code = 0xE000
        if code <= 0x10FFFF:
            return text[:-1] + chr(code)
        text = text[:-1]
    return None


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


def bind_item(term: Filter, attribute: Attribute) -> BoundFilter:
    """Check a filter that stands in the brackets of a value path of `attribute`."""
    bound = BoundFilter(("all",))
    bound.shape = _bind_item(term, attribute, bound.binds)
    return bound


# --- compiling ----------------------------------------------------------------------------------------------------


def condition(db: Database, shape: Shape, resource_type: ResourceType) -> Any:
    """The expression over ResourceRow that a bound filter's shape stands for."""
    return _Compiler(db, resource_type).condition(shape)


def link_condition(db: Database, resource_type: ResourceType, shape: Shape, other: Any) -> Any:
    """The expression over the resource at the other end of a link that a shape from `bind_item` stands for."""
    return _Compiler(db, resource_type).other_end(other, shape)


def order(db: Database, by: Sort | None, *, backwards: bool = False) -> list[Any]:
    """ORDER BY terms: the sort key, then the order of creation, so that pages never overlap.

    A resource without the attribute comes last ascending, first descending (RFC 7644 section 3.4.2.3).
    """
    last = ResourceRow.id.desc() if backwards else ResourceRow.id.asc()
    if by is None:
        return [last]
    key = _sort_key(by)
    if by.descending != backwards:
        return [Desc(key, nulls="FIRST"), last]
    return [Asc(key, nulls="LAST"), last]


def _sort_key(by: Sort) -> Any:
    column = _COLUMNS.get(by.attribute.path)
    if column is not None:
        return column(Slot("base"), Slot("endpoint"))
    value, primary = ValueRow.alias(), ValueRow.alias()
    keys = (
        value.select(value.key)
        .where(value.resource_id == ResourceRow.id, value.path == by.attribute.path)
        .order_by(value.item)
        .limit(1)
    )
    if "primary" not in by.holder.subs:
        return keys
    preferred = (
        value.select(value.key)
        .join(primary, on=((primary.resource_id == value.resource_id) & (primary.item == value.item)))
        .where(
            value.resource_id == ResourceRow.id,
            value.path == by.attribute.path,
            primary.path == f"{by.holder.path}.primary",
            primary.key == "true",
        )
        .limit(1)
    )
    return fn.coalesce(preferred, keys)


def _version_text(base: Any, endpoint: Any) -> Any:
    return Expression(Expression(SQL("'W/\"'"), "||", ResourceRow.version.cast("TEXT")), "||", SQL("'\"'"))


def _location(base: Any, endpoint: Any) -> Any:
    return _joined(base.typed(), SQL("'/'"), endpoint.typed(), SQL("'/'"), ResourceRow.uuid)


def _joined(*parts: Any) -> Any:
    whole = parts[0]
    for part in parts[1:]:
        whole = Expression(whole, "||", part)
    return whole


#: Attributes that are columns of the resource: index path to an expression of (base URL, endpoint).
_COLUMNS: dict[str, Callable[[Any, Any], Any]] = {
    "id": lambda base, endpoint: ResourceRow.uuid,
    "meta.created": lambda base, endpoint: ResourceRow.created_at,
    "meta.lastModified": lambda base, endpoint: ResourceRow.modified_at,
    "meta.version": _version_text,
    "meta.location": _location,
    "meta.resourceType": lambda base, endpoint: ResourceRow.type,
}

_NEVER = SQL("(1 = 0)")
_ALWAYS = SQL("(1 = 1)")


class _Compiler:
    """Builds one condition; holds what every part of it needs."""

    def __init__(self, db: Database, resource_type: ResourceType) -> None:
        self.db = db
        self.resource_type = resource_type

    def condition(self, shape: Shape) -> Any:
        match shape[0]:
            case "all":
                return None
            case "and":
                return _fold("&", [self.condition(each) for each in shape[1:]])
            case "or":
                return _fold("|", [self.condition(each) for each in shape[1:]])
            case "not":
                return ~self.condition(shape[1])
            case "item":
                return self._item(shape[1], shape[2])
        return self._compare(shape)

    # --- one comparison ---

    def _compare(self, shape: Shape) -> Any:
        _, holder, leaf, op, name, hint, *constant = shape
        if holder.links:
            return self._members(shape)
        if holder.derived:
            return self._derived(shape)
        if holder.key == "schemas":
            return self._schemas(op, constant)
        column = _COLUMNS.get(leaf.path)
        if column is not None or holder.key == "meta":
            if op in ("pr", "absent"):
                return _ALWAYS if op == "pr" else _NEVER
            if leaf.path == "meta.resourceType":
                return _ALWAYS if comparison.OPERATORS[op](self.resource_type.name, constant[0]) else _NEVER
            assert column is not None
            slot = Slot(f"{name}i") if leaf.type == "dateTime" else Slot(name)
            return self._operator(column(Slot("base"), Slot("endpoint")), op, slot)
        if op == "pr":
            return self._having([each.path for each in leaf.leaves()], lambda value: value.key != "")
        if op == "absent":
            return ~self._having([each.path for each in leaf.leaves()], lambda value: value.key != "")
        if op == "ne":
            differs = self._having([leaf.path], lambda value: value.key != Slot(name))
            return (~self._having([leaf.path], lambda value: None) | differs)
        return self._having([leaf.path], lambda value: self._key(value, op, name, hint))

    def _having(self, paths: list[str], test: Callable[[Any], Any]) -> Any:
        """Resources with a value at one of the paths that passes the test."""
        value = ValueRow.alias()
        return ResourceRow.id.in_(
            value.select(value.resource_id).where(*self._rows(value, paths), *_some(test(value)))
        )

    def _rows(self, value: Any, paths: list[str]) -> list[Any]:
        path = value.path == paths[0] if len(paths) == 1 else value.path.in_(paths)
        return [value.app_id == Slot("app"), value.type == Slot("type"), path]

    def _key(self, value: Any, op: str, name: str, hint: str) -> Any:
        """The test of a key; the first part is what the index answers."""
        prefix = fn.substr(value.key, SQL("1"), SQL(str(PREFIX)))
        whole = Slot(name)
        start = Slot(f"{name}p")
        if op == "eq":
            return (prefix == start) & (value.key == whole) if hint == "long" else prefix == start
        if op == "sw":
            inside = prefix >= start
            if hint != "open":
                inside &= prefix < Slot(f"{name}n")
            return inside & (fn.substr(value.key, 1, fn.length(whole)) == whole) if hint == "long" else inside
        if op in ("gt", "ge"):
            return (prefix >= start) & self._operator(value.key, op, whole)
        if op in ("lt", "le"):
            return (prefix <= start) & self._operator(value.key, op, whole)
        return self._operator(value.key, op, whole)

    def _operator(self, column: Any, op: str, slot: Slot) -> Any:
        """`column op value` on whole texts or numbers."""
        match op:
            case "eq":
                return Expression(column, "=", slot)
            case "ne":
                return Expression(column, "<>", slot)
            case "co":
                return self.db.contains(column, slot)
            case "sw":
                return fn.substr(column, 1, fn.length(slot)) == slot
            case "ew":
                return self.db.ends_with(column, slot)
        return Expression(column, {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}[op], slot)

    def _schemas(self, op: str, constant: list[str]) -> Any:
        """`schemas` follows from what a resource holds: the core URN always, an extension's when it has a value."""
        if op in ("pr", "absent"):
            return _ALWAYS if op == "pr" else _NEVER
        test = comparison.OPERATORS[op]
        if test(self.resource_type.schema.id, constant[0]):
            return _ALWAYS
        found = [
            self._having(
                [leaf.path for attribute in extension.attributes for leaf in attribute.leaves()],
                lambda value: None,
            )
            for extension in self.resource_type.extensions
            if test(extension.id, constant[0])
        ]
        return _fold("|", found) if found else _NEVER

    # --- value paths: every term holds for the same item ---

    def _item(self, holder: Attribute, shape: Shape) -> Any:
        if holder.links:
            return self._members(shape)
        if holder.derived:
            return self._derived(shape)
        driver, rest = _driver(shape)
        value = ValueRow.alias()
        if driver is None:
            paths = [leaf.path for leaf in holder.leaves()]
            tests: list[Any] = []
        else:
            _, _, leaf, op, name, hint = driver
            paths = [leaf.path]
            tests = [self._key(value, op, name, hint)]
        tests += [self._in_item(each, value) for each in rest]
        return ResourceRow.id.in_(value.select(value.resource_id).where(*self._rows(value, paths), *tests))

    def _in_item(self, shape: Shape, item: Any) -> Any:
        """The condition on one item, given a row of it."""
        match shape[0]:
            case "and":
                return _fold("&", [self._in_item(each, item) for each in shape[1:]])
            case "or":
                return _fold("|", [self._in_item(each, item) for each in shape[1:]])
            case "not":
                return ~self._in_item(shape[1], item)
        _, _, leaf, op, name, hint, *_ = shape
        if op == "pr":
            return self._same_item(item, leaf, lambda value: value.key != "")
        if op == "absent":
            return ~self._same_item(item, leaf, lambda value: value.key != "")
        if op == "ne":
            differs = self._same_item(item, leaf, lambda value: value.key != Slot(name))
            return (~self._same_item(item, leaf, lambda value: None) | differs)
        return self._same_item(item, leaf, lambda value: self._key(value, op, name, hint))

    def _same_item(self, item: Any, leaf: Attribute, test: Callable[[Any], Any]) -> Any:
        value = ValueRow.alias()
        return fn.EXISTS(
            value.select(SQL("1")).where(
                value.resource_id == item.resource_id,
                value.path == leaf.path,
                value.item == item.item,
                *_some(test(value)),
            )
        )

    # --- links: members of a group, groups of a user ---

    def _members(self, shape: Shape) -> Any:
        member, other = MemberRow.alias(), ResourceRow.alias()
        linked = member.select(member.group_id).join(other, on=(other.id == member.member_id))
        if shape[0] == "compare" and shape[3] in ("ne", "absent"):
            inverse = (*shape[:3], "eq" if shape[3] == "ne" else "pr", *shape[4:])
            if shape[3] == "absent":
                return ~self._members(inverse)
            differs = ResourceRow.id.in_(self._linked(linked, member, other, ("not", inverse)))
            return (~ResourceRow.id.in_(self._linked(linked, member, other, ("all",))) | differs)
        return ResourceRow.id.in_(self._linked(linked, member, other, shape))

    def _linked(self, query: Any, member: Any, other: Any, shape: Shape) -> Any:
        return query.where(
            member.app_id == Slot("app"), other.deleted_at.is_null(), *_some(self.other_end(other, shape))
        )

    def _derived(self, shape: Shape) -> Any:
        """Users in a group that passes the test, directly or through other groups (cycles included)."""
        if shape[0] == "compare" and shape[3] in ("ne", "absent"):
            inverse = (*shape[:3], "eq" if shape[3] == "ne" else "pr", *shape[4:])
            nobody = ~self._derived((*shape[:3], "pr", "", ""))
            if shape[3] == "absent":
                return nobody
            return (nobody | self._derived(("not", inverse)))
        group, member, inner = ResourceRow.alias(), MemberRow.alias(), ResourceRow.alias()
        start = group.select(group.id.alias("id")).where(
            group.app_id == Slot("app"),
            group.type == "Group",
            group.deleted_at.is_null(),
            *_some(self.other_end(group, shape)),
        )
        down = start.cte("down", recursive=True, columns=("id",))
        step = (
            member.select(member.member_id)
            .join(down, on=(member.group_id == down.c.id))
            .join(inner, on=(inner.id == member.member_id))
            .where(inner.deleted_at.is_null())
        )
        closure = down.union(step)
        outer = MemberRow.alias()
        return ResourceRow.id.in_(
            outer.select(outer.member_id).join(closure, on=(outer.group_id == closure.c.id)).with_cte(closure)
        )

    def other_end(self, other: Any, shape: Shape) -> Any:
        """The condition on the resource at the other end of a link."""
        match shape[0]:
            case "all":
                return None
            case "and":
                return _fold("&", [self.other_end(other, each) for each in shape[1:]])
            case "or":
                return _fold("|", [self.other_end(other, each) for each in shape[1:]])
            case "not":
                return ~self.other_end(other, shape[1])
        _, holder, leaf, op, name, *_ = shape
        if op == "pr":
            return _ALWAYS
        if op == "absent":
            return _NEVER
        return self._operator(self._end(other, holder, leaf), op, Slot(name))

    def _end(self, other: Any, holder: Attribute, leaf: Attribute) -> Any:
        """The column or expression at the other end that a sub-attribute of a link stands for."""
        if leaf.name == "value":
            return other.uuid
        if leaf.name == "display":
            return fn.coalesce(*(self._folded(other, path) for path in ("displayName", "userName")))
        if leaf.name == "$ref":
            return _joined(Slot("base").typed(), SQL("'/'"), other.type, SQL("'s/'"), other.uuid)
        if leaf.name == "type" and holder.links:
            return fn.lower(other.type)
        raise InvalidFilter(f"{leaf.path} cannot be filtered by.")

    def _folded(self, other: Any, path: str) -> Any:
        value = ValueRow.alias()
        return value.select(value.key).where(value.resource_id == other.id, value.path == path).limit(1)


def _driver(shape: Shape) -> tuple[Shape | None, list[Shape]]:
    """The comparison of a value path that finds the fewest rows in the index, and the other terms.

    None when no term names values that must be there (`not`, `or`, `ne`): then every item is looked at.
    """
    terms = list(shape[1:]) if shape[0] == "and" else [shape]
    direct = [t for t in terms if t[0] == "compare" and t[3] not in ("ne", "pr", "absent")]
    if not direct:
        return None, terms
    best = min(direct, key=lambda term: (term[3] != "eq", term[3] != "sw", term[2].name != "value"))
    terms.remove(best)
    return best[:6], terms


def _fold(sign: str, parts: list[Any]) -> Any:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole & part if sign == "&" else whole | part
    return whole


def _some(test: Any) -> list[Any]:
    return [] if test is None else [test]
