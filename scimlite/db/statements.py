"""Queries that are built once as Peewee expressions and kept as SQL text, with places for values bound later."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import peewee
from peewee import SQL, fn

S = TypeVar("S")


class Compiler(Protocol):
    """The part of a Database that a Statement needs: its kind, and SQL text for a query."""

    kind: str

    def compile(self, query: Any) -> tuple[str, tuple[Any, ...]]:
        """Returns the SQL text of a Peewee query and its parameters."""


class Slot(peewee.ColumnBase):
    """A place in a prepared statement whose value comes with each execution."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __sql__(self, ctx: Any) -> Any:
        return ctx.value(self.place(), converter=False)

    def typed(self) -> Any:
        """Returns the slot cast to text, for places where PostgreSQL cannot infer the type."""
        return peewee.Cast(self, "TEXT")

    def place(self) -> Place:
        """Returns the placeholder that stands in the parameter list until a value is bound."""
        return Place(self.name)


class Place:
    """A placeholder in a parameter list for the value bound under `name`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Outer(peewee.ColumnBase):
    """A column of a table of the enclosing query, for use inside a CTE.

    Within a CTE Peewee resolves only the CTE's own tables.
    """

    def __init__(self, field: Any) -> None:
        self._column = field.column

    def __sql__(self, ctx: Any) -> Any:
        table = ctx.alias_manager.get(self._column.source, any_depth=True)
        return ctx.sql(peewee.Entity(table, self._column.name))


class Text(NamedTuple):
    """The SQL text of a query, and the keys of its parameters in their order.

    A key is the name of a bind, or the number of a parameter whose value is a constant.
    """

    sql: str
    keys: tuple[str | int, ...]
    constants: dict[str | int, Any]

    def params(self, binds: dict[str, Any]) -> tuple[Any, ...]:
        """Returns the parameters, with binds in their places."""
        values: dict[Any, Any] = {**self.constants, **binds} if self.constants else binds
        # A function of Python for each value would cost as much as the rest of a short statement.
        return tuple(map(values.__getitem__, self.keys))


def text_of(sql: str, params: Sequence[Any]) -> Text:
    """Returns a compiled query as a Text; a Place stands for a value bound later."""
    keys = tuple(param.name if type(param) is Place else number for number, param in enumerate(params))
    return Text(sql, keys, {key: params[key] for key in keys if isinstance(key, int)})


class Statement:
    """A query that is built once as a Peewee expression and kept as SQL text for each kind of database.

    Building a query costs ten times as much as running its text, so every query on a hot path is a Statement.
    """

    def __init__(self, build: Callable[[Any], Any]) -> None:
        self._build = build
        self._texts: dict[str, Text] = {}

    def text(self, db: Compiler) -> Text:
        """Returns the SQL text for this kind of database, and its parameters."""
        text = self._texts.get(db.kind)
        if text is None:
            text = self._texts[db.kind] = text_of(*db.compile(self._build(db)))
        return text


def prepared(build: Callable[[Any], Any]) -> Statement:
    """Decorator: turn a function that builds a Peewee query, with Slots for its values, into a Statement."""
    return Statement(build)


class StatementCache(Generic[S]):
    """Statements that are built when a query of their shape is first asked, and kept for the next one of that shape.

    The cache holds what `build` returns: one Statement, or an object with several. A shape is everything that the
    SQL text depends on, such as the database's kind, the filter without its values and the sort order. A client asks
    queries of few shapes; beyond `most` shapes the cache is emptied, so that varied queries cannot fill the memory.
    """

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._kept: dict[Hashable, S] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, shape: Hashable, build: Callable[[], S]) -> S:
        """Returns what `build` returned for this shape; calls it when the shape is new."""
        statements = self._kept.get(shape)
        if statements is None:
            if len(self._kept) >= self._most:
                self._kept.clear()
            statements = self._kept[shape] = build()
        return statements


class Insert:
    """An INSERT into some columns of a table, for any number of rows: `Database.insert` runs it.

    `finish` receives the Peewee query and may add an ON CONFLICT clause.
    """

    def __init__(self, model: Any, columns: Sequence[str], finish: Callable[[Any], Any] = lambda query: query) -> None:
        fields = [getattr(model, column) for column in columns]
        slots = [Slot(column) for column in columns]
        self.of_values = Statement(lambda db: finish(model.insert_many([slots], fields)))
        #: PostgreSQL takes one array for each column.
        arrays = [peewee.Cast(Slot(field.name), f"{field.field_type}[]") for field in fields]
        unnested = peewee.Select([fn.unnest(*arrays).alias("each")], [SQL("*")])
        self.of_arrays = Statement(lambda db: finish(model.insert_from(unnested, fields)))
