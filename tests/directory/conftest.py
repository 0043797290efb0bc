"""The databases and apps that the tests of the directory share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import databases
from people import People
from scimlite.db import Database

CASES = Path(__file__).with_name("search") / "cases"


@pytest.fixture(scope="module", params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An empty database for all tests of a file, which run once with each kind."""
    with databases.opened(request.param, request, tmp_path_factory.mktemp("directory")) as db:
        yield db


@pytest.fixture(scope="module")
def people(database: Database) -> People:
    """An app with everybody of search/cases/people.json."""
    people = People.in_new_app(database)
    people.load(json.loads((CASES / "people.json").read_text("utf-8")))
    return people
