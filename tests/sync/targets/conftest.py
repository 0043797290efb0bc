"""A running service, which has both the app that is pushed and the one that it is pushed to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import databases
from installation import Installation, running
from pushed_target import pushed as pushed


@pytest.fixture(scope="module", params=databases.KINDS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all tests of a file, and once with each kind of database."""
    folder = tmp_path_factory.mktemp("targets")
    with databases.upgraded_url(request.param, request, folder) as url:
        yield from running(lambda: Installation.new(url, folder))
