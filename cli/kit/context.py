"""The opened installation that a command works with, and the operator in whose name it acts."""

from __future__ import annotations

import functools
import getpass
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Concatenate, ParamSpec

import click

from scimlite.apps import App
from scimlite.apps.keyring import Keyring
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db import Database, DatabaseError
from scimlite.errors import Unavailable
from scimlite.installation import API_PREFIX, SCIM_PREFIX, Installation, StartupError
from scimlite.journal import Actor, Origin, Scope
from scimlite.journal.origin import OPERATORS
from scimlite.service_address import Address, current

_P = ParamSpec("_P")


@dataclass(frozen=True)
class Context:
    """An opened installation: settings, database, secret keys, and the origin of what a command does."""

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
        """The secret keys. Raises StartupError when they fit none of the tokens in use."""
        for missing in self.installation.check_keys():
            click.echo(f"Warning: some tokens need the secret key {missing}, which is not given.", err=True)
        return self.installation.keyring

    @property
    def scope(self) -> Scope:
        """The database with the origin of the operator's acts: `cli:` and the operating system's user."""
        return Scope(self.db, operator())

    def workspace(self, app: App) -> Workspace:
        """The scope, bound to one app."""
        return Workspace.of(self.scope, app)

    @cached_property
    def server(self) -> Address:
        """The address of the service: SCIMLITE_BASE_URL, else the one that it listens on here.

        SCIMLITE_BASE_URL leads through a proxy, which this machine may not reach, so nobody looks whether it listens.
        """
        return Address(self.settings.base_url, None) if self.settings.base_url else current(self.settings.state_dir)

    def scim_url(self, slug: str) -> str:
        """Return an app's SCIM base URL, which Entra ID calls Tenant URL."""
        return self.scim_address(slug).url

    def api_url(self, slug: str) -> str:
        """Return the base URL at which the application reads an app's profiles and events."""
        return f"{self.server.url}{API_PREFIX}/{slug}"

    def scim_address(self, slug: str) -> Address:
        """Return an app's SCIM base URL, and whether something listens there."""
        return Address(f"{self.server.url}{SCIM_PREFIX}/{slug}", self.server.listening)


def operator() -> Origin:
    """Return the origin of an operator's act: `cli:` and a name, which LOGNAME may give, and the ids of the users.

    A SUDO_UID that is no number is left out.
    """
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    sudo = os.environ.get("SUDO_UID", "")
    sudo_uid = int(sudo) if re.fullmatch(r"[0-9]{1,10}", sudo) else None
    return Origin(f"{OPERATORS}{name}", actor=Actor.CLI, uid=os.getuid(), sudo_uid=sudo_uid)


def open_context(*, create: bool = False, upgrade: bool = False, anew: bool = False) -> Context:
    """Open the installation that the environment describes.

    An empty database is initialised only with `create`, so that a command with other settings never makes a second
    database silently, and only with `anew` where there was one. `upgrade` upgrades an outdated database. Raises
    ConfigError, StartupError, or Unavailable.
    """
    settings = Settings.from_environment()
    return Context(Installation.open(settings, create=create, upgrade=upgrade, anew=anew))


def with_installation(command: Callable[Concatenate[Context, _P], None]) -> Callable[_P, None]:
    """Decorate a command so that it gets the opened installation first; the database is closed when it ends."""
    return _with(command, lambda: open_context())


def with_first_installation(command: Callable[Concatenate[Context, _P], None]) -> Callable[_P, None]:
    """Decorate a command that adds an app: like `with_installation`, but it makes the database at the default place."""
    return _with(command, lambda: open_context(create=Settings.from_environment().database_is_default))


def _with(
    command: Callable[Concatenate[Context, _P], None], open_installation: Callable[[], Context]
) -> Callable[_P, None]:
    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        context = open_installation()
        try:
            command(context, *args, **kwargs)
        except (Unavailable, DatabaseError, MemoryError) as error:
            translated = error if isinstance(error, Unavailable) else context.db.translated(error)
            if not isinstance(translated, Unavailable):
                raise
            # The service's own words name no file, as clients get them too.
            reason = context.db.obstacle() or translated.reason
            if reason is None:
                raise translated from None
            raise StartupError(f"{context.db.described} cannot be used: {reason}.") from None
        finally:
            context.db.close()

    return run
