"""The page of operators: adding, editing, letting in and keeping out; for owners only."""

from __future__ import annotations

import itertools
import re

import pytest

from console_client import ConsoleClient, signed_in
from scimlite.db.operator_tables import SessionRow
from scimlite.operators import accounts
from scimlite.operators.roles import Role

_numbers = itertools.count(1)
PAGE = "/console/operators"


@pytest.fixture
def name() -> str:
    return f"bob{next(_numbers)}"


@pytest.fixture
def owner(installation) -> ConsoleClient:
    client = signed_in(installation, f"owner{next(_numbers)}")
    client.get(PAGE).ok()
    return client


def test_an_owner_adds_an_operator_who_signs_in(installation, owner, name):
    page = owner.post(PAGE, {"name": name, "role": "auditor", "every_app": "on"}).ok()
    found = re.search(r"http://[^<\s\"]*/console/link/[\w-]+", page.source)
    assert found
    other = ConsoleClient(installation.url)
    other.get(found[0]).ok()
    other.post(found[0]).ok(303)
    assert name in other.get("/console/").ok().words
    assert accounts.get(installation.db, name).role is Role.AUDITOR
    # The link is shown once.
    assert found[0] not in owner.get(PAGE).source


def test_an_operator_is_bound_to_the_apps_that_are_ticked(installation, owner, name, app):
    owner.post(PAGE, {"name": name, "role": "operator", "app": app.slug}).ok()
    bob = accounts.get(installation.db, name)
    assert bob.apps == {installation.app_row(app).id}
    owner.post(f"{PAGE}/{bob.id}", {"name": name, "role": "operator", "every_app": "on"}).ok(303)
    assert accounts.get(installation.db, name).apps is None
    # Nothing ticked is no app, not all of them.
    owner.post(f"{PAGE}/{bob.id}", {"name": name, "role": "operator"}).ok(303)
    assert accounts.get(installation.db, name).apps == frozenset()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "role": "owner"}, "1 to 100 printable"),
        ({"name": "x" * 101, "role": "owner"}, "1 to 100 printable"),
        ({"name": "a\u202eb", "role": "owner"}, "1 to 100 printable"),
        ({"name": "new", "role": "boss"}, "Choose a role"),
        ({"name": "new"}, "Choose a role"),
        ({"name": "new", "role": "owner", "app": "nowhere"}, "no app"),
    ],
)
def test_wrong_input_is_said_beside_the_form(installation, owner, fields, said):
    before = len(accounts.every(installation.db))
    page = owner.post(PAGE, fields).ok(400)
    assert said in page.words
    assert len(accounts.every(installation.db)) == before


def test_disable_enable_sign_out_and_remove(installation, owner, name):
    theirs = signed_in(installation, name, Role.OPERATOR)
    path = f"{PAGE}/{accounts.get(installation.db, name).id}"
    assert "127.0.0.1" in owner.get(path).ok().words
    owner.post(f"{path}/sign-out").ok(303)
    theirs.get("/console/").ok(303)
    owner.post(f"{path}/disable").ok(303)
    assert "disabled" in owner.get(path).words
    owner.post(f"{path}/link").ok(400)
    owner.post(f"{path}/enable").ok(303)
    owner.post(f"{path}/remove", {"confirmed": "another"}).ok(400)
    owner.post(f"{path}/remove", {"confirmed": name}).ok(303)
    assert "no such operator" in owner.get(path).ok(400).words


def test_the_last_owner_stays(installation, name):
    owner = signed_in(installation, name)
    owner.get(PAGE)
    accounts.add(installation.scope, f"{name} auditor", Role.AUDITOR)
    others = [each for each in accounts.every(installation.db) if each.role is Role.OWNER and each.name != name]
    for each in others:
        owner.post(f"{PAGE}/{each.id}", {"name": each.name, "role": "auditor", "every_app": "on"}).ok(303)
    path = f"{PAGE}/{accounts.get(installation.db, name).id}"
    page = owner.post(path, {"name": name, "role": "auditor", "every_app": "on"}).ok(400)
    assert "has to remain" in page.words
    owner.post(f"{path}/disable").ok(400)
    owner.post(f"{path}/remove", {"confirmed": name}).ok(400)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_others_have_no_such_page(installation, role, name):
    client = signed_in(installation, name, role)
    assert "Operators" not in client.get("/console/").words
    client.get(PAGE).ok(403)
    client.post(PAGE, {"name": "evil", "role": "owner", "every_app": "on"}).ok(403)
    number = accounts.get(installation.db, name).id
    client.post(f"{PAGE}/{number}", {"name": name, "role": "owner", "every_app": "on"}).ok(403)
    assert accounts.get(installation.db, name).role is role


def test_what_matters_needs_a_fresh_sign_in(installation, owner, name):
    installation.db.transact(lambda: installation.db.execute(SessionRow.update(proved_at=SessionRow.proved_at - 10**9)))
    owner.get(PAGE).ok()
    page = owner.post(PAGE, {"name": name, "role": "owner", "every_app": "on"}, Referer=f"{owner.url}{PAGE}").ok(303)
    assert page.location == "/console/prove?next=/console/operators"
    assert "show again who you are" in owner.follow(page).ok().words
    with pytest.raises(accounts.AccountError):
        accounts.get(installation.db, name)
