"""Tokens as clients and operators live with them: they stop at once everywhere, rotate, and outlive their key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import databases
from installation import Connected, Installation
from postgres_server import empty_database
from scim_client import ScimClient, assert_scim_error
from scimlite import clock
from scimlite.admin import apps, tokens
from scimlite.apps.keyring import Keyring, TokenError, fingerprint
from scimlite.db.tables import TokenRow

SECOND = 1_000_000
OLD_KEY = "a key for tests and never for a service"
NEW_KEY = "the next key for tests and never for a service"


def _everywhere(client: ScimClient) -> set[int]:
    """The statuses of enough requests on fresh connections that every worker and thread has answered."""
    found = set()
    for _ in range(24):
        fresh = client.another()
        found.add(fresh.get("/Users", headers={"Connection": "close"}).status)
    return found


def test_a_disabled_app_stops_at_once_everywhere(installation: Installation, app: Connected) -> None:
    other = installation.app("other")
    for _ in range(2):
        assert _everywhere(app.client) == {200}
        apps.set_enabled(installation.scope, app.slug, enabled=False)
        assert _everywhere(app.client) == {401}
        assert _everywhere(other.client) == {200}
        apps.set_enabled(installation.scope, app.slug, enabled=True)
    assert _everywhere(app.client) == {200}


def test_a_revoked_token_stops_at_once_everywhere(installation: Installation, app: Connected) -> None:
    row = installation.app_row(app)
    second, text = tokens.issue(installation.workspace(row), installation.keyring, label="second")
    client = installation.client(app.slug, text)
    assert _everywhere(client) == {200}
    tokens.revoke(installation.workspace(row), second)
    assert _everywhere(client) == {401}
    assert _everywhere(app.client) == {200}
    # Its label can be used again, and the old text stays dead.
    _, text = tokens.issue(installation.workspace(row), installation.keyring, label="second")
    assert _everywhere(installation.client(app.slug, text)) == {200}
    assert _everywhere(client) == {401}


def test_a_token_expires_at_its_time(installation: Installation, app: Connected) -> None:
    row = installation.app_row(app)
    ends = clock.now() + 2 * SECOND
    _, text = tokens.issue(installation.workspace(row), installation.keyring, label="short", expires_at=ends)
    client = installation.client(app.slug, text)
    assert client.get("/Users").status == 200
    time.sleep((ends - clock.now()) / SECOND + 0.05)
    assert _everywhere(client) == {401}


def test_a_deleted_app_and_a_new_one_of_the_same_name(installation: Installation, app: Connected) -> None:
    app.client.user("left over").ok(201)
    apps.delete(installation.scope, app.slug)
    assert _everywhere(app.client) == {401}
    again = apps.create(installation.scope, "again", app.slug)
    assert _everywhere(app.client) == {401}
    _, text = tokens.issue(installation.workspace(again), installation.keyring)
    client = installation.client(app.slug, text)
    assert client.find("Users")["totalResults"] == 0
    client.user("left over").ok(201)


def test_rotation_overlaps(installation: Installation, app: Connected) -> None:
    row = installation.app_row(app)
    new, text = tokens.rotate(installation.workspace(row), installation.keyring, app.token, overlap=2 * SECOND)
    ends = clock.now() + 2 * SECOND
    client = installation.client(app.slug, text)
    assert app.client.get("/Users").status == 200
    assert _everywhere(client) == {200}
    assert new.label == app.token.label
    time.sleep((ends - clock.now()) / SECOND + 0.05)
    assert _everywhere(app.client) == {401}
    assert _everywhere(client) == {200}
    assert tokens.get(installation.db, row).id == new.id


def test_rotation_without_overlap(installation: Installation, app: Connected) -> None:
    row = installation.app_row(app)
    _, text = tokens.rotate(installation.workspace(row), installation.keyring, app.token, overlap=0)
    assert _everywhere(app.client) == {401}
    assert _everywhere(installation.client(app.slug, text)) == {200}


def test_a_token_can_be_shown_again(installation: Installation, app: Connected) -> None:
    row = installation.app_row(app)
    shown = tokens.show(installation.workspace(row), installation.keyring, tokens.get(installation.db, row))
    assert shown == app.text
    assert [each.action for each in installation.journal(app, wire=False)][-1] == "token_shown"


def test_last_used_is_written_now_and_then(installation: Installation, app: Connected) -> None:
    row = installation.app_row(app)

    def last_used() -> int | None:
        return tokens.get(installation.db, row).last_used_at

    assert last_used() is None
    before = clock.now()
    app.client.get("/Users").ok(200)
    first = last_used()
    assert first is not None
    assert before <= first <= clock.now()
    assert _everywhere(app.client) == {200}
    assert last_used() == first
    installation.db.execute(TokenRow.update(last_used_at=first - 301 * SECOND).where(TokenRow.id == app.token.id))
    app.client.get("/Users").ok(200)
    assert (last_used() or 0) > first
    assert installation.journal(app) == []


# --- keys ---------------------------------------------------------------------------------------------------------


@contextmanager
def _fresh(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Installation]:
    with databases.upgraded_url(kind, request, folder) as url:
        made = Installation.new(url, folder)
        try:
            yield made
        finally:
            made.stop()


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_new_key_signs_and_the_old_one_still_verifies(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with _fresh(kind, request, tmp_path) as installation:
        installation.start(workers=1, SECRET_KEY=f"{NEW_KEY},{OLD_KEY}")
        app = installation.app()
        row = installation.app_row(app)
        both = Keyring([NEW_KEY, OLD_KEY])
        new, text = tokens.issue(installation.workspace(row), both, label="new")
        assert app.token.key_id == fingerprint(OLD_KEY)
        assert new.key_id == fingerprint(NEW_KEY)
        assert app.client.get("/Users").status == 200
        assert installation.client(app.slug, text).get("/Users").status == 200
        # What one key signed the other did not: the two cannot be exchanged.
        forged = both.sign(app.token.token_id, new.key_id)
        assert forged != app.text
        assert tokens.show(installation.workspace(row), both, app.token) == app.text
        with pytest.raises(TokenError, match=fingerprint(OLD_KEY)):
            tokens.show(installation.workspace(row), Keyring([NEW_KEY]), app.token)
        # Without the old key the service works for the tokens that the new one signed.
        later = installation.start(workers=1, SECRET_KEY=NEW_KEY)
        assert fingerprint(OLD_KEY) in later.log.read_text()
        assert_scim_error(installation.client(app.slug, app.text, later.url).get("/Users"), 401)
        assert installation.client(app.slug, text, later.url).get("/Users").status == 200


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_service_with_the_wrong_key_does_not_start(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with _fresh(kind, request, tmp_path) as installation:
        # Without tokens any key will do.
        service = installation.start(workers=1, SECRET_KEY=NEW_KEY)
        service.stop()
        app = installation.app()
        with pytest.raises(AssertionError) as refusal:
            installation.start(workers=1, SECRET_KEY=NEW_KEY)
        said = str(refusal.value)
        assert "scimlite serve ended with 1" in said
        assert fingerprint(OLD_KEY) in said
        assert fingerprint(NEW_KEY) in said
        assert "SCIMLITE_SECRET_KEY" in said
        assert "Traceback" not in said
        assert OLD_KEY not in said
        assert NEW_KEY not in said
        # Tokens that have ended need no key.
        tokens.revoke(installation.workspace(installation.app_row(app)), app.token)
        installation.start(workers=1, SECRET_KEY=NEW_KEY)


def test_postgresql_needs_a_key_from_the_operator(postgres_url: str, tmp_path: Path) -> None:
    with empty_database(postgres_url) as url:
        installation = Installation.new(url, tmp_path)
        env = {name: value for name, value in installation.env.items() if name != "SCIMLITE_SECRET_KEY"}
        with pytest.raises(AssertionError) as refusal:
            Installation(env, tmp_path, installation.db, installation.keyring).start(workers=1)
        assert "scimlite serve ended with 2" in str(refusal.value)
        assert "SCIMLITE_SECRET_KEY is not set" in str(refusal.value)
        assert not (tmp_path / "state" / "secret_key").exists()
        with pytest.raises(AssertionError, match="at least 32 random bytes"):
            installation.start(workers=1, SECRET_KEY="short")
        installation.stop()
