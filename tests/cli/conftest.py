"""What the tests of the commands share: an installation to run them on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from command_line import CommandLine, Site
from installation import Installation
from postgres_server import empty_database


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation with each kind of database, one for all tests of a file; each test makes its own apps."""
    folder = tmp_path_factory.mktemp("site")
    if request.param == "sqlite":
        made = Installation.new(f"sqlite:///{folder / 'scimlite.db'}", folder)
        yield Site(made.env, made)
        made.stop()
        return
    with empty_database(request.getfixturevalue("postgres_url")) as url:
        made = Installation.new(url, folder)
        yield Site(made.env, made)
        made.stop()


@pytest.fixture
def nothing(settings_env: dict[str, str]) -> CommandLine:
    """The commands on a database that is named and empty."""
    return CommandLine(settings_env)
