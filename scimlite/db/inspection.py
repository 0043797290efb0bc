"""The databases' own checks of themselves, and reading in one state while others write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import peewee

from . import drift
from .constraints import FOREIGN_KEYS
from .database import Database
from .tables import TABLES

_REFERENCE = re.compile(r"\((?P<columns>.+?)\) REFERENCES (?P<table>\w+) \((?P<to>.+?)\)")
#: Rows that are counted of those that refer to nothing.
_MOST_COUNTED = 10_000


@contextmanager
def one_state(db: Database) -> Iterator[None]:
    """A context in which all statements see the same state of the database; they only read, and should be few.

    A transaction that stays open keeps SQLite's WAL and PostgreSQL's dead rows from being cleared.
    """
    if db.kind == "sqlite":
        with db.peewee.atomic("DEFERRED"):
            yield
        return
    with db.peewee.atomic():
        db.peewee.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def take_any_text(db: Database) -> None:
    """Has this thread's connection return text that is no UTF-8, with surrogates for its bytes: SQLite stores any."""
    if db.kind == "sqlite":
        db.peewee.connection().text_factory = partial(bytes.decode, errors="surrogateescape")


def faults(db: Database) -> tuple[list[str], list[str]]:
    """What the database finds wrong with itself, and notes on what it could not look at.

    SQLite: pages, indexes against their tables, foreign keys. PostgreSQL: constraints and indexes that are not valid,
    rows that refer to nothing, and, where the extension amcheck is installed, indexes against their tables. Both:
    tables, columns, keys and indexes that differ from the models.
    """
    if db.kind == "sqlite":
        from .sqlite_copy import faults as sqlite_faults

        return sqlite_faults(db.peewee.connection(), thorough=True) + drift.differences(db), []
    notes: list[str] = []
    return [*_not_valid(db), *_orphans(db), *_amcheck(db, notes), *drift.differences(db)], notes


def _rows(db: Database, query: str, *params: Any) -> list[Any]:
    rows: list[Any] = db.peewee.execute_sql(query, params).fetchall()
    return rows


def _names() -> list[str]:
    return [model._meta.table_name for model in TABLES]


def _not_valid(db: Database) -> Iterator[str]:
    """Constraints that were never checked, and indexes that were not made to their end."""
    query = (
        "SELECT conrelid::regclass::text, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid "
        "WHERE NOT convalidated AND relname = ANY(%s) AND relnamespace = 'public'::regnamespace ORDER BY 1, 2"
    )
    for table, name in _rows(db, query, _names()):
        yield f"the constraint {name} of {table} is not valid"
    query = (
        "SELECT indrelid::regclass::text, indexrelid::regclass::text FROM pg_index JOIN pg_class ON "
        "pg_class.oid = indrelid WHERE NOT (indisvalid AND indisready) AND relname = ANY(%s) "
        "AND relnamespace = 'public'::regnamespace ORDER BY 1, 2"
    )
    for table, name in _rows(db, query, _names()):
        yield f"the index {name} of {table} is not valid"


def _orphans(db: Database) -> Iterator[str]:
    """Rows that refer to no row of the other table, which PostgreSQL lets in where its triggers are switched off."""
    for table, references in FOREIGN_KEYS.items():
        for reference in references:
            match = _REFERENCE.fullmatch(reference)
            assert match is not None
            columns, to = (match[name].split(", ") for name in ("columns", "to"))
            joined = " AND ".join(f"there.{b} = here.{a}" for a, b in zip(columns, to, strict=True))
            given = " AND ".join(f"here.{column} IS NOT NULL" for column in columns)
            query = (
                f"SELECT count(*) FROM (SELECT 1 FROM {table} here WHERE {given} AND NOT EXISTS "
                f"(SELECT 1 FROM {match['table']} there WHERE {joined}) LIMIT {_MOST_COUNTED}) found"
            )
            (count,) = _rows(db, query)[0]
            if count:
                yield f"{count:,} rows of {table} refer to no {match['table']}"


def _amcheck(db: Database, notes: list[str]) -> Iterator[str]:
    """What amcheck finds in the B-tree indexes of our tables."""
    if not _rows(db, "SELECT 1 FROM pg_extension WHERE extname = 'amcheck'"):
        notes.append("Indexes were not compared with their tables: that needs CREATE EXTENSION amcheck.")
        return
    query = (
        "SELECT pg_index.indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
        "JOIN pg_class own ON own.oid = pg_index.indexrelid JOIN pg_am ON pg_am.oid = own.relam "
        "WHERE amname = 'btree' AND indisvalid AND pg_class.relname = ANY(%s) "
        "AND pg_class.relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    for (name,) in _rows(db, query, _names()):
        try:
            _rows(db, "SELECT bt_index_check(%s::regclass, true)", name)
        except (peewee.InternalError, peewee.OperationalError, peewee.DataError) as error:
            yield f"the index {name}: {' '.join(str(error).split())[:300]}"
        except peewee.ProgrammingError as error:
            if "permission denied" not in str(error):
                raise
            notes.append("Indexes were not compared with their tables: this role may not run amcheck's bt_index_check.")
            return
