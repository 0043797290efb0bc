"""Doubled slashes behind a slug are tidied below every prefix, and in no URL of the application around."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from scimlite import Installation
from scimlite.admin import apps, tokens
from scimlite.apps.workspace import Workspace
from scimlite.journal import Actor, Origin, Scope

OPERATOR = Origin("cli:test", actor=Actor.CLI)


@pytest.fixture
def scim(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(f"sqlite:///{tmp_path / 'scim.db'}", "a key for tests and never for a service")
    yield made
    made.db.close()


@pytest.fixture
def token(scim: Installation) -> str:
    app = apps.create(Scope(scim.db, OPERATOR), "Entra", "entra")
    return tokens.issue(Workspace(scim.db, OPERATOR, app), scim.keyring)[1]


def application(scim: Installation, *prefixes: str | None) -> Any:
    """A client of an application that has the blueprint below these prefixes, and a URL of its own with slashes."""
    flask = Flask("application")

    @flask.get("/own/<path:rest>")
    def own(rest: str) -> str:
        return rest

    for number, prefix in enumerate(prefixes):
        flask.register_blueprint(scim.blueprint(name=f"scim{number}"), url_prefix=prefix)
    return flask.test_client()


def status(client: Any, path: str, token: str | None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    code: int = client.get(path, headers=headers).status_code
    return code


@pytest.mark.parametrize("prefix", [None, "", "/", "/scim", "/scim/", "/a/b"])
def test_every_prefix(scim: Installation, token: str, prefix: str | None) -> None:
    client = application(scim, prefix)
    base = (prefix or "").rstrip("/")
    for path in ("/entra//Users", "/entra///Users/", "/entra//Groups//?count=1", "/entra/%2FUsers"):
        assert status(client, base + path, token) == 200, path
        assert status(client, base + path, None) == 401, path
    for path in ("/entra///", "/entra//nothing", "/entra//Users//x//y"):
        assert status(client, base + path, token) == 404, path


def test_several_registrations(scim: Installation, token: str) -> None:
    client = application(scim, "/one", "/two")
    for path in ("/one/entra//Users", "/two/entra//Users"):
        assert status(client, path, token) == 200


@pytest.mark.parametrize("prefix", ["", "/scim"])
def test_an_application_keeps_its_own_urls(scim: Installation, token: str, prefix: str) -> None:
    client = application(scim, prefix)
    assert client.get("/own/https://example.com//x").text == "https://example.com//x"
    assert client.get("/own//x").status_code in (200, 308, 401, 404)
    assert status(client, f"{prefix}/entra//../Users", token) == 404
