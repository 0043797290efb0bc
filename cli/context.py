"""What a command works with: settings, the opened database, the keys, and who the operator is."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from scimlite.apps import App
from scimlite.apps.keyring import Keyring
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db import Database
from scimlite.installation import SCIM_PREFIX, Installation
from scimlite.journal import Origin, Scope

#: In the state folder: the address the service was last started on here.
_SERVER_URL = "server-url"
_DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Context:
    """An opened installation, as a command works with it."""

    installation: Installation

    @property
    def settings(self) -> Settings:
        """The installation's settings."""
        return self.installation.settings

    @property
    def db(self) -> Database:
        """The installation's database."""
        return self.installation.db

    @cached_property
    def keyring(self) -> Keyring:
        """The secret keys; StartupError when they fit none of the living tokens."""
        for missing in self.installation.check_keys():
            click.echo(f"Warning: some tokens need the secret key {missing}, which is not given.", err=True)
        return self.installation.keyring

    @property
    def scope(self) -> Scope:
        """The database, and as the origin `cli:` and the operating system's user."""
        return Scope(self.db, operator())

    def workspace(self, app: App) -> Workspace:
        """The scope within an app."""
        return Workspace.of(self.scope, app)

    @property
    def server_url(self) -> str:
        """Where clients reach the service: SCIMLITE_BASE_URL, else where it was last started here."""
        if self.settings.base_url:
            return self.settings.base_url
        try:
            return (self.settings.state_dir / _SERVER_URL).read_text().strip() or _DEFAULT_URL
        except OSError:
            return _DEFAULT_URL

    def scim_url(self, slug: str) -> str:
        """An app's SCIM base URL, which Entra ID calls Tenant URL."""
        return f"{self.server_url}{SCIM_PREFIX}/{slug}"


def operator() -> Origin:
    """The origin of an operator's act."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return Origin(f"cli:{name}")


def open_context(*, create: bool = False, upgrade: bool = False) -> Context:
    """Open the installation that the environment describes.

    An empty database is initialised at the default location, and elsewhere only with `create`, so that a command
    run with other settings never makes a second database silently. With `upgrade` an outdated one is upgraded.
    Raises ConfigError, StartupError, or Unavailable.
    """
    settings = Settings.from_environment()
    create = create or settings.database_is_default
    return Context(Installation.open(settings, create=create, upgrade=upgrade))


def remember_server_url(state_dir: Path, url: str) -> None:
    """Note where the service runs, so that commands can print and test the right address."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state_dir / _SERVER_URL).write_text(url + "\n")
