"""SQL expressions that SQLite and PostgreSQL write differently."""

from __future__ import annotations

from typing import Any

import peewee


class Dialect:
    """The expressions of one kind of database, for queries that are built for both."""

    def contains(self, column: Any, needle: Any) -> Any:
        """An expression: the text column contains the needle, compared exactly."""
        raise NotImplementedError

    def ends_with(self, column: Any, needle: Any) -> Any:
        """An expression: the text column ends with the needle, compared exactly."""
        raise NotImplementedError

    def unindexed(self, column: Any) -> Any:
        """An expression: the column, for which SQLite chooses no index. PostgreSQL chooses by its statistics."""
        raise NotImplementedError

    def by_code_point(self, text: Any) -> Any:
        """An expression: the text, compared and sorted by code points whatever the database's locale is."""
        raise NotImplementedError

    def one_of(self, column: Any, name: str) -> Any:
        """An expression: the column is one of the list bound under `name`."""
        raise NotImplementedError

    def among(self, column: Any, few: Any) -> Any:
        """An expression: the column is one of the few values of a subquery, which the database runs once and first."""
        raise NotImplementedError

    def bound_list(self, name: str, kind: str) -> tuple[Any, Any]:
        """Returns a table of the list bound under `name` and its only column; `kind` is `text` or `bigint`."""
        raise NotImplementedError

    def json_rows(self, *columns: Any) -> Any:
        """An expression: the rows of a query as one text, a JSON array of arrays, in no order."""
        raise NotImplementedError

    def locking(self, query: Any) -> Any:
        """Returns the query, locking the rows it reads until the transaction ends."""
        raise NotImplementedError

    def not_unique(self, error: peewee.IntegrityError, table: str, column: str) -> bool:
        """True when the error is a violation of the unique index `table_column`, which ends in that column."""
        raise NotImplementedError
