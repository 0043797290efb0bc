"""The browser of the tests sees what must not happen on a page."""

import pytest

import chromium
import console_sheet
from browser import Faults, axe, sizes, watched

BAD = {
    "/style": "<p style='color: red'>inline style</p>",
    "/script": "<script>document.title = 'run'</script>",
    "/foreign": "<img src='http://example.invalid/pixel.png' alt=''>",
    "/missing": "<script src='/nothing.js'></script>",
    "/frame": "<base href='/elsewhere'><p>base</p>",
}


@pytest.fixture(scope="module")
def bad():
    head = "<!doctype html><html lang='en'><head><title>Bad</title></head><body>"
    pages = {path: head + body for path, body in BAD.items()}
    pages["/wide"] = head + "<main><h1>Wide</h1><pre>" + "x" * 5000 + "</pre></main>"
    pages["/nameless"] = head + "<main><h1>Nameless</h1><form><input></form></main>"
    with console_sheet.served(pages) as url:
        yield url


@pytest.mark.parametrize("path", BAD)
def test_a_fault_of_a_page_fails_its_test(browser, bad, path):
    faults = Faults()
    with watched(browser, faults) as open_page:
        open_page().goto(bad + path, wait_until="networkidle")
    with pytest.raises(AssertionError, match="in the browser"):
        faults.check()
    for fault in faults.found:
        faults.allow(fault)
    faults.check()


def test_a_page_that_scrolls_sideways_fails(page, bad):
    page.goto(f"{bad}/wide")
    with pytest.raises(AssertionError, match="scrolls sideways at 360 px because of"):
        sizes(page)


def test_a_field_without_a_label_fails(page, bad):
    page.goto(f"{bad}/nameless")
    with pytest.raises(AssertionError, match="label"):
        axe(page)


def test_a_browser_that_is_named_and_missing_is_not_replaced(monkeypatch):
    monkeypatch.setenv("SCIMLITE_TEST_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(chromium.NotFound, match="SCIMLITE_TEST_CHROMIUM is /nowhere/chromium"):
        chromium.find_or_install()
