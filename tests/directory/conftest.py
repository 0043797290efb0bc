"""The databases and apps that the tests of the directory share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from people import People
from postgres_server import empty_database
from scimlite.db import Database, open_database

CASES = Path(__file__).with_name("search") / "cases"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An empty database for all tests of a file, which run once with each kind."""
    if request.param == "sqlite":
        db = open_database(f"sqlite:///{tmp_path_factory.mktemp('directory') / 'scimlite.db'}")
        yield db
        db.close()
        return
    with empty_database(request.getfixturevalue("postgres_url")) as url:
        db = open_database(url)
        yield db
        db.close()


@pytest.fixture(scope="module")
def people(database: Database) -> People:
    """An app with everybody of search/cases/people.json."""
    people = People.in_new_app(database)
    people.load(json.loads((CASES / "people.json").read_text("utf-8")))
    return people
