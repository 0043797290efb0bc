"""Empty databases of each kind, for fixtures whose tests run once with either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postgres_server import empty_database, new_database
from scimlite.db import Database, migration, open_database

KINDS = ("sqlite", "postgresql")


@contextmanager
def empty_url(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of an empty database: a file in the folder, or a new database in the server of this run."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'scimlite.db'}"
        return
    with empty_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@contextmanager
def upgraded_url(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of a database with all tables on PostgreSQL, where making them takes 0.2 s; on SQLite without any."""
    if kind == "sqlite":
        with empty_url(kind, request, folder) as url:
            yield url
        return
    template = request.getfixturevalue("postgres_template")
    with new_database(request.getfixturevalue("postgres_url"), template) as url:
        yield url


@contextmanager
def postgres_template(server_url: str) -> Iterator[str]:
    """The name of a database with all tables and without a row."""
    with empty_database(server_url) as url:
        db = open_database(url)
        migration.upgrade(db)
        db.close()
        yield url.rpartition("/")[2]


@contextmanager
def opened(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    """A database without a row, open, which has to be upgraded; closed afterwards."""
    with upgraded_url(kind, request, folder) as url:
        db = open_database(url)
        try:
            yield db
        finally:
            db.close()
