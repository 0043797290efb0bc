"""Empty databases of each kind, for fixtures whose tests run once with either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postgres_server import empty_database
from scimlite.db import Database, open_database

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
def opened(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    """An empty database, open; closed afterwards."""
    with empty_url(kind, request, folder) as url:
        db = open_database(url)
        try:
            yield db
        finally:
            db.close()
