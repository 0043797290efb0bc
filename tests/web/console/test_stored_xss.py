"""Hostile text in everything that an identity provider and an operator can name, and every page opened with it.

One database is enough: pages are made from what the functions of the operator return, which other tests compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Dialog, Page

import databases
from browser import Faults
from console_client import ConsoleClient, signed_in
from console_crawl import GETS, PREFIX, Crawl, Stocked, crawl, stock
from installation import Installation, running

#: What is stored, by what it would do on a page that is not careful.
PAYLOADS = {
    "script": "<script>alert(1)</script>",
    "end of a title": "</title><script>alert(2)</script>",
    "end of a script": "</script><script>alert(3)</script>",
    "end of a textarea": "</textarea><script>alert(4)</script>",
    "handler": "<img src=x onerror=alert(5)>",
    "svg": "<svg/onload=alert(6)>",
    "frame": "<iframe srcdoc='<script>parent.alert(7)</script>'></iframe>",
    "base": "<base href=https://evil.example/>",
    "style": "<style>@import 'https://evil.example/a.css';</style>",
    "picture elsewhere": "<img src=https://evil.example/pixel.gif>",
    "address": "javascript:alert(8)",
    "data address": "data:text/html,<script>alert(9)</script>",
    "double quote": '" autofocus onfocus=alert(10) x="',
    "single quote": "' autofocus onfocus=alert(11) x='",
    "no quote": "x onmouseover=alert(12) tabindex=1",
    "template": "{{7*7}}{% for x in (1,2) %}{{x}}{% endfor %}${7*7}#{7*7}",
    "comment": "<!-- --!><script>alert(13)</script> -->",
    "htmx": '"><div hx-get="/console/sign-in" hx-trigger="load" hx-on:load="alert(14)"></div>',
    "form": '"><form id=f action=https://evil.example method=post><button data-confirm="Sure?">Go</button></form>',
    "confirmation": '" data-confirm="Really?" data-confirm-name="x',
    "entities": "&lt;script&gt;alert(15)&lt;/script&gt;&#60;b&#62;",
    "formula": '=HYPERLINK("https://evil.example","x")',
    "right to left": "مُحَمَّد بن سلمان",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪",
    "many marks": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳",
    "null": "null",
    "undefined": "undefined",
    "not a number": "NaN",
    "backslash": "\\u003cscript\\u003e\\\\",
    "path": "../../../etc/passwd%2f%00",
}
#: What no page shows as it is: characters that reorder or hide others, controls. A SCIM attribute may hold them.
UNSEEN = {
    "reordered": "evil\u202egnp.exe",
    "isolated": "a\u2066b\u2069c",
    "no width": "ad\u200bmin\ufeff",
    "controls": "tab\tbell\x07escape\x1b[31m",
    "lines": "one\ntwo\u2028three\rfour",
}
LONG = "W" * 4000
#: Headers that a page shows: what the client calls itself, and its own id of a request.
SENT = {
    "User-Agent": "<script>alert(20)</script>\"'",
    "X-Request-Id": '"><script>alert(21)</script>',
    "client-request-id": "<img src=x onerror=alert(22)>",
}


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("hostile")
    with databases.empty_url("sqlite", request, folder) as url:
        yield from running(lambda: Installation.new(url, folder))


@pytest.fixture(scope="module")
def hostile(site: Installation) -> Stocked:
    """An app, its schema, mapping, token, operator, users and groups, each with a hostile name."""
    return stock(
        site,
        "Hostile",
        called=PAYLOADS["form"][:90],
        texts=[*PAYLOADS.values(), *UNSEEN.values(), LONG],
        label="<svg/onload=alert(30)>\"'",
        client=SENT,
    )


@pytest.fixture(scope="module")
def owner(site: Installation, hostile: Stocked) -> ConsoleClient:
    return signed_in(site, "<b onclick=alert(31)>\"'{{7*7}}")


@pytest.fixture(scope="module")
def crawled(owner: ConsoleClient, hostile: Stocked) -> Crawl:
    """Every page, and the one behind a set-up link, which is opened first."""
    behind_a_link = f"{PREFIX}/setup/{hostile.invitation}"
    owner.get(behind_a_link).ok()
    owner.post(behind_a_link).ok(303)
    return crawl(owner, [behind_a_link, *(hostile.path(route) for route in GETS if route.act is not None)], alike=2)


def test_no_page_fails(crawled):
    failed = {path: page.status for path, page in crawled.pages.items() if page.status >= 500}
    assert not failed


def test_nothing_hidden_or_reordered_is_on_a_page(crawled):
    """Of what was sent; the console's own words have no such characters."""
    hidden = "\u202e\u2066\u2069\u200b\ufeff\x07\x1b\u2028"
    found = {path: [c for c in hidden if c in page.source] for path, page in crawled.documents}
    assert not {path: shown for path, shown in found.items() if shown}


def test_every_page_shows_hostile_text_as_text(
    open_page: Callable[..., Page], faults: Faults, site: Installation, owner: ConsoleClient, crawled: Crawl
):
    page = open_page()
    dialogs: list[str] = []

    def note(dialog: Dialog) -> None:
        dialogs.append(f"{page.url}: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", note)
    page.context.add_cookies([{"name": name, "value": text, "url": site.url} for name, text in owner.cookies.items()])
    shown = ""
    wrong: list[str] = []
    for path, _ in crawled.documents:
        page.goto(site.url + path, wait_until="load")
        if urlsplit(page.url).path != urlsplit(path).path:
            wrong.append(f"{path}: led to {page.url}")
        wrong += [f"{path}: {made}" for made in page.evaluate(_MADE_FROM_TEXT)]
        shown += page.locator("body").text_content() or ""
        shown += " ".join(page.locator("input, textarea").evaluate_all("all => all.map((each) => each.value)"))
    assert not wrong, "\n".join(wrong)
    assert not dialogs
    faults.check()
    assert any("/setup/" in path for path, _ in crawled.documents)
    # The first page of users and the report show some of them; nothing of it was lost or computed.
    for name in ("form", "template"):
        assert PAYLOADS[name][:60] in shown, name


#: Elements, attributes and addresses that no template of the console has, so that they came out of a name.
_MADE_FROM_TEXT = """() => {
    const made = [...document.querySelectorAll("iframe, base, object, embed, style, form#f")];
    for (const each of document.querySelectorAll("*")) {
        if (each.getAttributeNames().some((name) => /^(on|hx-on|style$)/.test(name))) made.push(each);
        for (const name of ["href", "src", "action", "formaction", "hx-get", "hx-post"]) {
            if (!each.getAttribute(name)) continue;
            const url = new URL(each.getAttribute(name), document.baseURI);
            // The help of an identity provider is elsewhere, and is never told where somebody comes from.
            const elsewhere = url.origin !== location.origin && !/\\bnoreferrer\\b/.test(each.rel);
            if (!["http:", "https:"].includes(url.protocol) || elsewhere) made.push(each);
        }
        if (each.tagName === "SCRIPT" && (!each.src || each.textContent.trim())) made.push(each);
    }
    // A chart's library places its parts by styles that it sets from the script.
    return made.filter((each) => !each.closest("figure.chart")).map((each) => each.outerHTML.slice(0, 150));
}"""
