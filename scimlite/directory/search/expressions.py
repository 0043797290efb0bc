"""Pieces of SQL that the conditions of a search are built from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peewee import SQL, Expression, NodeList, fn

from ...db import Database, Slot
from ...scim.attribute import Attribute

NEVER = SQL("(1 = 0)")
ALWAYS = SQL("(1 = 1)")

_SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def compared(db: Database, column: Any, op: str, slot: Slot) -> Any:
    """The condition `column op slot`, over whole texts or numbers; `op` is one of the filter grammar's."""
    match op:
        case "co":
            return db.contains(column, slot)
        case "sw":
            return fn.substr(column, 1, fn.length(slot)) == slot
        case "ew":
            return db.ends_with(column, slot)
    return Expression(column, _SIGNS[op], slot)


def joined(*parts: Any) -> Any:
    """The texts one after the other."""
    whole = parts[0]
    for part in parts[1:]:
        whole = Expression(whole, "||", part)
    return whole


def belongs_to(value: Any, row: Any) -> Any:
    """The condition that a value row belongs to a resource."""
    return value.resource_id == row.id


def has_path(value: Any, attribute: Attribute) -> Any:
    """The condition that a value row is of this attribute, or of one of its sub-attributes."""
    paths = [leaf.path for leaf in attribute.leaves()]
    return value.path == paths[0] if len(paths) == 1 else value.path.in_(paths)


def exists(table: Any, *tests: Any) -> Any:
    """The condition that the table has a row that passes the tests.

    PostgreSQL makes no join of a subquery that `IS TRUE` follows. Its estimates then cannot change the order of the
    terms, and a filter of a hundred terms is planned at once: with a hundred joins, planning takes half a minute.
    """
    return Expression(fn.EXISTS(table.select(SQL("1")).where(*tests)), "IS", SQL("TRUE"))


def hidden(*tests: Any) -> Any:
    """Conditions in a form for which no planner uses an index."""
    return Expression(all_of(tests), "IS", SQL("TRUE"))


def all_of(parts: Iterable[Any]) -> Any:
    """The conjunction of conditions; there is at least one."""
    return _chained(" AND ", list(parts))


def any_of(parts: Iterable[Any]) -> Any:
    """The disjunction of conditions; there is at least one."""
    return _chained(" OR ", list(parts))


def _chained(glue: str, parts: list[Any]) -> Any:
    """The parts in one pair of brackets, because SQLite's parser refuses a hundred nested pairs."""
    return parts[0] if len(parts) == 1 else NodeList(parts, glue, parens=True)


def negated(part: Any) -> Any:
    """The complement of a condition."""
    return NodeList((SQL("NOT"), part), parens=True)
