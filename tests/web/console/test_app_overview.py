"""The overview of an app."""

from __future__ import annotations

import itertools

import pytest

from browser import axe, picture, sizes
from console_client import signed_in
from scimlite import clock
from scimlite.db.tables import BrakeRow
from scimlite.directory import brakes
from scimlite.journal import tallies
from scimlite.operators.roles import Role

_numbers = itertools.count(1)


@pytest.fixture
def owner(installation):
    return signed_in(installation, f"ann{next(_numbers)}")


def path_of(app, rest: str = "") -> str:
    return f"/console/apps/{app.slug}{rest}"


def trip(installation, app) -> None:
    row = {"app_id": installation.app_row(app).id, "kind": "users", "tripped_at": clock.now(), "detail": "12 of 30"}
    installation.db.transact(lambda: installation.db.execute(BrakeRow.insert(**row)))


def test_a_new_app_says_that_nothing_came(installation, owner):
    app = installation.app()
    page = owner.get(path_of(app)).ok()
    assert "No request with a valid token has come yet." in page.words
    assert "Last refused" not in page.words
    assert f'href="{path_of(app, "/connect")}"' in page.source


def test_what_an_app_holds_and_its_last_refusal(installation, owner):
    app = installation.app()
    app.client.user("ann").ok(201)
    app.client.user("bob", active=False).ok(201)
    app.client.user("ann").ok(409)
    page = owner.get(path_of(app)).ok()
    assert "Users 2 Groups 0" in page.words
    assert "Users 2 1 disabled Groups 0" in owner.get(path_of(app, "/figures")).ok().words
    assert "Requests come and are carried out." in page.words
    assert "Last refused" in page.words
    assert installation.journal(app, outcome="refused")[0].request_id in page.source


def test_brakes_have_a_gauge_and_a_release(installation, owner):
    app = installation.app(**{"brake-users": "2", "brake-percent": "off"})
    ids = [app.client.user(name).ok(201).id for name in ("a", "b", "c", "d")]
    app.client.delete(f"/Users/{ids[0]}").ok(204)
    assert "1 of 2" in owner.get(path_of(app, "/figures")).ok().words
    part = owner.get(path_of(app, "/figures"), HX_Request="true").ok()
    assert "1 of 2" in part.words
    assert "<html" not in part.source
    assert "Release the brakes" not in owner.get(path_of(app)).ok().words
    app.client.delete(f"/Users/{ids[1]}").ok(204)
    app.client.delete(f"/Users/{ids[2]}").ok(429)
    page = owner.get(path_of(app)).ok()
    assert "A brake is on" in page.words
    assert "Release the brakes" in page.words
    assert "HOLDS since" in owner.get(path_of(app, "/figures")).words
    page = owner.follow(owner.post(path_of(app, "/release")).ok(303))
    assert "The brakes are released" in page.words
    assert all(brake.tripped_at is None for brake in brakes.every(installation.db, installation.app_row(app)))
    assert [row.action for row in installation.journal(app) if row.actor == "console"] == ["released"]


def test_what_was_counted_this_week_is_told_in_words(installation, owner):
    app = installation.app()
    id = installation.app_row(app).id
    tallies.count(installation.db, id, tallies.Kind.REFUSED_TOKEN, "expired", 1234)
    tallies.count(installation.db, id, tallies.Kind.LENIENCY, "string-boolean", 5)
    for number in range(25):
        tallies.count(installation.db, id, tallies.Kind.REFUSED_ADDRESS, f"192.0.2.{number}", 100 - number)
    tallies.write_all()
    page = owner.get(path_of(app)).ok()
    assert "expired 1,234" in page.words
    assert "booleans as text 5" in page.words
    assert "192.0.2.19 81 5 more" in page.words


def test_an_auditor_looks_and_releases_nothing(installation):
    app = installation.app()
    trip(installation, app)
    auditor = signed_in(installation, f"eve{next(_numbers)}", Role.AUDITOR)
    page = auditor.get(path_of(app)).ok()
    assert "Release the brakes" not in page.words
    auditor.post(path_of(app, "/release")).ok(403)
    bound = signed_in(installation, f"bob{next(_numbers)}", Role.OPERATOR, installation.app().slug)
    bound.get(path_of(app)).ok(404)
    bound.get(path_of(app, "/figures")).ok(404)
    bound.post(path_of(app, "/release")).ok(404)
    assert any(brake.tripped_at for brake in brakes.every(installation.db, installation.app_row(app)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_an_app_in_a_browser(installation, open_page, owner, scheme):
    app = installation.app("Entra ID")
    app.client.user("ann").ok(201)
    app.client.user("ann").ok(409)
    trip(installation, app)
    page = open_page(color_scheme=scheme)
    page.context.add_cookies(
        [{"name": name, "value": value, "url": installation.url} for name, value in owner.cookies.items()]
    )
    for rest in ("", "/figures", "/tokens", "/settings"):
        page.goto(installation.url + path_of(app, rest))
        axe(page, rest)
        sizes(page)
        picture(page, f"app{rest.replace('/', '-')}-{scheme}")
