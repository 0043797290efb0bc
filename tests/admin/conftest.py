"""An installation for the tests of what an operator does; nothing of it needs a running service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import databases
from command_line import Site
from installation import Installation


@pytest.fixture(params=databases.KINDS)
def site(request: pytest.FixtureRequest, tmp_path) -> Iterator[Site]:
    """An empty installation with each kind of database."""
    with databases.upgraded_url(request.param, request, tmp_path) as url:
        made = Installation.new(url, tmp_path)
        yield Site(made.env, made)
        made.stop()
