"""Sign-in to the console by a real OpenID provider."""

from __future__ import annotations

import html
import itertools
import re
from urllib.parse import urlsplit

import pytest

import databases
from console_client import ConsoleClient, Page
from installation import Installation, running
from openid_provider import OpenIdProvider
from scimlite.journal import report
from scimlite.journal.selection import Selection
from scimlite.operators import accounts
from scimlite.operators.roles import Role

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def provider():
    made = OpenIdProvider()
    made.start()
    yield made
    made.stop()


def service(request, folder, provider, **settings):
    settings = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": "console", "OIDC_CLIENT_SECRET": "s", **settings}
    with databases.upgraded_url(request.param, request, folder) as url:
        yield from running(lambda: Installation.new(url, folder, **settings))


@pytest.fixture(scope="module", params=databases.KINDS)
def by_name(request, tmp_path_factory, provider):
    """An installation that admits operators who were added by hand."""
    yield from service(request, tmp_path_factory.mktemp("by-name"), provider)


@pytest.fixture(scope="module", params=databases.KINDS)
def by_group(request, tmp_path_factory, provider):
    """An installation whose operators the provider's groups make."""
    rules = "groups=admins:owner, groups=helpdesk:auditor@crm"
    yield from service(request, tmp_path_factory.mktemp("by-group"), provider, OIDC_ROLES=rules)


@pytest.fixture
def name() -> str:
    return f"ann{next(_numbers)}@example.com"


def depart(client: ConsoleClient) -> str:
    """Press the button; returns the provider's address."""
    client.get("/console/sign-in").ok()
    page = client.post("/console/sign-on").ok()
    found = re.search(r'id="provider" href="([^"]+)"', page.source)
    assert found
    return html.unescape(found[1])


def come_back(client: ConsoleClient, address: str) -> Page:
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


def sign_in(installation: Installation, provider: OpenIdProvider, subject: str) -> tuple[ConsoleClient, Page]:
    client = ConsoleClient(installation.url)
    return client, come_back(client, provider.sign_in(depart(client), subject))


def test_an_operator_who_was_added_by_hand_comes_in(by_name, provider, name):
    accounts.add(by_name.scope, name, Role.AUDITOR)
    provider.knows(f"sub-{name}", email=name)
    client, page = sign_in(by_name, provider, f"sub-{name}")
    assert page.ok(303).location == "/console/"
    assert name in client.get("/console/").ok().words
    operator = accounts.get(by_name.db, name)
    assert (operator.issuer, operator.subject, operator.role) == (provider.issuer, f"sub-{name}", Role.AUDITOR)


def test_a_stranger_does_not_come_in(by_name, provider, name):
    provider.knows(f"sub-{name}", email=name)
    client, page = sign_in(by_name, provider, f"sub-{name}")
    assert f"There is no operator called {name}" in page.ok(403).words
    client.get("/console/").ok(303)
    refused = report.read(by_name.db, Selection(action="signed_in", outcome="refused"))
    assert name in refused[-1].detail


def test_somebody_else_with_the_same_name_does_not_come_in(by_name, provider, name):
    accounts.add(by_name.scope, name, Role.OWNER)
    provider.knows(f"sub-{name}", email=name)
    sign_in(by_name, provider, f"sub-{name}")[1].ok(303)
    provider.knows(f"evil-{name}", email=name)
    sign_in(by_name, provider, f"evil-{name}")[1].ok(403)


def test_a_user_name_that_is_no_address_makes_nobody_an_operator(by_name, provider, name):
    plain = name.partition("@")[0]
    accounts.add(by_name.scope, plain, Role.OWNER)
    provider.knows(f"sub-{name}", preferred_username=plain)
    sign_in(by_name, provider, f"sub-{name}")[1].ok(403)
    assert accounts.get(by_name.db, plain).subject is None


def test_a_name_that_changed_stays_the_same_operator(by_name, provider, name):
    accounts.add(by_name.scope, name, Role.OWNER)
    provider.knows(f"sub-{name}", email=name)
    sign_in(by_name, provider, f"sub-{name}")[1].ok(303)
    provider.knows(f"sub-{name}", email=f"new-{name}")
    client, page = sign_in(by_name, provider, f"sub-{name}")
    page.ok(303)
    assert name in client.get("/console/").ok().words


def test_an_answer_is_good_once(by_name, provider, name):
    accounts.add(by_name.scope, name, Role.OWNER)
    provider.knows(f"sub-{name}", email=name)
    client = ConsoleClient(by_name.url)
    address = provider.sign_in(depart(client), f"sub-{name}")
    kept = dict(client.cookies)
    come_back(client, address).ok(303)
    come_back(client, address).ok(403)
    # Also with the cookie, which the browser no longer has: the provider takes a code once.
    come_back(ConsoleClient(by_name.url, kept), address).ok(403)


def test_an_answer_for_another_browser_is_refused(by_name, provider, name):
    accounts.add(by_name.scope, name, Role.OWNER)
    provider.knows(f"sub-{name}", email=name)
    mine, theirs = ConsoleClient(by_name.url), ConsoleClient(by_name.url)
    address = provider.sign_in(depart(mine), f"sub-{name}")
    depart(theirs)
    come_back(theirs, address).ok(403)
    come_back(ConsoleClient(by_name.url), address).ok(403)


def test_a_wrong_nonce_is_refused(by_name, provider, name):
    accounts.add(by_name.scope, name, Role.OWNER)
    provider.knows(f"sub-{name}", email=name)
    client = ConsoleClient(by_name.url)
    address = provider.sign_in(re.sub(r"nonce=[^&]+", "nonce=another", depart(client)), f"sub-{name}")
    assert "nonce" in come_back(client, address).ok(403).words


def test_groups_make_operators(by_group, provider, name):
    provider.knows(f"sub-{name}", email=name, groups=["admins", "others"])
    client, page = sign_in(by_group, provider, f"sub-{name}")
    page.ok(303)
    client.get("/console/apps/new").ok()
    operator = accounts.get(by_group.db, name)
    assert (operator.role, operator.apps) == (Role.OWNER, None)


def test_a_group_that_is_lost_is_felt_at_the_next_sign_in(by_group, provider, name):
    provider.knows(f"keeper-{name}", email=f"keeper-{name}", groups=["admins"])
    sign_in(by_group, provider, f"keeper-{name}")[1].ok(303)
    provider.knows(f"sub-{name}", email=name, groups=["admins"])
    first = sign_in(by_group, provider, f"sub-{name}")[0]
    first.get("/console/").ok()
    provider.knows(f"sub-{name}", email=name, groups=["helpdesk"])
    second = sign_in(by_group, provider, f"sub-{name}")[0]
    assert accounts.get(by_group.db, name).role is Role.AUDITOR
    second.get("/console/apps/new").ok(403)
    provider.knows(f"sub-{name}", email=name, groups=[])
    assert "no group" in sign_in(by_group, provider, f"sub-{name}")[1].ok(403).words
    for client in (first, second):
        client.get("/console/").ok(303)


def test_a_new_key_of_the_provider_is_taken(by_group, provider, name):
    provider.knows(f"sub-{name}", email=name, groups=["admins"])
    sign_in(by_group, provider, f"sub-{name}")[1].ok(303)
    provider.stop()
    provider.start()
    provider.knows(f"sub-{name}", email=name, groups=["admins"])
    sign_in(by_group, provider, f"sub-{name}")[1].ok(303)
