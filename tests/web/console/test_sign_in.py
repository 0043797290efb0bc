"""Ways in and out of the console, and that nobody else gets in."""

from __future__ import annotations

import itertools
from urllib.parse import quote

import pytest

from console_client import ConsoleClient, signed_in
from scimlite.journal import report
from scimlite.journal.selection import Selection
from scimlite.operators import accounts, links, sessions
from scimlite.operators.roles import Role

_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    return f"ann{next(_numbers)}"


@pytest.fixture
def operator(installation, name):
    return accounts.add(installation.scope, name, Role.OWNER)


@pytest.fixture
def guest(installation) -> ConsoleClient:
    return ConsoleClient(installation.url)


def link_of(installation, operator) -> str:
    return f"/console/link/{links.make(installation.scope, operator)}"


def told(installation, name: str) -> list[tuple[str, str]]:
    rows = report.read(installation.db, Selection())
    return [(row.action, row.outcome) for row in rows if row.client == f"console:{name}"]


def test_a_link_signs_in_once(installation, guest, operator, name):
    link = link_of(installation, operator)
    # What only looks at links does not use them up.
    for _ in range(3):
        assert f"as {name}, once" in guest.get(link).ok().words
    assert guest.post(link).ok(303).location == "/console/"
    assert name in guest.get("/console/").ok().words
    other = ConsoleClient(installation.url)
    assert "used before" in other.get(link).ok(404).words
    other.post(link).ok(404)
    assert told(installation, name) == [("signed_in", "ok")]


def test_without_a_session_every_page_leads_to_the_sign_in(guest):
    page = guest.get("/console/apps/new?x=1").ok(303)
    assert page.location == "/console/sign-in?next=/console/apps/new?x%3D1"
    assert "scimlite operator link" in guest.follow(page).ok().words


def test_after_the_sign_in_the_wanted_page_follows(installation, guest, operator):
    link = link_of(installation, operator)
    guest.get(link)
    assert guest.post(link, {"next": "/console/apps/new"}).location == "/console/apps/new"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/console/",
        "//evil.example/console/",
        "/\\evil.example",
        "/console/\\evil.example",
        "/console//evil.example",
        "javascript:alert(1)",
        "/scim/v2/",
        "/console",
        "http://127.0.0.1:1/console/",
        "\thttps://evil.example",
        "https:evil.example",
        "/console/../scim",
    ],
)
def test_nobody_is_led_elsewhere(installation, guest, operator, elsewhere):
    link = link_of(installation, operator)
    guest.get(link)
    location = guest.post(link, {"next": elsewhere}).ok(303).location
    assert location == "/console/"


def test_sign_out_ends_the_session(installation, name):
    client = signed_in(installation, name)
    stolen = ConsoleClient(installation.url, dict(client.cookies))
    client.get("/console/").ok()
    client.post("/console/sign-out").ok(303)
    assert "scimlite" not in client.cookies
    assert stolen.get("/console/").ok(303).location.startswith("/console/sign-in")
    assert told(installation, name) == [("signed_in", "ok"), ("signed_out", "ok")]


def test_a_secret_from_before_the_sign_in_is_worth_nothing(installation, guest, operator):
    link = link_of(installation, operator)
    guest.cookies["scimlite"] = "chosen-by-somebody-else"
    guest.get(link)
    guest.post(link).ok(303)
    assert guest.cookies["scimlite"] != "chosen-by-somebody-else"
    assert sessions.find(installation.db, "chosen-by-somebody-else") is None
    assert "scimlite-guest" not in guest.cookies


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}],
    ids=lambda headers: headers["Origin"],
)
def test_a_form_of_another_site_is_refused(installation, name, headers):
    client = signed_in(installation, name)
    client.get("/console/")
    client.post("/console/sign-out", **headers).ok(400)
    client.get("/console/").ok()


@pytest.mark.parametrize("token", ["", "x", "é", "0" * 64])
def test_a_form_without_its_token_is_refused(installation, name, token):
    client = signed_in(installation, name)
    client.get("/console/")
    client.post("/console/sign-out", {"csrf_token": token}).ok(400)
    client.get("/console/").ok()


def test_the_token_of_another_session_is_refused(installation, name):
    client, other = signed_in(installation, name), signed_in(installation, f"{name} other")
    client.get("/console/")
    other.get("/console/")
    client.csrf = other.csrf
    client.post("/console/sign-out").ok(400)


def test_every_answer_is_protected(installation, name, guest):
    client = signed_in(installation, name)
    answers = [
        client.get("/console/"),
        client.get("/console/apps/nowhere"),
        client.get("/console/nothing"),
        guest.get("/console/"),
        guest.get("/console/sign-in"),
        guest.get("/console/link/x"),
        guest.post("/console/sign-out", {"csrf_token": "x"}),
    ]
    for page in answers:
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "same-origin"
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(installation, operator):
    secure = ConsoleClient(installation.url)
    link = link_of(installation, operator)
    secure.get(link)
    path = quote(link)
    sent = secure.post(path).headers["set-cookie"]
    assert "HttpOnly" in sent
    assert "SameSite=Lax" in sent
    assert "Path=/" in sent


def test_a_host_that_is_not_this_machine_needs_https(guest):
    page = guest.get("/console/sign-in", Host="intranet.example").ok(403)
    assert "needs https" in page.words


def test_a_link_of_an_operator_who_was_disabled_is_worth_nothing(installation, guest, operator):
    accounts.add(installation.scope, f"{operator.name} stays", Role.OWNER)
    link = link_of(installation, operator)
    accounts.set_enabled(installation.scope, operator, enabled=False)
    guest.get(link).ok(404)
    guest.post(link).ok(404)


def test_no_secret_is_in_the_log(installation, guest, operator):
    link = link_of(installation, operator)
    guest.get(link)
    guest.post(link)
    log = installation.log()
    assert link.rsplit("/", 1)[1] not in log
    assert guest.cookies["scimlite"] not in log
    assert "route=/console/link/<secret>" in log
