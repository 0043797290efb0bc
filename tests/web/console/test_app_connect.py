"""The Connect page: address, token, steps, and what has arrived."""

from __future__ import annotations

import itertools
import re

import pytest
from playwright.sync_api import expect

from browser import axe, picture, sizes
from console_client import signed_in
from scimlite.admin import apps, tokens
from scimlite.admin.identity_providers import PROVIDERS
from scimlite.db.operator_tables import SessionRow
from scimlite.journal import tallies
from scimlite.operators.roles import Role

_numbers = itertools.count(1)


@pytest.fixture
def owner(installation):
    return signed_in(installation, f"ann{next(_numbers)}")


def arrived(page) -> list[str]:
    """The words of what has arrived, in its order."""
    items = re.findall(r"<li>(<span class=\"state ok\">.*?)</li>", page.source, re.DOTALL)
    return [" ".join(re.sub(r"<time.*?</time>|<[^>]*>", " ", item).split()) for item in items]


def path_of(app, rest: str = "") -> str:
    return f"/console/apps/{app.slug}/connect{rest}"


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.key)
def test_the_steps_of_each_identity_provider_have_the_address_in_them(installation, owner, provider):
    app = installation.app()
    page = owner.get(path_of(app, f"?idp={provider.key}")).ok()
    assert provider.url_field in page.words
    assert provider.token_field in page.words
    assert f"{installation.url}/scim/v2/{app.slug}" in page.words
    assert f'value="{provider.key}" selected' in page.source
    assert app.text not in page.source
    assert ("asks for https" in page.words) == provider.is_remote


def test_profile_and_name_suggest_the_identity_provider(installation, owner):
    assert "Steps in Okta" in owner.get(path_of(installation.app("Our Okta"))).words
    assert "Steps in Okta" in owner.get(path_of(installation.app("Our Okta"), "?idp=<script>")).words


def test_the_token_is_shown_on_demand_and_the_report_knows(installation, owner):
    app = installation.app()
    assert app.text not in owner.get(path_of(app)).source
    page = owner.post(path_of(app), {"idp": "okta"}).ok()
    assert app.text in page.words
    assert "Steps in Okta" in page.words
    assert page.headers["cache-control"] == "no-store"
    shown = [row for row in installation.journal(app) if row.action == "token_shown"]
    assert [row.client.partition(":")[0] for row in shown] == ["console"]
    assert app.text not in owner.get(path_of(app)).source
    assert app.text not in installation.log()


def test_a_token_is_not_shown_to_somebody_who_signed_in_long_ago(installation, owner):
    app = installation.app()
    owner.get(path_of(app))
    installation.db.transact(lambda: installation.db.execute(SessionRow.update(proved_at=1)))
    answer = owner.post(path_of(app), Referer=f"{installation.url}{path_of(app)}").ok(303)
    assert answer.location.startswith("/console/prove?next=/console/apps/")
    assert not [row for row in installation.journal(app) if row.action == "token_shown"]


def test_an_auditor_sees_no_token(installation):
    app = installation.app()
    auditor = signed_in(installation, f"eve{next(_numbers)}", Role.AUDITOR)
    page = auditor.get(path_of(app)).ok()
    assert f'action="{path_of(app)}"' not in re.sub(r'<form method="get"[^>]*>', "", page.source)
    assert app.text not in auditor.post(path_of(app)).ok(403).source


def test_nobody_sees_another_app(installation):
    app, other = installation.app(), installation.app()
    bound = signed_in(installation, f"bob{next(_numbers)}", Role.OPERATOR, app.slug)
    bound.get(path_of(app)).ok()
    for path in (path_of(other), path_of(other, "/arrivals")):
        assert other.slug not in bound.get(path).ok(404).words.replace(f"no app '{other.slug}'", "")
    assert other.text not in bound.post(path_of(other)).ok(404).source


def test_an_app_without_a_token_says_so(installation, owner):
    app = installation.app()
    tokens.revoke(installation.workspace(installation.app_row(app)), app.token)
    assert "There is no token that works" in owner.get(path_of(app)).ok().words
    answer = owner.post(path_of(app)).ok(303)
    assert "There is no token that works" in owner.follow(answer).words


def test_a_disabled_app_says_so(installation, owner):
    app = installation.app()
    apps.set_enabled(installation.scope, app.slug, enabled=False)
    assert "The app is disabled" in owner.get(path_of(app)).ok().words


def test_what_arrives_is_listed(installation, owner):
    app = installation.app()
    page = owner.get(path_of(app, "/arrivals")).ok()
    assert arrived(page) == []
    assert "Waiting for the first request…" in page.words
    assert "<html" not in page.source
    app.client.get("/Users?filter=userName+eq+%22nobody%22").ok()
    assert arrived(owner.get(path_of(app, "/arrivals"))) == [
        "done The first request",
        "done A valid token, as Test Connection sends it",
    ]
    app.client.post("/Users", {"userName": "ann"}).ok(201)
    assert "done The first user" in arrived(owner.get(path_of(app, "/arrivals")))
    app.client.post("/Groups", {"displayName": "staff"}).ok(201)
    assert len(arrived(owner.get(path_of(app)))) == 5


def test_a_token_that_is_not_valid_here_is_told(installation, owner):
    app = installation.app()
    row = installation.app_row(app)
    tallies.count(installation.db, row.id, tallies.Kind.REFUSED_TOKEN, "malformed", 2)
    tallies.count(installation.db, row.id, tallies.Kind.REFUSED_ADDRESS, "192.0.2.1", 2)
    tallies.write_all()
    page = owner.get(path_of(app, "/arrivals")).ok()
    assert "a token that is not valid here" in page.words
    assert "cut off, or no token of scimlite at all: 2 times" in page.words
    assert "From 192.0.2.1" in page.words
    assert arrived(page) == ["done The first request"]


# --- in a browser -------------------------------------------------------------------------------------------------


@pytest.fixture
def browse(installation, open_page, owner):
    def browse(path: str, **options):
        page = open_page(**options)
        page.context.add_cookies(
            [{"name": name, "value": value, "url": installation.url} for name, value in owner.cookies.items()]
        )
        page.goto(f"{installation.url}{path}")
        return page

    return browse


def test_the_list_fills_by_itself(installation, browse):
    app = installation.app("Entra ID")
    page = browse(path_of(app), permissions=["clipboard-read", "clipboard-write"])
    expect(page.locator("#arrivals")).to_contain_text("Waiting for the first request…")
    app.client.get("/Users?filter=userName+eq+%22nobody%22").ok()
    expect(page.locator("#arrivals .state.ok")).to_have_count(2)
    app.client.post("/Users", {"userName": "ann"}).ok(201)
    expect(page.locator("#arrivals .state.ok")).to_have_count(4)
    page.get_by_role("button", name="Copy Tenant URL").click()
    assert page.evaluate("navigator.clipboard.readText()") == f"{installation.url}/scim/v2/{app.slug}"
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("button", name="Copy Secret Token").click()
    expect(page.locator("#say")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == app.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_fits(installation, browse, scheme):
    page = browse(path_of(installation.app("Entra ID")), color_scheme=scheme)
    page.get_by_role("button", name="Show", exact=True).click()
    axe(page)
    sizes(page)
    picture(page, f"connect-{scheme}")
