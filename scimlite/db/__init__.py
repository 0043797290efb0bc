"""Connections, transactions, and every difference between SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from .database import Database, DatabaseError, chunks, refusal
from .runner import Row
from .statements import Insert, Outer, Slot, Statement, StatementCache, prepared

__all__ = [
    "Database",
    "DatabaseError",
    "Insert",
    "Outer",
    "Row",
    "Slot",
    "Statement",
    "StatementCache",
    "chunks",
    "open_database",
    "prepared",
    "refusal",
]


def open_database(
    url: str,
    *,
    busy_timeout: float = 5.0,
    request_timeout: float = 25.0,
    prepare_threshold: int | str | None = "auto",
    most_waiters: int = 2,
    described: str | None = None,
) -> Database:
    """The database that a URL names, `sqlite:///file` or `postgresql://…`; connects to nothing and creates nothing.

    `busy_timeout` and `request_timeout` are in seconds; the latter is for work that has a deadline.
    `prepare_threshold` is a number of uses, None for never, or `auto`. `most_waiters` is how many writes about one app
    wait in this process for what is held. `described` names a PostgreSQL database in
    messages, without its password.
    """
    # Imported here, so that only the driver of the database in use is loaded: psycopg takes 0.2 s.
    if url.startswith("sqlite:///"):
        from .sqlite import SqliteDatabase

        return SqliteDatabase(
            Path(url.removeprefix("sqlite:///")), busy_timeout=busy_timeout, most_waiters=most_waiters
        )
    from .postgresql import PostgresDatabase

    return PostgresDatabase(
        url,
        described or "PostgreSQL",
        busy_timeout=busy_timeout,
        request_timeout=request_timeout,
        prepare_threshold=prepare_threshold,
        most_waiters=most_waiters,
    )
