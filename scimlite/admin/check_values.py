"""Compares the columns of a row, each by itself, with what they may hold, and names rows. Pure."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from peewee import TextField

from ..db import tables
from . import check_columns, check_target_columns
from .check_columns import ANY, PAST, SKEW, Column

_COLUMNS = check_columns.COLUMNS | check_target_columns.COLUMNS


class _Rule(NamedTuple):
    """What is known of a column: its type, whether it may be NULL, and what it holds; `past` is for times."""

    name: str
    type: type
    null: bool
    column: Column
    past: bool


@cache
def rules(model: Any) -> tuple[_Rule, ...]:
    """The rules of a table's columns, in the order of `columns`."""
    given = _COLUMNS.get(model, {})
    made = []
    for field in model._meta.sorted_fields:
        column = given.get(field.column_name, ANY)
        type = str if isinstance(field, TextField) else int
        made.append(_Rule(field.column_name, type, field.null, column, column is PAST))
    return tuple(made)


def columns(model: Any) -> list[Any]:
    """All columns of a table, to be selected."""
    return list(model._meta.sorted_fields)


@cache
def record(model: Any) -> Any:
    """The class of a table's rows: a named tuple of `columns`."""
    return namedtuple("Row", [rule.name for rule in rules(model)])


def faults(model: Any, row: Sequence[Any], now: int) -> Iterator[tuple[str, str]]:
    """Each column of a row that holds what it cannot hold, with the reason in words.

    In: the values in the order of `columns`; the present time in microseconds.
    """
    latest = now + SKEW
    for value, rule in zip(row, rules(model), strict=True):
        if value is None:
            if not rule.null:
                yield rule.name, "it is NULL"
        elif not _is_of(value, rule.type):
            yield rule.name, "it is no text" if rule.type is str else "it is no whole number"
        elif rule.type is str and not value.isascii() and not _is_text(value):
            yield rule.name, "its text is no UTF-8"
        elif not rule.column.holds(value) or (rule.past and value > latest):
            yield rule.name, rule.column.words


def _is_of(value: Any, kind: type) -> bool:
    return type(value) is kind


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def place(model: Any, row: Sequence[Any], slug: str) -> str:
    """Names a row by its table, its key and its app; a text is named only when it can be no personal value."""
    named = row if hasattr(row, "_fields") else record(model)._make(row)
    key = "/".join(_shown(model, name, getattr(named, name)) for name in _key(model))
    return f"{model._meta.table_name} row {key} of {slug}"


@cache
def _key(model: Any) -> tuple[str, ...]:
    """The columns of the primary key; the name that an alias is, is left out."""
    key = model._meta.primary_key
    names = key.field_names if hasattr(key, "field_names") else (key.column_name,)
    return tuple(name for name in names if (model, name) != (tables.AliasRow, "name"))


def _shown(model: Any, name: str, value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    rule = next(rule for rule in rules(model) if rule.name == name)
    return (
        value[:36]
        if isinstance(value, str) and rule.type is str and rule.column is not ANY and rule.column.holds(value)
        else "?"
    )
