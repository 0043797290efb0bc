"""The installation at the console: what is in force, without secrets, and who may look at it."""

from __future__ import annotations

import pytest

from console_client import ConsoleClient, signed_in
from installation import Installation
from scimlite import clock
from scimlite.admin import tokens
from scimlite.apps.keyring import Keyring
from scimlite.operators.roles import Role

SECRET = "another secret that nobody may see"
SETTINGS = {
    "OIDC_CLIENT_SECRET": SECRET,
    "OIDC_ROLES": "groups=admins:owner, groups=desk:auditor@a+b",
    "MAX_BODY": "65536",
    "BASE_URL": "http://127.0.0.1:8000/<b>",
}


@pytest.fixture(scope="module")
def auditor(installation: Installation) -> ConsoleClient:
    return signed_in(installation, "auditor", Role.AUDITOR)


def test_the_facts_are_shown(installation: Installation, auditor: ConsoleClient) -> None:
    page = auditor.get("/console/installation").ok()
    for text in (
        "ready for requests",
        "none was made",
        "about ",
        "SCIMLITE_MAX_BODY 65536 set",
        "scimlite check --all",
    ):
        assert text in page.words
    assert {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[installation.kind] in page.words
    for setting in ("SCIMLITE_MAX_RESULTS 1000", "SCIMLITE_RETENTION 30d", "SCIMLITE_CONSOLE on"):
        assert f"{setting} default" in page.words
    assert "SCIMLITE_OIDC_ROLES groups=admins:owner, groups=desk:auditor@a+b set" in page.words
    assert installation.keyring.fingerprints[0] in page.words
    assert len(page.source) < 150_000


def test_no_secret_is_shown(installation: Installation, auditor: ConsoleClient) -> None:
    for path in ("/console/installation", "/console/installation/check"):
        source = auditor.get(path).ok().source
        assert SECRET not in source
        assert installation.env["SCIMLITE_SECRET_KEY"] not in source
        assert "postgres:postgres@" not in source
    assert "SCIMLITE_SECRET_KEY secret, not shown" in auditor.get("/console/installation").words


def test_keys_that_are_still_needed_are_told(installation: Installation, auditor: ConsoleClient) -> None:
    app = installation.app("Old key")
    former = Keyring(["a former key, long enough for a service to take it"])
    tokens.issue(installation.workspace(installation.app_row(app)), former, label="former")
    words = auditor.get("/console/installation").ok().words
    assert f"{former.fingerprints[0]} missing: its tokens do not work 1" in words
    assert f"{installation.keyring.fingerprints[0]} signs new tokens" in words


def test_the_check_names_what_needs_somebody(installation: Installation, auditor: ConsoleClient) -> None:
    app = installation.app("Ending")
    place = installation.workspace(installation.app_row(app))
    tokens.revoke(place, app.token)
    tokens.issue(place, installation.keyring, label="short", expires_at=clock.now() + 3 * clock.DAY)
    part = auditor.get("/console/installation/check", HX_Request="true").ok()
    assert "<html" not in part.source
    assert "all migrations were applied" in part.words
    assert "The token 'short' ends in 3 days" in part.words or "The token 'short' ends in 2 days" in part.words
    whole = auditor.get("/console/installation/check").ok().words
    assert "the schema is as this version needs it" in whole
    assert "Back to the installation" in whole


def test_a_bound_operator_may_not_look(installation: Installation) -> None:
    bound = signed_in(installation, "bound", Role.OPERATOR, installation.app("Own").slug)
    for path in ("/console/installation", "/console/installation/check"):
        bound.get(path).ok(403)
    assert "Installation" not in bound.get("/console/").ok().words
