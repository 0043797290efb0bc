"""What a command works with: settings, the opened database, the keys, and who the operator is."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from scimlite.apps import keyring as keyrings
from scimlite.apps.keyring import Keyring
from scimlite.config import Settings
from scimlite.db import Database, migration
from scimlite.journal import Origin
from scimlite.startup import SCIM_PREFIX, StartupError, database

#: In the state folder: the address the service was last started on here.
_SERVER_URL = "server-url"
_DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Context:
    """An opened installation."""

    settings: Settings
    db: Database

    @cached_property
    def keyring(self) -> Keyring:
        """The secret keys; TokenError when they fit none of the living tokens."""
        keyring = Keyring(self.settings.with_secret_keys().secret_keys)
        for missing in keyrings.check_keys(self.db, keyring):
            click.echo(f"Warning: some tokens need the secret key {missing}, which is not given.", err=True)
        return keyring

    @property
    def origin(self) -> Origin:
        """Who the journal says did it: `cli:` and the operating system's user."""
        return operator()

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
    db = database(settings)
    status = migration.status(db)
    wanted = (settings.database_is_default or create) if status.empty else upgrade
    if status.pending and not status.unknown and wanted:
        migration.upgrade(db)
        status = migration.status(db)
    if not status.current:
        db.close()
        raise StartupError(migration.advice(db, status))
    return Context(settings, db)


def remember_server_url(state_dir: Path, url: str) -> None:
    """Note where the service runs, so that commands can print and test the right address."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state_dir / _SERVER_URL).write_text(url + "\n")
