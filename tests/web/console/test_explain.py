"""Requests explained at the console: reason, rule, the way to the setting that helps, and who may see what was sent."""

from __future__ import annotations

import re
from html import unescape

import pytest

from console_client import ConsoleClient, signed_in
from installation import Connected, Installation
from scim_client import USER_URN
from scimlite.db.tables import RefusalRow
from scimlite.operators.roles import Role

#: An operation on an attribute that nobody declared.
SHOES = {"op": "add", "path": "shoeSize", "value": 42}


@pytest.fixture(scope="module")
def operator(installation: Installation) -> ConsoleClient:
    return signed_in(installation, "operator", Role.OPERATOR)


@pytest.fixture(scope="module")
def app(installation: Installation) -> Connected:
    return installation.app("Refusing")


@pytest.fixture(scope="module")
def refused(app: Connected) -> str:
    """The id of a request that was refused because of an attribute that nobody declared."""
    user = app.client.post("/Users", {"schemas": [USER_URN], "userName": "ann"}).ok(201).id
    title = {"op": "add", "path": "title", "value": "<b>secret title</b>"}
    headers = {"client-request-id": "activity-1"}
    id = app.client.patch(f"/Users/{user}", title, SHOES, headers=headers).ok(400).headers["x-request-id"]
    app.client.post("/Users", {"schemas": [USER_URN], "userName": "ben"}, headers=headers).ok(201)
    return id


def test_a_refused_request_is_explained(operator: ConsoleClient, app: Connected, refused: str) -> None:
    page = operator.get(f"/console/requests/{refused}").ok()
    for text in ("400 invalid", "shoeSize", "RFC 764", "PATCH /Users/", "<b>secret title</b>", "1. add title"):
        assert text in page.words
    assert "<b>secret" not in page.source
    feature = re.search(r"Set the feature ([a-z-]+) to", page.words)
    assert feature is not None
    assert f'href="/console/apps/{app.slug}/features#field-{feature[1]}"' in page.source
    assert f'id="field-{feature[1]}"' in operator.get(f"/console/apps/{app.slug}/features").ok().source
    assert f'href="/console/apps/{app.slug}/schemas"' in page.source
    assert f"scimlite explain {refused}" in page.words
    ticket = unescape(re.search(r'<pre id="ticket-1"[^>]*>(.*?)</pre>', page.source, re.DOTALL)[1])  # type: ignore[index]
    assert ticket.startswith(f"Request: {refused}\nTime: ")
    assert "Your request id: activity-1" in ticket
    assert "secret" not in ticket


def test_the_other_requests_of_the_client_are_neighbours(operator: ConsoleClient, refused: str) -> None:
    words = operator.get(f"/console/requests/{refused}").ok().words
    assert "Other requests with the same id of the client" in words
    assert "ben" in words.split("Other requests with the same")[1]


@pytest.mark.parametrize("form", ["{}", "(request {})", " {} ", "activity-1"])
def test_the_search_takes_any_form_of_an_id(operator: ConsoleClient, refused: str, form: str) -> None:
    assert "shoeSize" in operator.get(f"/console/requests?id={form.format(refused).replace(' ', '+')}").ok().words


@pytest.mark.parametrize("id", ["nothing", "0123456789abcdef", "%00", "%3Cscript%3E", "x" * 500])
def test_an_unknown_id(operator: ConsoleClient, id: str) -> None:
    for path in (f"/console/requests/{id}", f"/console/requests?id={id}"):
        page = operator.get(path).ok(404)
        assert "There is no trace of a request" in page.words
        assert "<script>" not in page.source.replace('<script src="', "")


def test_the_report_leads_to_the_explanation(operator: ConsoleClient, app: Connected, refused: str) -> None:
    page = operator.get(f"/console/report?app={app.slug}&outcome=refused").ok()
    assert f'href="/console/requests/{refused}"' in page.source


def test_an_accepted_request_shows_what_it_did(operator: ConsoleClient, app: Connected) -> None:
    id = app.client.post("/Users", {"schemas": [USER_URN], "userName": "carl"}).ok(201).headers["x-request-id"]
    words = operator.get(f"/console/requests/{id}").ok().words
    assert "carl created ok" in words
    assert "How to get it accepted" not in words


def test_an_auditor_does_not_see_what_was_sent(installation: Installation, app: Connected, refused: str) -> None:
    auditor = signed_in(installation, "auditor", Role.AUDITOR)
    page = auditor.get(f"/console/requests/{refused}").ok()
    assert "Your role may not see what was sent." in page.words
    assert "secret title" not in page.source
    assert "400 invalid" in page.words
    path = "/Users?filter=shoeSize%20eq%20%22private%22"
    id = app.client.get(path).ok(400).headers["x-request-id"]
    assert "filter=" not in auditor.get(f"/console/requests/{id}").ok().source.split("What came")[1]


def test_another_apps_request_is_unknown(installation: Installation, app: Connected, refused: str) -> None:
    bound = signed_in(installation, "bound", Role.OPERATOR, installation.app("Other").slug)
    for id in (refused, "activity-1"):
        page = bound.get(f"/console/requests/{id}").ok(404)
        assert "shoeSize" not in page.words
    own = signed_in(installation, "bound to it", Role.OPERATOR, app.slug)
    assert "shoeSize" in own.get(f"/console/requests/{refused}").ok().words


def test_a_request_that_is_not_kept_any_more(operator: ConsoleClient, installation: Installation) -> None:
    app = installation.app("Long ago")
    user = app.client.post("/Users", {"schemas": [USER_URN], "userName": "ann"}).ok(201).id
    id = app.client.patch(f"/Users/{user}", SHOES).ok(400).headers["x-request-id"]
    installation.db.execute(RefusalRow.delete().where(RefusalRow.request_id == id))
    words = operator.get(f"/console/requests/{id}").ok().words
    assert "The request itself is gone" in words
    assert "shoeSize" in words
