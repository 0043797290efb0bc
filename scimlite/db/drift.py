"""Compares the tables of a real database with the models: what is missing or different although all migrations ran.

That happens to a database of a version between two releases, and to one that was changed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import peewee

from . import column_rules
from .constraints import FOREIGN_KEYS, INDEXES, INDEXES_OF
from .database import Database
from .tables import TABLES

#: How PostgreSQL names the types of the models' fields.
_POSTGRESQL_TYPES = {"INT": "integer"}


def differences(db: Database) -> list[str]:
    """Returns a sentence for each table, column, key, index and check that differs from the models; reads only.

    Tables and indexes of others are no difference, but a unique index on a table of ours is.
    """
    present = set(db.peewee.get_tables())
    found: list[str] = []
    for model in TABLES:
        table = model._meta.table_name
        if table in present:
            found += _of_columns(db, model)
            found += _of_rules(db, model)
            found += _of_foreign_keys(db, table)
        else:
            found.append(f"The table {table} is missing.")
    return found + list(
        _of_indexes(db, [model._meta.table_name for model in TABLES if model._meta.table_name in present])
    )


def _of_columns(db: Database, model: Any) -> Iterator[str]:
    """The differences of a table's columns and primary key."""
    table = model._meta.table_name
    columns = {column.name: column for column in db.peewee.get_columns(table)}
    for field in model._meta.sorted_fields:
        name = field.column_name
        column = columns.pop(name, None)
        if column is None:
            yield f"The column {table}.{name} is missing."
            continue
        wanted, real = _type(db, field.field_type), _type(db, column.data_type)
        if wanted != real:
            yield f"The column {table}.{name} has the type {real} instead of {wanted}."
        if column.null and not column.primary_key and not field.null:
            yield f"The column {table}.{name} may be NULL."
        elif field.null and not column.null:
            yield f"The column {table}.{name} may not be NULL."
    for name in columns:
        yield f"The column {table}.{name} is not of this version."
    key = model._meta.primary_key
    wanted_key = list(key.field_names) if isinstance(key, peewee.CompositeKey) else [key.column_name]
    real_key = db.peewee.get_primary_keys(table)
    if real_key != wanted_key:
        yield f"The primary key of {table} is ({', '.join(real_key)}) instead of ({', '.join(wanted_key)})."


def _of_rules(db: Database, model: Any) -> Iterator[str]:
    """The differences of collations, defaults and check constraints."""
    table = model._meta.table_name
    real = column_rules.of_columns(db, table)
    for field in model._meta.sorted_fields:
        name = field.column_name
        if name not in real:
            continue
        rules, wanted = real[name], column_rules.wanted(db, table, name)
        if rules.collation != wanted.collation:
            yield f"The column {table}.{name} has the collation {rules.collation} instead of {wanted.collation}."
        if _plain(rules.default or "") != _plain(wanted.default or ""):
            yield f"The column {table}.{name} has the default {rules.default} instead of {wanted.default}."
    for name in column_rules.checks(db, table):
        yield f"The check constraint {name or 'without a name'} of {table} is not of this version."


def _type(db: Database, data_type: str) -> str:
    """A column's type in the words of its database. SQLite knows `integer` and `text`; its integers have any size."""
    if db.kind == "postgresql":
        return _POSTGRESQL_TYPES.get(data_type, data_type.lower())
    return "text" if data_type.upper() == "TEXT" else "integer"


# --- foreign keys -------------------------------------------------------------------------------------------------


def _of_foreign_keys(db: Database, table: str) -> Iterator[str]:
    wanted = {_plain(text): text for text in FOREIGN_KEYS.get(table, ())}
    real = {_plain(text) for text in foreign_keys(db, table)}
    for key, text in wanted.items():
        if key not in real:
            yield f"The foreign key {table} {text} is missing."


def foreign_keys(db: Database, table: str) -> list[str]:
    """The foreign keys of a table, in the form of `constraints.FOREIGN_KEYS`."""
    if db.kind == "postgresql":
        query = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass"
        texts = [row[0] for row in db.peewee.execute_sql(query, (f'"{table}"',)).fetchall()]
        return [text.removeprefix("FOREIGN KEY ").removesuffix(" NOT VALID") for text in texts]
    keys: dict[int, list[tuple[str, str, str]]] = {}
    rows = db.peewee.execute_sql(f"PRAGMA foreign_key_list({table})").fetchall()
    for number, _, target, column, to, *_ in sorted(rows):
        keys.setdefault(number, []).append((target, column, to))
    return [
        f"({', '.join(column for _, column, _ in key)}) REFERENCES {key[0][0]} ({', '.join(to for *_, to in key)})"
        for key in keys.values()
    ]


# --- indexes ------------------------------------------------------------------------------------------------------


def _of_indexes(db: Database, tables: list[str]) -> Iterator[str]:
    real = indexes(db, tables)
    for statement in (*INDEXES, *INDEXES_OF[db.kind]):
        name, table = _named(statement)
        if table not in tables:
            continue
        definition = real.pop(name, None)
        if definition is None:
            yield f"The index {name} is missing: {statement}"
        elif _plain(definition) != _plain(statement):
            yield f"The index {name} differs; it should be: {statement}"
    for name, definition in real.items():
        if definition.upper().startswith("CREATE UNIQUE"):
            yield f"The unique index {name} is not of this version."


def indexes(db: Database, tables: list[str]) -> dict[str, str]:
    """The indexes of tables without those of primary keys: the statement that creates each, by name."""
    return {
        index.name: index.sql
        for table in tables
        for index in db.peewee.get_indexes(table)
        if index.sql and index.name != f"{table}_pkey"
    }


def _named(statement: str) -> tuple[str, str]:
    """The names of an index and of its table, of a statement that creates it."""
    words = statement.split()
    at = words.index("ON")
    return words[at - 1], words[at + 1]


def _plain(definition: str) -> str:
    """A definition without what each database adds in its own way: the schema, casts, parentheses, quotation marks."""
    text = definition.lower().replace(" using btree", "")
    text = re.sub(r' on ("?\w+"?\.)', " on ", text)
    return re.sub(r'::\w+|[\s()"]', "", text)
