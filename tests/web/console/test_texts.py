"""The texts of the console: all collected for translators, and shown in the language that is asked for."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask

import console_texts
import databases
from installation import Installation
from page_words import unmarked
from scimlite.config import Settings
from scimlite.errors import ConfigError
from scimlite.operators import accounts, links
from scimlite.operators.roles import Role
from scimlite.web.app import create_app
from scimlite.web.console import texts

HERE = "http://127.0.0.1:8000"


def test_the_catalogue_has_the_texts_of_the_code():
    written = read_po(io.BytesIO(console_texts.POT.read_bytes()))
    assert places(written) == places(console_texts.catalogue()), "run: make texts"


def places(catalogue: Catalog) -> dict[str, list[str]]:
    """The files in which each text is."""
    return {str(each.id): sorted(file for file, _ in each.locations) for each in catalogue if each.id}


@pytest.fixture(scope="module")
def pseudo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the catalogue of a language `xx`, in which every text stands in marks."""
    folder = tmp_path_factory.mktemp("translations")
    file = folder / "xx" / "LC_MESSAGES" / "console.mo"
    file.parent.mkdir(parents=True)
    marked = Catalog(locale=None, charset="utf-8")
    for each in console_texts.catalogue():
        if each.id:
            marked.add(each.id, f"«{each.id}»" if isinstance(each.id, str) else tuple(f"«{id}»" for id in each.id))
    with file.open("wb") as content:
        write_mo(content, marked)
    return folder


@pytest.fixture
def site(
    request: pytest.FixtureRequest, tmp_path: Path, pseudo: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Flask, Installation]]:
    """The service in this process, with the language `xx`."""
    monkeypatch.setattr(texts, "FOLDER", pseudo)
    with databases.empty_url("sqlite", request, tmp_path) as url:
        installation = Installation.new(url, tmp_path)
        app = create_app(Settings.from_environment(installation.env))
        yield app, installation
        app.extensions["scimlite"].db.close()
        installation.db.close()


def test_a_browser_gets_its_language(site):
    app, installation = site
    owner = accounts.add(installation.scope, "ann", Role.OWNER)
    browser = app.test_client()
    path = f"/console/link/{links.make(installation.scope, owner)}"
    for asked, code, words in (("xx", "xx", "«Sign in»"), ("de, fr;q=0.5", "en", "Sign in"), ("", "en", "Sign in")):
        page = browser.get("/console/sign-in", base_url=HERE, headers={"Accept-Language": asked}).text
        assert f'<html lang="{code}">' in page
        assert words in page
    token = re.search(r'<meta name="csrf" content="([^"]*)"', browser.get(path, base_url=HERE).text)[1]
    browser.post(path, data={"csrf_token": token}, base_url=HERE)
    headers = {"Accept-Language": "xx, en;q=0.5"}
    page = browser.get("/console/apps/new", base_url=HERE, headers=headers)
    token = re.search(r'<meta name="csrf" content="([^"]*)"', page.text)[1]
    made = {"csrf_token": token, "name": "Entra ID", "slug": "", "idp": "entra"}
    answer = browser.post("/console/apps/new", data=made, base_url=HERE, headers=headers)
    assert "«Entra ID is added." in browser.get(answer.location, base_url=HERE, headers=headers).text
    sources = {path: browser.get(f"/console/{path}", base_url=HERE, headers=headers).text for path in PAGES}
    left = {path: [words for words in unmarked(source) if not is_value(words)] for path, source in sources.items()}
    assert not {path: words for path, words in left.items() if words}


def is_value(words: str) -> bool:
    """True for names and values, and for what a feature means for people: a sentence that the command prints too."""
    return words in NAMES or words.startswith("A user whom")


NAMES = {"Tenant URL", "Secret Token", "scimlite", "· scimlite", "Entra ID", "entra-id", "owner", "entra"}
#: Pages of an app that never connected, whose every word is translated but names and values.
PAGES = (
    "",
    "apps/new",
    "apps/entra-id/connect",
    "apps/entra-id/features",
    "apps/entra-id/mapping",
    "users",
    "groups",
    "report",
    "operators",
    "account",
)


def test_one_language_for_all(site):
    _, installation = site
    chosen = create_app(Settings.from_environment({**installation.env, "SCIMLITE_CONSOLE_LANGUAGE": "xx"}))
    page = chosen.test_client().get("/console/sign-in", base_url=HERE, headers={"Accept-Language": "en"})
    assert "«Sign in»" in page.text
    with pytest.raises(ConfigError, match="SCIMLITE_CONSOLE_LANGUAGE is 'de': the console has texts in en, xx"):
        create_app(Settings.from_environment({**installation.env, "SCIMLITE_CONSOLE_LANGUAGE": "de"}))
