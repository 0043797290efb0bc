"""Connections, transactions, and every difference between SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from .database import Database, DatabaseError, Row, chunks
from .postgresql import PostgresDatabase
from .sqlite import SqliteDatabase
from .statements import Insert, Outer, Slot, Statement, prepared

__all__ = [
    "Database",
    "DatabaseError",
    "Insert",
    "Outer",
    "PostgresDatabase",
    "Row",
    "Slot",
    "SqliteDatabase",
    "Statement",
    "chunks",
    "open_database",
    "prepared",
]


def open_database(
    url: str, *, busy_timeout: float = 5.0, prepare_threshold: int | None = 5, described: str | None = None
) -> Database:
    """The database that a URL names: `sqlite:///file` or `postgresql://…`; nothing is connected or made yet."""
    if url.startswith("sqlite:///"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:///")), busy_timeout=busy_timeout)
    return PostgresDatabase(
        url,
        described or "PostgreSQL",
        busy_timeout=busy_timeout,
        prepare_threshold=prepare_threshold,
    )
