"""The page of an app's tokens."""

from __future__ import annotations

import itertools
import re

import pytest

from console_client import signed_in
from scimlite.admin import tokens
from scimlite.db.operator_tables import SessionRow
from scimlite.db.tables import TokenRow
from scimlite.operators.roles import Role

_numbers = itertools.count(1)


@pytest.fixture
def owner(installation):
    return signed_in(installation, f"ann{next(_numbers)}")


def path_of(app, rest: str = "") -> str:
    return f"/console/apps/{app.slug}/tokens{rest}"


def shown(page) -> str:
    """The token that a page shows; empty when it shows none."""
    found = re.search(r"scimlite_[\w-]{22}\.[\w-]{43}", page.source)
    return found[0] if found else ""


def acts(installation, app) -> list[str]:
    return [row.action for row in installation.journal(app) if (row.client or "").startswith("console:")]


def test_the_list_shows_state_use_and_key_and_no_token(installation, owner):
    app = installation.app()
    page = owner.get(path_of(app)).ok()
    assert re.search(r"default active never never \S+ \S+ UTC newest", page.words)
    assert shown(page) == ""
    app.client.get("/Users").ok()
    assert re.search(r"default active \S+ \S+ UTC never", owner.get(path_of(app)).words)


def test_a_token_is_issued_and_shown_once(installation, owner):
    app = installation.app()
    owner.get(path_of(app))
    page = owner.post(path_of(app), {"label": "<b>2027</b>", "expires": "2999-01-31"}).ok()
    text = shown(page)
    installation.client(app.slug, text).get("/Users").ok()
    assert "&lt;b&gt;2027&lt;/b&gt;" in page.source
    assert "2999-01-31 00:00:00 UTC" in page.words
    assert page.headers["cache-control"] == "no-store"
    assert f'href="{path_of(app)}" aria-current="page"' in page.source
    assert shown(owner.get(path_of(app))) == ""
    assert acts(installation, app) == ["token_issued"]
    assert text not in installation.log()


@pytest.mark.parametrize(
    ("fields", "said", "where"),
    [
        ({"label": "x" * 101}, "1 to 100 printable characters", "label"),
        ({"label": ""}, "has a token labelled", "label"),
        ({"label": "new", "expires": "soon"}, "This is not a day", "expires"),
        ({"label": "new", "expires": "2001-01-01"}, "This day has begun", "expires"),
    ],
)
def test_a_wrong_token_is_said_at_its_field(installation, owner, fields, said, where):
    app = installation.app()
    owner.get(path_of(app))
    page = owner.post(path_of(app), fields).ok(400)
    assert said in page.words
    assert re.search(rf'id="field-{where}"[^>]*aria-invalid="true"', page.source)
    assert shown(page) == ""
    assert acts(installation, app) == []


def test_a_token_is_shown_again(installation, owner):
    app = installation.app()
    owner.get(path_of(app))
    assert shown(owner.post(path_of(app, f"/{app.token.id}/show")).ok()) == app.text
    assert acts(installation, app) == ["token_shown"]


@pytest.mark.parametrize(("overlap", "works"), [("7d", True), ("0", False)])
def test_a_token_is_replaced(installation, owner, overlap, works):
    app = installation.app()
    owner.get(path_of(app))
    text = shown(owner.post(path_of(app, f"/{app.token.id}/rotate"), {"overlap": overlap}).ok())
    installation.client(app.slug, text).get("/Users").ok()
    assert (app.client.get("/Users").status == 200) == works
    assert acts(installation, app) == ["token_rotated"]


def test_a_wrong_overlap_changes_nothing(installation, owner):
    app = installation.app()
    owner.get(path_of(app))
    page = owner.follow(owner.post(path_of(app, f"/{app.token.id}/rotate"), {"overlap": "1y"}).ok(303))
    assert "The old token can go on for 0, 2h, 1d, 7d, 30d." in page.words
    assert acts(installation, app) == []


def test_a_token_is_revoked_and_then_neither_shown_nor_replaced(installation, owner):
    app = installation.app()
    owner.get(path_of(app))
    page = owner.follow(owner.post(path_of(app, f"/{app.token.id}/revoke")).ok(303))
    assert "The token default is revoked." in page.words
    assert "default revoked" in page.words
    app.client.get("/Users").ok(401)
    page = owner.follow(owner.post(path_of(app, f"/{app.token.id}/rotate"), {"overlap": "7d"}).ok(303))
    assert "issue a new one instead" in page.words


def test_a_token_of_a_missing_key_says_so(installation, owner):
    app = installation.app()
    update = TokenRow.update(key_id="0123456789ab").where(TokenRow.id == app.token.id)
    installation.db.transact(lambda: installation.db.execute(update))
    assert "missing 0123456789ab" in owner.get(path_of(app)).ok().words
    page = owner.follow(owner.post(path_of(app, f"/{app.token.id}/show")).ok(303))
    assert "not in SCIMLITE_SECRET_KEY" in page.words
    page = owner.follow(owner.post(path_of(app).replace("tokens", "connect")).ok(303))
    assert "not in SCIMLITE_SECRET_KEY" in page.words
    tokens.revoke(installation.workspace(installation.app_row(app)), app.token)


@pytest.mark.parametrize("act", ["show", "rotate", "revoke"])
def test_the_token_of_another_app_is_not_found(installation, act):
    app, other = installation.app(), installation.app()
    bound = signed_in(installation, f"bob{next(_numbers)}", Role.OPERATOR, app.slug)
    bound.get(path_of(app)).ok()
    page = bound.post(path_of(app, f"/{other.token.id}/{act}"), {"overlap": "0"}).ok(404)
    assert shown(page) == ""
    bound.post(path_of(other, f"/{other.token.id}/{act}"), {"overlap": "0"}).ok(404)
    other.client.get("/Users").ok()


@pytest.mark.parametrize("act", ["", "/{}/show", "/{}/rotate", "/{}/revoke"])
def test_an_auditor_does_nothing_with_tokens(installation, act):
    app = installation.app()
    auditor = signed_in(installation, f"eve{next(_numbers)}", Role.AUDITOR)
    assert "/tokens" not in auditor.get(f"/console/apps/{app.slug}").ok().source
    auditor.get(path_of(app)).ok(403)
    assert shown(auditor.post(path_of(app, act.format(app.token.id)), {"label": "x"}).ok(403)) == ""
    assert acts(installation, app) == ["denied", "denied"]


@pytest.mark.parametrize("act", ["", "/{}/show", "/{}/rotate"])
def test_a_token_needs_a_fresh_sign_in(installation, owner, act):
    app = installation.app()
    owner.get(path_of(app))
    installation.db.transact(lambda: installation.db.execute(SessionRow.update(proved_at=1)))
    assert owner.post(path_of(app, act.format(app.token.id))).ok(303).location.startswith("/console/prove")
    assert acts(installation, app) == []
