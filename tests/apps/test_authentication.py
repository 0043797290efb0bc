"""Notes about tokens: one an hour, however many workers come at once, and none where the database cannot be written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from people import ORIGIN, People
from scimlite.admin import tokens
from scimlite.apps import authentication
from scimlite.apps.authentication import Caller
from scimlite.apps.keyring import Keyring
from scimlite.apps.refused_tokens import Cause
from scimlite.apps.workspace import Workspace
from scimlite.db import Database, open_database
from scimlite.errors import Unauthorized
from scimlite.journal import Action, report
from scimlite.journal.selection import Selection

KEYRING = Keyring(["a key for tests and never for a service"])


@pytest.fixture
def people(database_url: str) -> Iterator[People]:
    db = open_database(database_url)
    yield People.in_new_app(db)
    db.close()


@pytest.fixture
def header(people: People) -> str:
    """The Authorization header of a token of the app."""
    _, text = tokens.issue(Workspace(people.db, ORIGIN, people.app), KEYRING)
    return f"Bearer {text}"


def ask(db: Database, header: str, slug: str = "people") -> Caller:
    return authentication.authenticate(db, KEYRING, header, slug, lambda: ORIGIN)


def refusals(db: Database) -> list[str | None]:
    return [row.detail for row in report.iterate(db, Selection(action=Action.AUTHENTICATED))]


def test_workers_that_refuse_a_token_at_once_leave_one_row(people: People, header: str) -> None:
    caller = ask(people.db, header)
    assert caller.refusals is None
    # Both workers read the token before either wrote.
    for _ in range(2):
        authentication.note_refusal(people.db, caller, lambda: ORIGIN, Cause.REVOKED, "the token was revoked", 401)
    assert refusals(people.db) == ["token default: the token was revoked"]


def test_the_same_token_for_another_app_is_told_once(people: People, header: str) -> None:
    for _ in range(2):
        with pytest.raises(Unauthorized):
            ask(people.db, header, "others")
    assert refusals(people.db) == ["token default: the token belongs to people, the request was for others"]
