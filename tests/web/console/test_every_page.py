"""Every page of the console in a real browser, of an empty installation and of one in use: what is asked of each.

One database is enough: what a page shows is compared on both by the tests of each page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Error, Page

import databases
from browser import Faults, axe, picture
from console_client import ConsoleClient, signed_in
from console_crawl import GETS, PREFIX, crawl, stock
from installation import Installation, running

_WIDTHS = (1280, 360)
#: How often Tab is pressed to come from the start of a page into its main part.
_MOST_TABS = 60


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("every-page")
    with databases.empty_url("sqlite", request, folder) as url:
        yield from running(lambda: Installation.new(url, folder))


def problems(page: Page, url: str, where: str) -> Iterator[str]:
    """What is wrong with a page, at each width."""
    for width in _WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        if width == _WIDTHS[0]:
            page.goto(url, wait_until="load")
            yield from _headings(page, where)
            yield from _keyboard(page, where)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            yield f"{where} scrolls sideways at {width} px, by {wide} px"
        try:
            axe(page, f"{where} at {width} px")
        except AssertionError as found:
            yield str(found)
        picture(page, f"{where.strip('/').replace('/', '-').replace('?', '-')}-{width}")


def _headings(page: Page, where: str) -> Iterator[str]:
    headings = page.locator("h1").all_inner_texts()
    if len(headings) != 1 or not headings[0].strip():
        yield f"{where} has the h1 {headings}"
    title = page.title().rpartition(" · ")
    if title[2] != "scimlite" or not title[0].strip():
        yield f"{where} has the title {page.title()!r}"


def _keyboard(page: Page, where: str) -> Iterator[str]:
    """Everything that is there for all can be reached, and the way from the start into the main part is open."""
    for out_of_reach in page.evaluate(_OUT_OF_REACH):
        yield f"{where}: the keyboard does not reach {out_of_reach}"
    if not page.locator(f"main :is({_ACTIONS}):visible").count():
        return
    page.evaluate("document.activeElement.blur()")
    for _ in range(_MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('main') && document.activeElement.tagName !== 'MAIN'"):
            return
    yield f"{where}: Tab does not lead into the main part"


_ACTIONS = "a[href], button:enabled, input:enabled:not([type=hidden]), select:enabled, textarea:enabled, summary"
_OUT_OF_REACH = f"""() => [...document.querySelectorAll({_ACTIONS!r})]
    .filter((each) => each.checkVisibility() && each.tabIndex < 0 && !each.closest("[aria-hidden=true]"))
    .map((each) => each.outerHTML.slice(0, 120))"""


def visit_all(page: Page, client: ConsoleClient, paths: list[str]) -> None:
    """Opens all of these; fails with everything that is wrong with any."""
    page.context.add_cookies(
        [{"name": name, "value": text, "url": client.url} for name, text in client.cookies.items()]
    )
    found: list[str] = []
    for path in paths:
        try:
            found += problems(page, client.url + path, path)
        except Error as failure:
            found.append(f"{path}: {failure}")
    assert not found, "\n\n".join(found)


def test_the_pages_of_an_empty_installation(open_page: Callable[..., Page], faults: Faults, site: Installation):
    """Runs first: there is no app yet but an owner."""
    client = signed_in(site, "first owner")
    found = crawl(client, [PREFIX + route.rule for route in GETS if route.act and "<" not in route.rule], alike=1)
    paths = [path for path, _ in found.documents]
    assert len(paths) > 3
    visit_all(open_page(), client, paths)


def test_the_pages_of_an_app_that_never_connected(open_page: Callable[..., Page], faults: Faults, site: Installation):
    app = site.app("Fresh")
    client = signed_in(site, "second owner")
    rules = [r.rule for r in GETS if r.act and r.rule.count("<") == 1 and "<slug>" in r.rule]
    found = crawl(client, [PREFIX + rule.replace("<slug>", app.slug) for rule in rules], alike=1)
    visit_all(open_page(), client, [path for path, _ in found.documents if f"/{app.slug}" in path])


def test_the_pages_of_an_installation_in_use(open_page: Callable[..., Page], faults: Faults, site: Installation):
    stocked = stock(site, "Filled", texts=["Barbara Jensen", "Donaudampfschifffahrtsgesellschaftskapitän" * 4])
    client = signed_in(site, "third owner")
    found = crawl(client, [stocked.path(route) for route in GETS if route.act is not None], alike=1)
    visit_all(open_page(), client, [path for path, _ in found.documents])


def test_the_pages_for_nobody_in_particular(open_page: Callable[..., Page], faults: Faults, site: Installation):
    faults.allow("status of 404")
    stocked = stock(site, "Open")
    client = ConsoleClient(site.url)
    found = crawl(client, [stocked.path(r) for r in GETS if r.act is None], alike=1)
    paths = [path for path, _ in found.documents]
    assert any("/sign-in" in path for path in paths)
    visit_all(open_page(), client, [*paths, f"{PREFIX}/nothing"])
