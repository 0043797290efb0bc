"""SQL expressions as SQLite writes them."""

from __future__ import annotations

from typing import Any

import peewee
from peewee import SQL, fn

from .dialect import Dialect
from .statements import Slot


class SqliteDialect(Dialect):
    """The expressions of SQLite."""

    def contains(self, column: Any, needle: Any) -> Any:
        return fn.instr(column, needle) > 0

    def ends_with(self, column: Any, needle: Any) -> Any:
        return fn.substr(column, fn.length(column) - fn.length(needle) + 1) == needle

    def unindexed(self, column: Any) -> Any:
        return peewee.NodeList((SQL("+"), column), glue="")

    def by_code_point(self, text: Any) -> Any:
        return text

    def one_of(self, column: Any, name: str) -> Any:
        return column.in_(peewee.Select([fn.json_each(Slot(name))], [SQL("value")]))

    def among(self, column: Any, few: Any) -> Any:
        return column.in_(few)

    def bound_list(self, name: str, kind: str) -> tuple[Any, Any]:
        return fn.json_each(Slot(name)).alias("each"), SQL("each.value")

    def json_rows(self, *columns: Any) -> Any:
        return fn.json_group_array(fn.json_array(*columns))

    def locking(self, query: Any) -> Any:
        return query

    def not_unique(self, error: peewee.IntegrityError, table: str, column: str) -> bool:
        return str(error).startswith("UNIQUE constraint failed") and str(error).endswith(f"{table}.{column}")
