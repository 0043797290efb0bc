"""What the tests of the commands share: an installation to run them on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import databases
from command_line import CommandLine, Site
from installation import Installation


@pytest.fixture(scope="module", params=databases.KINDS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation with each kind of database, one for all tests of a file; each test makes its own apps."""
    folder = tmp_path_factory.mktemp("site")
    with databases.upgraded_url(request.param, request, folder) as url:
        made = Installation.new(url, folder)
        yield Site(made.env, made)
        made.stop()


@pytest.fixture
def nothing(settings_env: dict[str, str]) -> CommandLine:
    """The commands on a database that is named and empty."""
    return CommandLine(settings_env)
