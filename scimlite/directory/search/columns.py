"""The attributes that every resource has and that are columns of its row instead of value rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peewee import SQL

from ...db import Database, Slot
from .expressions import joined


def _version(db: Database, row: Any, suffix: str) -> Any:
    return db.by_code_point(joined(SQL("'W/\"'"), row.version.cast("TEXT"), SQL("'\"'")))


def _location(db: Database, row: Any, suffix: str) -> Any:
    return joined(Slot("base").typed(), SQL("'/'"), Slot(f"endpoint{suffix}").typed(), SQL("'/'"), row.uuid)


#: Index path to the expression, given the database, the alias of ResourceRow, and the suffix of the Slots of the
#: resource's type (empty unless a search is about several types).
COLUMNS: dict[str, Callable[[Database, Any, str], Any]] = {
    "id": lambda db, row, suffix: row.uuid,
    "meta.created": lambda db, row, suffix: row.created_at,
    "meta.lastModified": lambda db, row, suffix: row.modified_at,
    "meta.version": _version,
    "meta.location": _location,
    "meta.resourceType": lambda db, row, suffix: row.type,
}
