"""A browser for the tests of the console's pages: one for each test process, a fresh context for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from browser import Faults, launched, watched


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def faults() -> Iterator[Faults]:
    """What went wrong in the browser during a test; anything that the test does not allow fails it."""
    faults = Faults()
    yield faults
    faults.check()


@pytest.fixture
def open_page(browser: Browser, faults: Faults) -> Iterator[Callable[..., Page]]:
    """Open further pages, each for another person: `open_page(color_scheme="dark", java_script_enabled=False)`."""
    with watched(browser, faults) as open_page:
        yield open_page


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """An empty page of a browser in Berlin that speaks British English."""
    return open_page()
