"""The settings of an app as a whole."""

from __future__ import annotations

import itertools
import json

import pytest

from console_client import signed_in
from scimlite.admin import app_file, apps
from scimlite.db.operator_tables import SessionRow
from scimlite.operators.roles import Role

_numbers = itertools.count(1)


@pytest.fixture
def owner(installation):
    return signed_in(installation, f"ann{next(_numbers)}")


def path_of(app, rest: str = "") -> str:
    return f"/console/apps/{app.slug}/settings{rest}"


def test_an_app_is_renamed(installation, owner):
    app = installation.app()
    assert 'value="app"' in owner.get(path_of(app)).ok().source
    page = owner.follow(owner.post(path_of(app), {"name": "Entra ID & more"}).ok(303))
    assert "The app is called Entra ID & more now." in page.words
    assert installation.app_row(app).name == "Entra ID & more"


@pytest.mark.parametrize("name", ["", "x" * 201, "tab\there"])
def test_a_wrong_name_is_said_at_its_field(installation, owner, name):
    app = installation.app()
    owner.get(path_of(app))
    page = owner.post(path_of(app), {"name": name}).ok(400)
    assert "1 to 200 printable characters" in page.words
    assert 'aria-invalid="true"' in page.source
    assert installation.app_row(app).name == "app"


def test_an_app_is_disabled_and_enabled(installation, owner):
    app = installation.app()
    owner.get(path_of(app))
    page = owner.follow(owner.post(path_of(app, "/disable")).ok(303))
    assert "its tokens are refused from now on" in page.words
    app.client.get("/Users").ok(401)
    assert "its tokens work again" in owner.follow(owner.post(path_of(app, "/enable")).ok(303)).words
    app.client.get("/Users").ok()


def test_an_app_is_deleted_once_its_slug_is_typed(installation, owner):
    app = installation.app()
    app.client.user("ann").ok(201)
    page = owner.get(path_of(app)).ok()
    assert "This removes 1 users, 0 groups with their members, and all tokens" in page.words
    for typed in ("", "x", app.slug.upper()):
        page = owner.post(path_of(app, "/delete"), {"confirmed": typed}).ok(400)
        assert f"type its slug, {app.slug}" in page.words
    assert apps.find(installation.db, app.slug) is not None
    page = owner.follow(owner.post(path_of(app, "/delete"), {"confirmed": app.slug}).ok(303))
    assert "is deleted" in page.words
    assert apps.find(installation.db, app.slug) is None
    owner.get(path_of(app)).ok(404)


def test_deleting_needs_a_fresh_sign_in(installation, owner):
    app = installation.app()
    owner.get(path_of(app))
    installation.db.transact(lambda: installation.db.execute(SessionRow.update(proved_at=1)))
    answer = owner.post(path_of(app, "/delete"), {"confirmed": app.slug}).ok(303)
    assert answer.location.startswith("/console/prove")
    assert apps.find(installation.db, app.slug) is not None


def test_the_file_of_an_app_is_what_the_command_prints(installation, owner):
    app = installation.app("Ørsted <i>")
    page = owner.get(path_of(app, "/file")).ok()
    assert page.headers["content-disposition"] == f'attachment; filename="{app.slug}.json"'
    assert json.loads(page.source) == app_file.export(installation.app_row(app))


@pytest.mark.parametrize("act", ["", "/enable", "/disable", "/delete"])
def test_an_auditor_changes_nothing_and_another_app_is_not_found(installation, act):
    app, other = installation.app(), installation.app()
    fields = {"name": "x", "confirmed": app.slug}
    auditor = signed_in(installation, f"eve{next(_numbers)}", Role.AUDITOR)
    auditor.get(path_of(app)).ok(403)
    auditor.post(path_of(app, act), fields).ok(403)
    bound = signed_in(installation, f"bob{next(_numbers)}", Role.OPERATOR, other.slug)
    bound.get(path_of(app)).ok(404)
    bound.get(path_of(app, "/file")).ok(404)
    bound.post(path_of(app, act), fields).ok(404)
    assert (installation.app_row(app).name, installation.app_row(app).enabled) == ("app", True)
