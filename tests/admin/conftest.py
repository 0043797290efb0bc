"""An installation for the tests of what an operator does; nothing of it needs a running service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from command_line import Site
from installation import Installation
from postgres_server import empty_database


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path) -> Iterator[Site]:
    """An empty installation with each kind of database."""
    if request.param == "sqlite":
        made = Installation.new(f"sqlite:///{tmp_path / 'scimlite.db'}", tmp_path)
        yield Site(made.env, made)
        made.stop()
        return
    with empty_database(request.getfixturevalue("postgres_url")) as url:
        made = Installation.new(url, tmp_path)
        yield Site(made.env, made)
        made.stop()
