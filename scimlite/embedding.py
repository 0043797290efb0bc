"""scimlite inside somebody's own Flask application: a database, its keys, and the blueprint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint

from . import apps, service, startup
from .apps.keyring import Keyring
from .db import migration, open_database
from .directory import profiles
from .directory.profiles import Profile
from .scim import core


class Installation:
    """A scimlite database of an application's own.

    `database_url` is `sqlite:///relative/path.db`, `sqlite:////absolute/path.db` or `postgresql://…`; `secret_keys`
    are those that the commands get in SCIMLITE_SECRET_KEY, newest first. The database is made, and brought to this
    version, unless `upgrade` is False. Raises StartupError when it does not fit this version, or the keys its tokens;
    Unavailable when it cannot be reached.
    """

    def __init__(self, database_url: str, *secret_keys: str, upgrade: bool = True) -> None:
        self.db = open_database(database_url)
        self.keyring = Keyring(secret_keys)
        if upgrade and migration.status(self.db).pending:
            migration.upgrade(self.db)
        startup.check(self.db, self.keyring)
        # Opened before a server forks, a connection must not be shared by its workers.
        self.db.close()

    def blueprint(self, **settings: Any) -> Blueprint:
        """The SCIM endpoint, to be registered under a URL prefix; `settings` as `scim_blueprint` takes them."""
        return service.scim_blueprint(self.db, self.keyring, **settings)

    def users(self, slug: str) -> Iterator[Profile]:
        """The profiles of an app's living users, some at a time. Raises AppError when there is no such app."""
        app = apps.get(self.db, slug)
        return profiles.walk(self.db, app, app.resource_types[core.USER.endpoint])
