"""Passwords of operators' own: set, used, wrong, too often wrong, and as the proof before what matters."""

from __future__ import annotations

import itertools

import pytest

from console_client import ConsoleClient, signed_in
from scimlite.db.operator_tables import SessionRow
from scimlite.journal import report
from scimlite.journal.selection import Selection
from scimlite.operators import accounts, passwords
from scimlite.operators.roles import Role

_numbers = itertools.count(1)
GOOD = "correct horse battery staple"
#: The service trusts this machine as a proxy, so that each test can come from an address of its own.
SETTINGS = {"TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture
def name() -> str:
    return f"ann{next(_numbers)}"


@pytest.fixture
def guest(installation) -> ConsoleClient:
    return ConsoleClient(installation.url, headers={"X-Forwarded-For": f"192.0.2.{next(_numbers)}"})


def sign_in(client: ConsoleClient, name: str, password: str):
    client.get("/console/sign-in")
    return client.post("/console/sign-in", {"name": name, "password": password})


def test_a_password_signs_in(installation, guest, name):
    client = signed_in(installation, name)
    client.get("/console/account").ok()
    client.post("/console/account/password", {"password": GOOD, "again": GOOD}).ok(303)
    assert GOOD.encode() not in installation.stored()
    sign_in(guest, name.upper(), GOOD).ok(303)
    assert "Your password is set" in client.get("/console/account").words
    client.post("/console/account/no-password").ok(303)
    guest.cookies.clear()
    sign_in(guest, name, GOOD).ok(403)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "short", "again": "short"}, "15 to 200"),
        ({"password": "x" * 201, "again": "x" * 201}, "15 to 200"),
        ({"password": "a" * 20, "again": "a" * 20}, "too easy"),
        ({"password": GOOD, "again": GOOD + "r"}, "differ"),
        ({}, "15 to 200"),
    ],
    ids=str,
)
def test_a_bad_password_is_refused(installation, name, fields, said):
    client = signed_in(installation, name)
    client.get("/console/account")
    assert said in client.post("/console/account/password", fields).ok(400).words
    assert not accounts.get(installation.db, name).has_password


def test_name_and_password_are_answered_alike(installation, guest, name):
    operator = accounts.add(installation.scope, name, Role.OWNER)
    passwords.change(installation.scope, operator, GOOD)
    wrong = sign_in(guest, name, "wrong").ok(403)
    nobody = sign_in(guest, f"{name}-nobody", "wrong").ok(403)
    text = "This name and this password do not belong together."
    assert text in wrong.words
    assert text in nobody.words
    told = [row.detail for row in report.read(installation.db, Selection(action="signed_in", outcome="refused"))]
    assert told[-2:] == [f"wrong password of {name}", "wrong password of nobody here"]
    assert "wrong password of" not in installation.log()


def test_too_many_failures_have_to_wait(installation, guest, name):
    operator = accounts.add(installation.scope, name, Role.OWNER)
    passwords.change(installation.scope, operator, GOOD)
    for _ in range(5):
        sign_in(guest, name, "wrong").ok(403)
    assert "too many sign-ins" in sign_in(guest, name, GOOD).ok(429).words
    elsewhere = ConsoleClient(installation.url, headers={"X-Forwarded-For": f"198.51.100.{next(_numbers)}"})
    sign_in(elsewhere, name, GOOD).ok(303)


def test_a_disabled_operator_does_not_come_in(installation, guest, name):
    accounts.add(installation.scope, f"{name} stays", Role.OWNER)
    operator = accounts.add(installation.scope, name, Role.OWNER)
    passwords.change(installation.scope, operator, GOOD)
    accounts.set_enabled(installation.scope, operator, enabled=False)
    sign_in(guest, name, GOOD).ok(403)


def test_the_password_is_a_proof(installation, name):
    client = signed_in(installation, name)
    passwords.change(installation.scope, accounts.get(installation.db, name), GOOD)
    installation.db.transact(lambda: installation.db.execute(SessionRow.update(proved_at=SessionRow.proved_at - 10**9)))
    client.get("/console/account")
    asked = client.post("/console/account/no-password", Referer=f"{client.url}/console/account").ok(303)
    assert asked.location == "/console/prove?next=/console/account"
    client.follow(asked).ok()
    client.post("/console/prove", {"password": "wrong", "next": "/console/account"}).ok(403)
    assert client.post("/console/prove", {"password": GOOD, "next": "/console/account"}).location == "/console/account"
    client.get("/console/account")
    client.post("/console/account/no-password").ok(303)
    assert not accounts.get(installation.db, name).has_password


def test_sign_out_elsewhere(installation, guest, name):
    client = signed_in(installation, name)
    passwords.change(installation.scope, accounts.get(installation.db, name), GOOD)
    sign_in(guest, name, GOOD).ok(303)
    client.get("/console/account")
    client.post("/console/account/sign-out").ok(303)
    guest.get("/console/").ok(303)
    client.get("/console/").ok()
