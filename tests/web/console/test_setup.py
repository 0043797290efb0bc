"""Set-up links: made on the Connect page, opened by somebody who is no operator."""

from __future__ import annotations

import itertools
import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from browser import axe, picture, sizes
from console_client import ConsoleClient, signed_in
from scimlite import clock
from scimlite.admin import apps, tokens
from scimlite.apps.keyring import Keyring
from scimlite.db.operator_tables import InvitationRow, SessionRow, SignInAttemptRow
from scimlite.operators import invitations
from scimlite.operators.roles import Role

_numbers = itertools.count(1)


@pytest.fixture
def owner(installation):
    return signed_in(installation, f"ann{next(_numbers)}")


@pytest.fixture
def guest(installation):
    return ConsoleClient(installation.url)


def connect(app, rest: str = "") -> str:
    return f"/console/apps/{app.slug}/connect{rest}"


def link_of(page) -> str:
    """The path of the set-up link that a page shows; empty when it shows none."""
    found = re.search(r"https?://\S+?(/console/setup/[\w.-]+)", page.source)
    return found[1] if found else ""


def invited(installation, app) -> str:
    """The path of a new set-up link."""
    text = invitations.make(installation.workspace(installation.app_row(app)), installation.keyring)[1]
    return f"/console/setup/{text}"


def opened(installation, app, guest) -> str:
    """The path of a new set-up link that the guest has opened."""
    path = invited(installation, app)
    guest.get(path).ok()
    guest.post(path).ok(303)
    return path


def acts(installation, app) -> list[tuple[str, str]]:
    """Action and kind of actor of what was done at the console."""
    rows = installation.journal(app, wire=False)
    return [(row.action, row.actor) for row in rows if row.actor in ("console", "setup")]


# --- making them --------------------------------------------------------------------------------------------------


def test_a_link_is_made_shown_again_and_revoked(installation, owner, guest):
    app = installation.app()
    owner.get(connect(app)).ok()
    link = link_of(owner.post(connect(app, "/links"), {"days": "1"}).ok())
    page = owner.get(connect(app)).ok()
    assert link_of(page) == ""
    number = re.search(rf"{connect(app)}/links/(\d+)/show", page.source)[1]
    assert link_of(owner.post(connect(app, f"/links/{number}/show")).ok()) == link
    guest.get(link).ok()
    page = owner.follow(owner.post(connect(app, f"/links/{number}/revoke")).ok(303))
    assert "The set-up link is revoked." in page.words
    guest.get(link).ok(404)
    assert acts(installation, app) == [("invited", "console"), ("invitation_revoked", "console")]
    assert link not in installation.log()


@pytest.mark.parametrize("days", ["0", "91", "-1", "x", "", "99999"])
def test_a_wrong_time_is_said_at_its_field(installation, owner, days):
    app = installation.app()
    owner.get(connect(app))
    page = owner.post(connect(app, "/links"), {"days": days}).ok(400)
    assert "A set-up link is good for 90 days at most." in page.words
    assert acts(installation, app) == []


def test_a_disabled_app_gets_no_link(installation, owner):
    app = installation.app()
    apps.set_enabled(installation.scope, app.slug, enabled=False)
    owner.get(connect(app))
    assert "enable it first" in owner.post(connect(app, "/links"), {"days": "1"}).ok(400).words


def test_a_link_whose_key_is_missing_says_so(installation, owner):
    app = installation.app()
    made, _ = invitations.make(installation.workspace(installation.app_row(app)), Keyring(["an older key"]))
    owner.get(connect(app))
    page = owner.post(connect(app, f"/links/{made.id}/show")).ok(400)
    assert "This link was signed with the secret key" in page.words


def test_who_may_make_links(installation, owner):
    app, other = installation.app(), installation.app()
    made, _ = invitations.make(installation.workspace(installation.app_row(app)), installation.keyring)
    forms = ("/links", f"/links/{made.id}/show", f"/links/{made.id}/revoke")
    auditor = signed_in(installation, f"eve{next(_numbers)}", Role.AUDITOR)
    assert "Make a set-up link" not in auditor.get(connect(app)).ok().words
    bound = signed_in(installation, f"bob{next(_numbers)}", Role.OPERATOR, other.slug)
    bound.get(connect(other)).ok()
    owner.get(connect(app))
    for form in forms:
        assert link_of(auditor.post(connect(app, form), {"days": "1"}).ok(403)) == ""
        assert link_of(bound.post(connect(app, form), {"days": "1"}).ok(404)) == ""
    for form in forms[1:]:
        # The number of another app's link, within an app that the operator sees.
        bound.post(connect(other, form)).ok(404)
    installation.db.transact(lambda: installation.db.execute(SessionRow.update(proved_at=1)))
    for form in forms:
        assert owner.post(connect(app, form), {"days": "1"}).ok(303).location.startswith("/console/prove")
    assert invitations.every(installation.db, installation.app_row(app)) == [made]


# --- using them ---------------------------------------------------------------------------------------------------


def test_looking_at_a_link_does_not_open_it(installation, guest):
    app = installation.app("Entra <b>ID</b>")
    path = invited(installation, app)
    for _ in range(2):
        page = guest.get(path).ok()
    assert "Entra &lt;b&gt;ID&lt;/b&gt;" in page.source
    assert app.slug not in page.source
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert page.headers["cache-control"] == "no-store"
    assert acts(installation, app) == []


