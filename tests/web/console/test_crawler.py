"""Every page and every form of the console, whatever they are: who may open them, where they lead, what they give away.

The routes are taken from the application, so that a new page is covered by being registered. A page with a part in
its URL that no other page has needs a line in `console_crawl.Stocked`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from console_client import ConsoleClient, Page, signed_in
from console_crawl import GETS, POSTS, PREFIX, Crawl, Stocked, crawl, route_of, stock, weight
from installation import Installation
from scimlite.db.operator_tables import SessionRow
from scimlite.db.tables import TABLES, TallyRow
from scimlite.operators.roles import RULES, Role
from scimlite.web.console.routing import Route

#: In the names of everything that belongs to the app that a bound operator must not see.
FOREIGN = "Zebulonia"
LARGEST = 150_000
_TOKEN = re.compile(r"scimlite_[\w-]{22}\.")
_numbers = itertools.count(1)
#: When a session was last used, and counts of what clients sent that are written from time to time.
_IN_MOTION = (SessionRow, TallyRow)
#: Who comes, by role and whether they are bound to an app.
WHO = ((Role.AUDITOR, False), (Role.OPERATOR, True), (Role.OPERATOR, False), (Role.OWNER, False))
#: The address of a page says no more than that somebody has it; a link's secret is in the address for good reason.
OWN_PAGES = tuple(route for route in GETS if route.act is not None)


@pytest.fixture(scope="module")
def own(installation: Installation) -> Stocked:
    return stock(installation, "Alpha")


@pytest.fixture(scope="module")
def foreign(installation: Installation) -> Stocked:
    return stock(installation, FOREIGN, label=f"{FOREIGN} token", client={"User-Agent": f"{FOREIGN} agent"})


@pytest.fixture(scope="module")
def owner(installation: Installation, own: Stocked, foreign: Stocked) -> ConsoleClient:
    return signed_in(installation, "owner of all")


@pytest.fixture(scope="module")
def crawled(owner: ConsoleClient, own: Stocked) -> Crawl:
    """Everything that an owner can reach, beginning with each page that needs no further choice."""
    return crawl(owner, [own.path(route) for route in OWN_PAGES])


@pytest.fixture(scope="module")
def bound(installation: Installation, own: Stocked, foreign: Stocked) -> ConsoleClient:
    return signed_in(installation, "bound", Role.OPERATOR, own.slug)


def rows(installation: Installation) -> dict[str, list[Any]]:
    """All that is stored, but for what moves by itself."""
    found = {}
    for table in TABLES:
        if table not in _IN_MOTION:
            found[table.__name__] = sorted(map(repr, installation.db.rows(table.select())))
    return found


def rows_of(installation: Installation, stocked: Stocked) -> dict[str, list[str]]:
    """What is stored of one app."""
    id = installation.app_row(stocked.app).id
    tables = [table for table in TABLES if hasattr(table, "app_id") and table not in _IN_MOTION]
    return {t.__name__: sorted(map(repr, installation.db.rows(t.select().where(t.app_id == id)))) for t in tables}


def all_of(faults: Iterator[str]) -> None:
    """Fails with every fault."""
    found = list(faults)
    assert not found, "\n".join(found)


# --- without a session ------------------------------------------------------------------------------------------------


def test_a_page_without_a_session_leads_to_the_sign_in(installation, own):
    def faults() -> Iterator[str]:
        for route in OWN_PAGES:
            page = ConsoleClient(installation.url).get(own.path(route))
            if page.status != 303 or not page.location.startswith(f"{PREFIX}/sign-in"):
                yield f"{route.rule}: {page.status} {page.location}"
            if "Alpha" in page.source:
                yield f"{route.rule}: {page.source}"

    all_of(faults())


def test_a_form_that_was_not_sent_from_this_console_does_nothing(installation, own, owner):
    guest = ConsoleClient(installation.url)
    guest.get(f"{PREFIX}/sign-in").ok()
    owner.get(f"{PREFIX}/").ok()
    before = rows(installation)

    def faults() -> Iterator[str]:
        for route in POSTS:
            path = own.path(route)
            senders = {
                "nobody": ConsoleClient(installation.url).post(path),
                "no token": owner.post(path, {"csrf_token": ""}),
                "a guest's token": owner.post(path, {"csrf_token": guest.csrf}),
                "another site": owner.post(path, Origin="https://elsewhere.example"),
                "a frame without origin": owner.post(path, Origin="null"),
            }
            for name, page in senders.items():
                if page.status != 400:
                    yield f"{route.rule} from {name}: {page.status}"
            # The form was made for this browser, but nobody is signed in.
            if route.act is not None:
                page = guest.post(path)
                if page.status != 303 or not page.location.startswith(f"{PREFIX}/sign-in"):
                    yield f"{route.rule} from a guest: {page.status} {page.location}"

    all_of(faults())
    assert rows(installation) == before


# --- roles ------------------------------------------------------------------------------------------------------------


def expected(route: Route, role: Role, is_bound: bool) -> bool:
    """True when the table of roles lets somebody through."""
    assert route.act is not None
    rule = RULES[route.act]
    return role in rule.roles and not (rule.unbound and is_bound)


def wrong(route: Route, page: Page, may: bool) -> str | None:
    """What is wrong with an answer. A form may be refused without its fields, or for what is not deleted."""
    right = (200, 204, 303, 400, 404, 409) if may else (403,)
    if page.status not in right:
        return f"{page.status}, not one of {right}: {page.words[:200]}"
    if page.status == 404 and "<slug>" in route.rule and "There is no app" in page.words:
        return f"no app: {page.words[:200]}"
    if page.status == 303 and "/prove" in page.location:
        return "asks again who this is"
    return None


@pytest.mark.parametrize(("role", "is_bound"), WHO)
def test_each_role_may_what_the_table_says(installation, role, is_bound):
    stocked = stock(installation, f"Role {next(_numbers)}")
    client = signed_in(installation, f"{role} {next(_numbers)}", role, *([stocked.slug] if is_bound else []))
    client.get(f"{PREFIX}/").ok()

    def faults() -> Iterator[str]:
        for route in (*GETS, *POSTS):
            if route.act is None:
                continue
            # What nobody may is first, so that nothing is gone.
            send = client.get if route.method == "GET" else client.post
            if fault := wrong(route, send(stocked.path(route)), expected(route, role, is_bound)):
                yield f"{route.method} {route.rule} as {role}{' bound' if is_bound else ''}: {fault}"

    all_of(faults())
    # Whatever was refused or done, the installation works.
    client.get(f"{PREFIX}/").ok()


# --- another app's data -----------------------------------------------------------------------------------------------


def test_nobody_finds_an_app_that_is_not_theirs(installation, own, foreign, bound):
    bound.get(f"{PREFIX}/").ok()
    before = rows_of(installation, foreign)

    def faults() -> Iterator[str]:
        for route in (*GETS, *POSTS):
            if route.act is None or "<" not in route.rule or not expected(route, Role.OPERATOR, True):
                continue
            send = bound.get if route.method == "GET" else bound.post
            page = send(foreign.path(route))
            if page.status != 404 or FOREIGN in page.source:
                yield f"{route.method} {route.rule}: {page.status} {page.words[:200]}"
            if route.rule.count("<") == 1:
                continue
            page = send(foreign.path(route, within=own.slug))
            if page.status != 404 or FOREIGN in page.source:
                yield f"{route.method} {route.rule}, another app's id: {page.status} {page.words[:200]}"

    all_of(faults())
    assert rows_of(installation, foreign) == before


def test_a_bound_operator_meets_nothing_of_another_app(installation, own, foreign, bound):
    begin = [own.path(route) for route in OWN_PAGES if expected(route, Role.OPERATOR, True)]
    found = crawl(bound, begin)
    assert len(found.pages) > 10
    id = installation.app_row(foreign.app).id
    asked = [
        (path, f"{path}?{key}={value}")
        for path in begin
        if f"/{own.slug}" not in path
        for key, value in (("app", foreign.slug), ("app", id), ("app_id", id), ("q", FOREIGN), ("search", FOREIGN))
    ]
    answers = {query: bound.get(query) for _, query in asked}

    def faults() -> Iterator[str]:
        for path, page in found.pages.items():
            if FOREIGN.lower() in page.source.lower() or FOREIGN.lower() in path.lower():
                yield f"{path} (from {found.found_on[path]}): shows what is another app's"
        for query, page in answers.items():
            # A field repeats what was typed into it.
            told = re.sub(r"<input[^>]*>|value=\"[^\"]*\"", "", page.source)
            for text in (f"{FOREIGN} 0", f"{FOREIGN} staff", f"{FOREIGN} chief", *foreign.users, *foreign.groups):
                if text in told:
                    yield f"{query}: shows {text}"
            if page.status >= 500:
                yield f"{query}: {page.status}"

    all_of(faults())


# --- the crawl of an owner --------------------------------------------------------------------------------------------


def test_no_link_and_no_form_is_dead(crawled):
    def faults() -> Iterator[str]:
        for path, page in crawled.pages.items():
            # A page of its own accord, without what it is asked for, may refuse; a link has all it needs.
            right = (200, 204, 303) if crawled.found_on[path] != "the start" else (200, 204, 303, 400, 404)
            if page.status not in right:
                yield f"{path} (from {crawled.found_on[path]}): {page.status}"
        for address, path in crawled.forms.items():
            if route_of(address, "POST") is None:
                yield f"{path}: a form for {address}, where there is none"

    all_of(faults())
    reached = {route_of(path) for path in crawled.pages}
    assert reached >= {route.name for route in OWN_PAGES}


def test_every_answer_has_the_headers(crawled):
    def faults() -> Iterator[str]:
        for path, page in crawled.pages.items():
            policy = page.headers.get("content-security-policy", "")
            if "default-src 'none'" not in policy or "unsafe" in policy or "frame-ancestors 'none'" not in policy:
                yield f"{path}: {policy!r}"
            if page.headers.get("x-content-type-options") != "nosniff":
                yield f"{path}: may be sniffed"
            if page.headers.get("referrer-policy") != "same-origin" or page.headers.get("x-frame-options") != "DENY":
                yield f"{path}: {dict(page.headers)}"
            if "/static/" not in path and page.headers.get("cache-control") != "no-store":
                yield f"{path}: {page.headers.get('cache-control')!r}"

    all_of(faults())


def test_no_page_is_heavy(crawled):
    heavy = {path: weight(page) for path, page in crawled.documents if weight(page) >= LARGEST}
    assert not heavy


def test_no_secret_is_in_a_page_or_in_the_log(installation, own, foreign, owner, bound, crawled):
    link = ConsoleClient(installation.url)
    link.get(f"{PREFIX}/link/{own.secret}").ok()
    link.get(f"{PREFIX}/setup/{own.invitation}").ok()
    assert _TOKEN.match(own.app.text)
    secrets = {
        own.app.text: "a token",
        foreign.app.text: "a token",
        own.secret: "a sign-in link",
        own.invitation: "a set-up link",
        **{cookie: "a session" for client in (owner, bound) for cookie in client.cookies.values()},
    }

    def faults() -> Iterator[str]:
        texts = {"the log": installation.log()}
        for path, page in crawled.pages.items():
            headers = {name: value for name, value in page.headers.items() if name != "set-cookie"}
            texts[path] = f"{path}\n{headers}\n{page.source}"
        for where, text in texts.items():
            if found := _TOKEN.search(text):
                yield f"{where}: {found[0][:20]}"
            for secret, name in secrets.items():
                if secret in text:
                    yield f"{where}: {name}"

    all_of(faults())
