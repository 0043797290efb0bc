"""A real browser for tests of pages: where Chromium comes from, what a page may not do, and what is asked of each."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    expect,
    sync_playwright,
)

import chromium

#: A phone, a notebook, a very wide screen.
WIDTHS = (360, 1280, 2560)
#: Violations of these kinds fail a test; axe-core calls the others moderate and minor.
_GRAVE = ("serious", "critical")
#: Without preload, which asks for the style sheets again under URLs of its own, and writes them into the page.
_AXE = {"resultTypes": ["violations"], "preload": False}
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No page has a reason to ask another host; a request that tries fails, and its test with it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
_LOCAL = ("127.0.0.1", "localhost")


class NoBrowser(UserWarning):
    """There is no Chromium here, and none could be installed."""


@contextmanager
def launched() -> Iterator[Browser]:
    """A running Chromium; skips the test, with a warning, where there is none."""
    try:
        program, environment = chromium.find_or_install()
    except chromium.NotFound as missing:
        # The filter that makes errors of warnings would hide the reason behind a traceback.
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(f"NO BROWSER TESTS: {missing}", NoBrowser, stacklevel=2)
        pytest.skip(f"no browser: {missing}")
    # As long as for a click. The default of 5 s is short on a machine that runs other tests at the same time.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(program), args=list(_ARGUMENTS), env={**os.environ, **environment}
        )
        yield browser
        browser.close()


class Faults:
    """What went wrong in a browser's pages: console errors, refused by the CSP or not, failed and foreign requests."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._allowed: list[str] = []

    def allow(self, text: str) -> None:
        """Faults with this text in them are what the test is about: `allow("status of 403")`."""
        self._allowed.append(text)

    def watch(self, context: BrowserContext) -> None:
        """Notes the faults of all pages of a context, from now on."""
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)
        context.on("requestfailed", self._failed)

    def check(self) -> None:
        """Fails when there was a fault that is not allowed."""
        grave = [fault for fault in self.found if not any(text in fault for text in self._allowed)]
        assert not grave, "in the browser:\n" + "\n".join(grave)

    def _console(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        # The browser asks for it by itself where a page names no icon, as text and downloads do not.
        if message.type in ("error", "warning") and not url.endswith("/favicon.ico"):
            self.found.append(f"console {message.type}: {message.text} ({url})")

    def _error(self, error: WebError) -> None:
        self.found.append(f"uncaught: {error.error}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname not in _LOCAL:
            self.found.append(f"request to another host: {request.url}")

    def _failed(self, request: Request) -> None:
        # A page that is left gives up what it had asked for, and a download is no page.
        if request.failure != "net::ERR_ABORTED":
            self.found.append(f"failed request: {request.url}: {request.failure}")


@contextmanager
def watched(browser: Browser, faults: Faults) -> Iterator[Callable[..., Page]]:
    """Open pages, each in a context of its own, without cookies and storage: `open_page(color_scheme="dark")`."""
    contexts: list[BrowserContext] = []

    def open_page(**options: Any) -> Page:
        given: dict[str, Any] = {"locale": "en-GB", "timezone_id": "Europe/Berlin", "reduced_motion": "reduce"}
        context = browser.new_context(**{**given, **options})
        contexts.append(context)
        faults.watch(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


def axe(page: Page, where: str = "") -> None:
    """Fails when axe-core finds a serious or critical violation on the page as it is now."""
    found = Axe().run(page, options=_AXE).response["violations"]
    grave = [each for each in found if each["impact"] in _GRAVE]
    assert not grave, f"{where or page.url}:\n" + "\n".join(
        f"{each['id']} ({each['impact']}): {each['help']}\n    {node['html'][:200]}\n    {node['failureSummary']}"
        for each in grave
        for node in each["nodes"][:5]
    )


def sizes(page: Page) -> None:
    """Fails when the page scrolls sideways on a phone, on a notebook or on a very wide screen."""
    before = page.viewport_size
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate(_WIDER_THAN_THE_PAGE)
        assert not wide, f"{page.url} scrolls sideways at {width} px because of {wide}"
    if before:
        page.set_viewport_size(before)


# The elements that stick out, or whose text does; empty when the page does not scroll.
_WIDER_THAN_THE_PAGE = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const wide = [...document.querySelectorAll("body *")].filter((each) => {
        const box = each.getBoundingClientRect();
        return Math.max(box.right, box.left + each.scrollWidth) > width + 1;
    });
    const named = wide.slice(0, 5).map((each) => each.outerHTML.slice(0, 120));
    return [`${document.documentElement.scrollWidth} px`, ...named];
}"""


def picture(page: Page, name: str) -> None:
    """Writes what the page looks like to the folder SCIMLITE_TEST_PICTURES, if that is set: for you to look at."""
    folder = os.environ.get("SCIMLITE_TEST_PICTURES")
    if folder:
        # Hiding the caret leaves style attributes behind, which htmx would copy, against the policy.
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True, caret="initial")