def test_an_opened_link_shows_the_app_and_nothing_else(installation, guest):
    app, other = installation.app("Entra ID"), installation.app("Other app")
    app.client.user("ann.hush@example.com").ok(201)
    app.client.user("ann.hush@example.com").ok(409)
    app.client.group("Hush group").ok(201)
    path = opened(installation, app, guest)
    page = guest.get(path).ok()
    assert f"{installation.url}/scim/v2/{app.slug}" in page.words
    assert "Steps in Entra ID" in page.words
    assert "status 409: RFC 7643 section 2.2: the attribute is unique" in page.words
    assert "done The first group" in page.words
    for hidden in ("hush", "Hush", other.slug, "Other app", app.text, "127.0.0.1:", "/console/apps", "Sign out"):
        shown = page.source.replace(installation.url, "")
        assert hidden not in shown, hidden
    ConsoleClient(installation.url).get(path).ok()
    guest.post(path).ok(303)
    assert acts(installation, app) == [("invitation_opened", "setup")]
    assert guest.get("/console/").ok(303).location.startswith("/console/sign-in")


def test_the_token_is_shown_on_demand_and_the_report_knows(installation, guest):
    app = installation.app()
    path = opened(installation, app, guest)
    page = guest.post(f"{path}/token", {"idp": "okta"}).ok()
    assert app.text in page.words
    assert "Steps in Okta" in page.words
    assert app.text not in guest.get(path).source
    assert acts(installation, app) == [("invitation_opened", "setup"), ("token_shown", "setup")]
    shown = installation.journal(app, action="token_shown")[0]
    assert re.fullmatch(r"setup:\d+", shown.client)
    tokens.revoke(installation.workspace(installation.app_row(app)), app.token)
    assert "There is no token to show now." in guest.post(f"{path}/token").ok().words


def test_a_form_of_another_site_is_refused(installation, guest):
    app = installation.app()
    path = opened(installation, app, guest)
    assert app.text not in guest.post(f"{path}/token", Origin="https://evil.example").ok(400).source
    assert app.text not in ConsoleClient(installation.url).post(f"{path}/token").ok(400).source


def test_what_arrives_is_listed_without_addresses(installation, guest):
    app = installation.app()
    path = opened(installation, app, guest)
    assert "Waiting for the first request…" in guest.get(f"{path}/arrivals").ok().words
    app.client.user("ann").ok(201)
    assert guest.get(f"{path}/arrivals").words.count("done") == 4


@pytest.mark.parametrize("end", ["expire", "revoke", "disable", "delete"])
def test_a_link_that_has_ended_shows_nothing(installation, guest, end):
    app = installation.app("Our Okta")
    row = installation.app_row(app)
    path = opened(installation, app, guest)
    if end == "expire":
        update = InvitationRow.update(expires_at=clock.now()).where(InvitationRow.app_id == row.id)
        installation.db.transact(lambda: installation.db.execute(update))
    elif end == "revoke":
        invitations.revoke(installation.workspace(row), invitations.every(installation.db, row)[0])
    elif end == "disable":
        apps.set_enabled(installation.scope, app.slug, enabled=False)
    else:
        apps.delete(installation.scope, app.slug)
    for page in (guest.get(path), guest.get(f"{path}/arrivals"), guest.post(path), guest.post(f"{path}/token")):
        assert "There is nothing at this address." in page.ok(404).words
        assert app.slug not in page.source
        assert "Our Okta" not in page.source
    # Who has the page open asks on, and that is no guess.
    assert installation.db.rows(SignInAttemptRow.select()) == []


def test_guesses_are_limited(installation, guest):
    app = installation.app()
    path = opened(installation, app, guest)
    text = path.rpartition("/")[2]
    token = app.text.removeprefix("scimlite_")
    for wrong in (text[:-1], text[::-1], token, app.text, "x", "%00", "%C3%A9" * 30, "a" * 300):
        guest.get(f"/console/setup/{wrong}").ok(404)
    for _ in range(12):
        guest.get("/console/setup/guess").ok(404)
    assert "too many" in guest.get("/console/setup/guess").ok(429).words
    guest.get(path).ok(429)
    installation.db.transact(lambda: installation.db.execute(SignInAttemptRow.delete()))
    guest.get(path).ok()


def test_a_set_up_link_is_no_token_and_a_token_no_link(installation):
    app = installation.app()
    text = invited(installation, app).rpartition("/")[2]
    installation.client(app.slug, f"scimlite_{text}").get("/Users").ok(401)
    assert installation.keyring.link_id(app.text.removeprefix("scimlite_")) is None
    assert installation.keyring.token_id(f"scimlite_{text}") is None


# --- in a browser -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_it_of_a_customer_connects(installation, open_page, scheme):
    app = installation.app("Entra ID")
    page = open_page(color_scheme=scheme)
    page.goto(installation.url + invited(installation, app))
    axe(page, "welcome")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#arrivals")).to_contain_text("Waiting for the first request…")
    page.get_by_role("button", name="Show", exact=True).click()
    token = page.locator("code", has_text="scimlite_").inner_text()
    installation.client(app.slug, token).user("ann").ok(201)
    installation.client(app.slug, token).user("ann").ok(409)
    expect(page.locator("#arrivals .state.ok")).to_have_count(4)
    page.goto(installation.url + urlsplit(page.url).path.removesuffix("/token"))
    axe(page, "set-up")
    sizes(page)
    picture(page, f"setup-{scheme}")
