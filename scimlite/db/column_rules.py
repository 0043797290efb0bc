"""The collation and default of each column of a real database, and the check constraints of its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from .constraints import COLLATED, DEFAULTS, DEFAULTS_OF, IDENTITIES
from .database import Database

#: In SQL text: comments, texts, and quoted names, in which words mean nothing.
_OPAQUE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_COLLATE = re.compile(r'COLLATE\s+"?(\w+)', re.IGNORECASE)
_CHECK = re.compile(r"(?:CONSTRAINT\s+(\S+)\s+)?\bCHECK\s*\(", re.IGNORECASE)


class Rules(NamedTuple):
    """What a column has beside its type; None for the collation and the default that a column has by itself."""

    collation: str | None
    default: str | None


def of_columns(db: Database, table: str) -> dict[str, Rules]:
    """The rules of a table's columns by name, as the database says them."""
    if db.kind == "sqlite":
        collations = dict(_collations(_definition(db, table)))
        rows = db.peewee.execute_sql(f"PRAGMA table_info({table})").fetchall()
        return {name: Rules(collations.get(name), default) for _, name, _, _, default, _ in rows}
    query = (
        "SELECT attname, NULLIF(collname, 'default'), CASE WHEN attidentity <> '' THEN 'identity' "
        "ELSE pg_get_expr(adbin, adrelid) END FROM pg_attribute LEFT JOIN pg_collation ON pg_collation.oid = "
        "attcollation LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
    )
    rows = db.peewee.execute_sql(query, (f'"{table}"',)).fetchall()
    return {name: Rules(collation, default) for name, collation, default in rows}


def wanted(db: Database, table: str, column: str) -> Rules:
    """The rules that a column should have."""
    name = f"{table}.{column}"
    default = (DEFAULTS | DEFAULTS_OF[db.kind]).get(name)
    if db.kind == "sqlite":
        return Rules(None, default)
    return Rules("C" if name in COLLATED else None, "identity" if name in IDENTITIES else default)


def checks(db: Database, table: str) -> list[str]:
    """The names of a table's check and exclusion constraints; SQLite lets them have none."""
    if db.kind == "sqlite":
        return [name.strip('"[]`') for name in _CHECK.findall(_OPAQUE.sub("''", _definition(db, table)))]
    query = "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'x') AND conrelid = %s::regclass ORDER BY 1"
    return [name for (name,) in db.peewee.execute_sql(query, (f'"{table}"',)).fetchall()]


def _definition(db: Database, table: str) -> str:
    """The statement that makes a table of SQLite."""
    query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
    row: Any = db.peewee.execute_sql(query, (table,)).fetchone()
    return str(row[0]) if row else ""


def _collations(definition: str) -> Iterator[tuple[str, str]]:
    """The columns of a definition with another collation than BINARY, and its name."""
    inside = _OPAQUE.sub("''", definition).partition("(")[2]
    depth, part = 0, ""
    for character in [*inside, ","]:
        depth += (character == "(") - (character == ")")
        if character != "," or depth > 0:
            part += character
            continue
        found = _COLLATE.search(part)
        if found is not None and found[1].upper() != "BINARY":
            yield part.split()[0].strip('"[]`'), found[1]
        part = ""
