"""Queries written once as Peewee expressions and kept as SQL text; the places in them that are bound later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import peewee
from peewee import SQL, fn

if TYPE_CHECKING:
    from .database import Database


class Slot(peewee.ColumnBase):
    """A place in a prepared statement whose value comes with each execution."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __sql__(self, ctx: Any) -> Any:
        return ctx.value(self.place(), converter=False)

    def typed(self) -> Any:
        """The slot as text, where PostgreSQL could not tell the type from its surroundings."""
        return peewee.Cast(self, "TEXT")

    def place(self) -> Place:
        """What stands among the parameters until a value is bound."""
        return Place(self.name)


class Place:
    """Stands in a parameter list for the value bound under `name`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Outer(peewee.ColumnBase):
    """A column of a table of the query around, inside a CTE: there Peewee knows the CTE's own tables only."""

    def __init__(self, field: Any) -> None:
        self._column = field.column

    def __sql__(self, ctx: Any) -> Any:
        table = ctx.alias_manager.get(self._column.source, any_depth=True)
        return ctx.sql(peewee.Entity(table, self._column.name))


class Statement:
    """A query written once as a Peewee expression and kept as SQL text for each database.

    Building a query costs ten times as much as running its text, so everything on a hot path is a Statement.
    """

    def __init__(self, build: Callable[[Database], Any]) -> None:
        self._build = build
        self._texts: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def text(self, db: Database) -> tuple[str, tuple[Any, ...]]:
        """The SQL text for this kind of database and its parameters, bound later where they are places."""
        text = self._texts.get(db.kind)
        if text is None:
            text = self._texts[db.kind] = db.compile(self._build(db))
        return text


def prepared(build: Callable[[Database], Any]) -> Statement:
    """Decorator: a function that builds a Peewee query, with Slots for its values, becomes a Statement."""
    return Statement(build)


class Insert:
    """An INSERT of these columns, for any number of rows: `Database.insert` runs it.

    `finish` gets the Peewee query and may add to it what is to happen with rows that are there already.
    """

    def __init__(self, model: Any, columns: Sequence[str], finish: Callable[[Any], Any] = lambda query: query) -> None:
        fields = [getattr(model, column) for column in columns]
        slots = [Slot(column) for column in columns]
        self.of_values = Statement(lambda db: finish(model.insert_many([slots], fields)))
        #: PostgreSQL takes an array for each column.
        arrays = [peewee.Cast(Slot(field.name), f"{field.field_type}[]") for field in fields]
        unnested = peewee.Select([fn.unnest(*arrays).alias("each")], [SQL("*")])
        self.of_arrays = Statement(lambda db: finish(model.insert_from(unnested, fields)))
