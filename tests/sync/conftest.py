"""An installation on each database, and a directory whose entries a test says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

import databases
import made_source
from scimlite.config import Settings
from scimlite.installation import Installation
from sourced import Sourced

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def made_kinds(tmp_path_factory: pytest.TempPathFactory) -> None:
    made_source.install(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module", params=databases.KINDS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("sync")
    with databases.upgraded_url(request.param, request, folder) as url:
        env = {
            "SCIMLITE_STATE_DIR": str(folder),
            "SCIMLITE_DATABASE_URL": url,
            "SCIMLITE_SECRET_KEY": "a key for tests and never for a service",
            "SCIMLITE_OUTBOUND_NETWORKS": "127.0.0.0/8",
        }
        opened = Installation.open(Settings.from_environment(env), create=True)
        yield opened
        opened.db.close()


@pytest.fixture
def site(installation: Installation) -> Sourced:
    return Sourced.new(installation, f"app-{next(_numbers)}")
