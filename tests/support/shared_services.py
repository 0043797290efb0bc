"""Running services that test files share: starting one costs as much as hundreds of requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

import databases
from installation import Installation, running


class SharedServices:
    """An installation with a running service for each kind of database, made when a test file first needs it."""

    def __init__(self, request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> None:
        self._request = request
        self._folders = folders
        self._running: dict[str, tuple[Installation, ExitStack]] = {}

    def lent(self, kind: str) -> Iterator[Installation]:
        """For fixtures: the installation for one test file; another one where an earlier file has left it ill."""
        if kind in self._running and not self._running[kind][0].is_well():
            self._end(kind)
        if kind not in self._running:
            self._begin(kind)
        yield from self._running[kind][0].lent()

    def end(self) -> None:
        """Stops all services and removes their databases."""
        for kind in list(self._running):
            self._end(kind)

    def _begin(self, kind: str) -> None:
        folder = self._folders.mktemp("shared")
        with ExitStack() as stack:
            url = stack.enter_context(databases.upgraded_url(kind, self._request, folder))
            made = stack.enter_context(contextmanager(running)(lambda: Installation.new(url, folder)))
            self._running[kind] = made, stack.pop_all()

    def _end(self, kind: str) -> None:
        self._running.pop(kind)[1].close()
