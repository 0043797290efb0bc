"""Sessions and links: each ends when it should, and what is stored lets nobody in."""

from __future__ import annotations

import threading

import pytest

import databases
from installation import Installation
from scimlite import clock
from scimlite.admin import housekeeping
from scimlite.db.operator_tables import SessionRow, SignInAttemptRow, SignInLinkRow
from scimlite.journal import Actor, Origin, Scope
from scimlite.operators import accounts, attempts, links, sessions
from scimlite.operators.accounts import Operator
from scimlite.operators.attempts import TooManyAttempts
from scimlite.operators.roles import Role
from scimlite.operators.sessions import FRESH, IDLE, LONGEST, Way

MINUTE = 60_000_000


@pytest.fixture(params=databases.KINDS)
def here(request, tmp_path):
    with databases.upgraded_url(request.param, request, tmp_path) as url:
        made = Installation.new(url, tmp_path)
        yield made
        made.stop()


@pytest.fixture
def ann(here) -> Operator:
    return accounts.add(here.scope, "Ann", Role.OWNER)


@pytest.fixture
def later(monkeypatch):
    """Move the clock of the code under test forward."""
    now = clock.now
    offset = 0

    def move(microseconds: int) -> None:
        nonlocal offset
        offset += microseconds
        monkeypatch.setattr(clock, "now", lambda: now() + offset)

    return move


def test_a_session_lives_while_it_is_used(here, ann, later):
    secret = sessions.begin(here.scope, ann, Way.LINK, agent="Browser/1")
    found = sessions.find(here.db, secret)
    assert (found.operator.name, found.way, found.agent) == ("Ann", Way.LINK, "Browser/1")
    for _ in range(3):
        later(IDLE - MINUTE)
        assert sessions.find(here.db, secret) is not None
    later(IDLE + MINUTE)
    assert sessions.find(here.db, secret) is None


def test_what_a_page_asks_by_itself_keeps_no_session_alive(here, ann, later):
    secret = sessions.begin(here.scope, ann, Way.LINK)
    for _ in range(3):
        later(IDLE // 3)
        sessions.find(here.db, secret, used=False)
    assert sessions.find(here.db, secret) is None


def test_no_session_is_longer_than_half_a_day(here, ann, later):
    secret = sessions.begin(here.scope, ann, Way.LINK)
    for _ in range(LONGEST // (30 * MINUTE) - 1):
        later(30 * MINUTE)
        assert sessions.find(here.db, secret) is not None
    later(30 * MINUTE)
    assert sessions.find(here.db, secret) is None
    assert sessions.of(here.db, ann) == []


def test_a_session_is_fresh_for_minutes(here, ann, later):
    secret = sessions.begin(here.scope, ann, Way.LINK)
    assert sessions.find(here.db, secret).fresh
    later(FRESH)
    stale = sessions.find(here.db, secret)
    assert not stale.fresh
    sessions.prove(here.scope, stale, Way.LINK)
    assert sessions.find(here.db, secret).fresh


def test_what_is_stored_lets_nobody_in(here, ann):
    secret, link = sessions.begin(here.scope, ann, Way.LINK), links.make(here.scope, ann)
    stored = here.stored()
    assert secret.encode() not in stored
    assert link.encode() not in stored
    for text in (sessions.digest_of(secret), "", "x"):
        assert sessions.find(here.db, text) is None
        assert links.use(here.db, text) is None


def test_sign_out_everywhere(here, ann):
    secrets = [sessions.begin(here.scope, ann, Way.LINK) for _ in range(3)]
    sessions.end(here.scope, sessions.find(here.db, secrets[0]))
    assert [sessions.find(here.db, secret) is None for secret in secrets] == [True, False, False]
    assert sessions.end_all(here.scope, ann) == 2
    assert all(sessions.find(here.db, secret) is None for secret in secrets)


def test_a_link_is_good_once_and_for_a_while(here, ann, later):
    link = links.make(here.scope, ann)
    assert links.owner_of(here.db, link) == ann
    assert links.use(here.db, link) == ann
    assert links.use(here.db, link) is None
    link = links.make(here.scope, ann)
    later(links.LIFE)
    assert links.owner_of(here.db, link) is None
    assert links.use(here.db, link) is None


def test_of_two_at_once_one_uses_a_link(here, ann):
    link = links.make(here.scope, ann)
    found = []

    def use() -> None:
        found.append(links.use(here.db, link))
        here.db.close()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each is not None for each in found) == [False] * 7 + [True]


def place(here, address: str) -> Scope:
    return Scope(here.db, Origin("console:?", actor=Actor.CONSOLE, address=address))


def test_after_some_failures_a_name_has_to_wait_where_it_failed(here, ann, later):
    office = place(here, "192.0.2.1")
    for _ in range(5):
        attempts.check(office, "ann")
        attempts.fail(office, "ANN", "wrong password")
    with pytest.raises(TooManyAttempts):
        attempts.check(office, "Ann")
    attempts.check(office, "bob")
    # Nobody keeps an operator out from elsewhere.
    attempts.check(place(here, "192.0.2.2"), "ann")
    later(16 * MINUTE)
    attempts.check(office, "ann")


def test_many_addresses_do_not_help_to_guess(here, ann):
    for number in range(50):
        attempts.fail(place(here, f"192.0.2.{number}"), "ann", "wrong password")
    with pytest.raises(TooManyAttempts):
        attempts.check(place(here, "192.0.2.99"), "ann")


def test_an_address_that_fails_with_any_name_has_to_wait(here, ann):
    office = place(here, "192.0.2.1")
    for number in range(20):
        attempts.fail(office, f"name{number}", "wrong password")
    for name in ("ann", None):
        with pytest.raises(TooManyAttempts):
            attempts.check(office, name)


def test_housekeeping_takes_what_is_over(here, ann, later):
    sessions.begin(here.scope, ann, Way.LINK)
    links.make(here.scope, ann)
    attempts.fail(here.scope, "ann", "wrong password")
    assert housekeeping.tidy(here.db).sign_ins == 0
    later(LONGEST)
    # A failure counts under address, name, and both.
    assert housekeeping.tidy(here.db).sign_ins == 5
    for table in (SessionRow, SignInLinkRow, SignInAttemptRow):
        assert here.db.rows(table.select()) == []
