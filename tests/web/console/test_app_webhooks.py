"""The page of an app's webhooks."""

from __future__ import annotations

import itertools
import re

import pytest

from console_client import ConsoleClient, Page, signed_in
from installation import Connected, Installation
from receiver import Reply, receiving
from scimlite.operators.roles import Role

SETTINGS = {"OUTBOUND_NETWORKS": "127.0.0.0/8"}
_numbers = itertools.count(1)


@pytest.fixture
def owner(installation: Installation) -> ConsoleClient:
    return signed_in(installation, f"ann{next(_numbers)}")


def path_of(app: Connected, rest: str = "") -> str:
    return f"/console/apps/{app.slug}/webhooks{rest}"


def secret(page: Page) -> str:
    """The secret that a page shows; empty when it shows none."""
    found = re.search(r"whsec_[A-Za-z0-9+/=]{44}", page.source)
    return found[0] if found else ""


def added(owner: ConsoleClient, app: Connected, url: str) -> tuple[int, str]:
    """The number and the secret of a new webhook."""
    owner.get(path_of(app)).ok()
    page = owner.post(path_of(app), {"url": url, "name": "crm"}).ok()
    number = re.search(r"/webhooks/(\d+)/test", page.source)
    assert number is not None
    return int(number[1]), secret(page)


def acts(installation: Installation, app: Connected) -> list[str]:
    return [row.action for row in installation.journal(app) if (row.client or "").startswith("console:")]


def test_a_webhook_from_the_first_to_the_last(installation: Installation, app: Connected, owner: ConsoleClient) -> None:
    assert "There is no webhook" in owner.get(path_of(app)).words
    with receiving() as receiver:
        number, shown = added(owner, app, receiver.url)
        assert shown
        assert shown not in owner.get(path_of(app)).source
        assert secret(owner.post(path_of(app, f"/{number}/show")).ok()) == shown
        assert "crm answered 204: it works." in owner.follow(owner.post(path_of(app, f"/{number}/test"))).words
        assert [got.event["type"] for got in receiver.got] == ["feed.test"]
        receiver.reply = lambda got: Reply(500)
        assert "crm did not confirm it" in owner.follow(owner.post(path_of(app, f"/{number}/test"))).words
    owner.post(path_of(app, f"/{number}/pause")).ok(303)
    assert "paused" in owner.get(path_of(app)).words
    owner.post(path_of(app, f"/{number}/resume")).ok(303)
    assert "active" in owner.get(path_of(app)).words
    owner.post(path_of(app, f"/{number}/remove")).ok(303)
    owner.post(path_of(app, f"/{number}/pause")).ok(404)
    assert acts(installation, app) == [
        "webhook_added",
        "webhook_secret_shown",
        "webhook_tested",
        "webhook_tested",
        "webhook_paused",
        "webhook_resumed",
        "webhook_removed",
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "URL"),
        ("ftp://example.com", "http"),
        ("https://10.0.0.1/", "10.0.0.1"),
        ("https://user:pass@example.com/", "user"),
        ("https://169.254.169.254/", "169.254.169.254"),
    ],
)
def test_a_url_that_nothing_is_sent_to(app: Connected, owner: ConsoleClient, url: str, said: str) -> None:
    owner.get(path_of(app))
    page = owner.post(path_of(app), {"url": url})
    assert page.status == 400
    assert said in page.words
    assert "There is no webhook" in page.words


def test_a_name_is_taken_once(app: Connected, owner: ConsoleClient) -> None:
    added(owner, app, "https://hooks.example.com/")
    assert "already" in owner.post(path_of(app), {"url": "https://other.example.com/", "name": "crm"}).ok(400).words


def test_an_auditor_sees_the_list_and_no_way_to_change_it(
    installation: Installation, app: Connected, owner: ConsoleClient
) -> None:
    number, _ = added(owner, app, "https://hooks.example.com/")
    auditor = signed_in(installation, f"bob{next(_numbers)}", Role.AUDITOR)
    page = auditor.get(path_of(app)).ok()
    assert "crm" in page.words
    assert "/webhooks/" not in page.source
    auditor.post(path_of(app), {"url": "https://hooks.example.com/"}).ok(403)
    auditor.post(path_of(app, f"/{number}/remove")).ok(403)
