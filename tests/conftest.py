"""The fixtures every test file may use: settings, an empty database of each kind, a running service."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import databases
import long_files
import memory_folder
from installation import Connected, Installation, running
from live_service import LiveService
from postgres_server import PostgresServer
from scimlite.config import Settings
from shared_services import SharedServices

POSTGRES = pytest.StashKey[PostgresServer]()
MEMORY = pytest.StashKey[Path]()

# A slow machine is no failure; in all else what hypothesis (or its own profile for CI) prescribes.
hypothesis.settings.register_profile("scimlite", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("scimlite")


def pytest_configure(config: pytest.Config) -> None:
    # A developer's own settings must not change what is tested.
    for name in list(os.environ):
        if name.startswith("SCIMLITE_") and not name.startswith("SCIMLITE_TEST_"):
            del os.environ[name]
    # Hundreds of processes are started, and each would compile all modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    worker = getattr(config, "workerinput", None)
    # The workers of pytest-xdist have it from the process that starts them.
    folder = memory_folder.begin() if worker is None else None
    if folder is not None:
        config.stash[MEMORY] = folder
    config.stash[POSTGRES] = (
        PostgresServer(Path(worker["postgres_folder"])) if worker else PostgresServer.in_new_folder()
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    long_files.first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # pytest-xdist: a worker is about to be started
    node.workerinput["postgres_folder"] = str(node.config.stash[POSTGRES].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    # With pytest-xdist this process outlives every worker, so that nobody uses the server any more.
    if not hasattr(config, "workerinput") and POSTGRES in config.stash:
        config.stash[POSTGRES].stop()
    if MEMORY in config.stash:
        memory_folder.end(config.stash[MEMORY])


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """The superuser's URL of a real PostgreSQL server, one for the whole run."""
    return request.config.stash[POSTGRES].url()


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a PostgreSQL database with all tables and without a row, to be copied."""
    with databases.postgres_template(postgres_url) as name:
        yield name


@pytest.fixture(params=databases.KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, empty database; each test that asks runs once with each kind."""
    with databases.empty_url(request.param, request, tmp_path) as url:
        yield url


@pytest.fixture
def settings_env(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The SCIMLITE_* variables of an installation with a fresh database."""
    return {
        "SCIMLITE_STATE_DIR": str(tmp_path / "state"),
        "SCIMLITE_DATABASE_URL": database_url,
        "SCIMLITE_SECRET_KEY": "a key for tests and never for a service",
    }


@pytest.fixture
def settings(settings_env: dict[str, str]) -> Settings:
    """The settings of an installation with a fresh database."""
    return Settings.from_environment(settings_env)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., LiveService]]:
    """Start real services: `serve(settings_env, workers=2, threads=4)` gives one with .url, .pid and .log.

    All are stopped after the test, which fails when one of them logged a traceback.
    """
    services: list[LiveService] = []

    def start(settings_env: dict[str, str], workers: int = 2, threads: int = 4) -> LiveService:
        service = LiveService.start(settings_env, workers=workers, threads=threads, folder=tmp_path)
        services.append(service)
        return service

    yield start
    for service in services:
        service.stop()
    for service in services:
        service.assert_no_traceback()


@pytest.fixture(scope="session")
def shared_services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedServices]:
    """The running services that test files share."""
    services = SharedServices(request, tmp_path_factory)
    yield services
    services.end()


@pytest.fixture(scope="module")
def shares_service() -> bool:
    """True where the files of a folder can share a running service: what a test leaves is in the way of no other."""
    return False


@pytest.fixture(scope="module", params=databases.KINDS)
def installation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shares_service: bool
) -> Iterator[Installation]:
    """A running service, one for all tests of a file and once with each kind of database; each test makes its apps.

    A test file may name settings in SETTINGS, without SCIMLITE_: `SETTINGS = {"MAX_BODY": "65536"}`. Without any, it
    shares the service with other files where its folder says so.
    """
    settings = getattr(request.module, "SETTINGS", {})
    if shares_service and not settings:
        yield from request.getfixturevalue("shared_services").lent(request.param)
        return
    folder = tmp_path_factory.mktemp("installation")
    with databases.upgraded_url(request.param, request, folder) as url:
        yield from running(lambda: Installation.new(url, folder, **settings))


@pytest.fixture
def app(installation: Installation) -> Connected:
    """A new app of the running installation, with a token and a client."""
    return installation.app()
