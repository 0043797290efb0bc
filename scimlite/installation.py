"""An installation: settings, database and secret keys, opened and checked once.

The service, the commands and an embedding application all begin with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import own_files, service_address
from . import secret_keys as keys_of
from .apps import get as find_app
from .apps import keyring as keyrings
from .apps.keyring import Keyring, TokenError
from .apps.workspace import Workspace
from .config import Settings
from .db import Database, migration, open_database
from .errors import OperatorError
from .journal import Origin
from .scim import core

if TYPE_CHECKING:
    from flask import Blueprint

    from .directory.profiles import Profile

#: Where the service offers SCIM: `<base URL>/scim/v2/<app slug>`.
SCIM_PREFIX = "/scim/v2"
#: Where the application reads.
API_PREFIX = "/api/v1"
#: What stands before the path in the URL of a SQLite database.
_SQLITE = "sqlite:///"
#: Files of the state folder that are made when there is a database.
_TRACES = ("secret_key", "server-url")


class StartupError(OperatorError):
    """The database or the secret keys cannot be used; the text says what to do."""


class LostError(StartupError):
    """There is no database where there was one; `trace` is the file that says so."""

    def __init__(self, described: str, trace: Path) -> None:
        super().__init__(
            f"There is no scimlite database in {described}, and {trace} says that there was one: look whether settings "
            "and mounts are right, put the database back or restore a backup, or begin with an empty one by `scimlite "
            "serve --begin-anew` or `scimlite db upgrade --begin-anew`."
        )
        self.trace = trace


class Installation:
    """A scimlite database, its settings and its secret keys.

    An application that embeds scimlite calls `Installation(url, key)`: `database_url` is `sqlite:///relative/path.db`,
    `sqlite:////absolute/path.db` or `postgresql://…`; `secret_keys` are the keys that the commands get in
    SCIMLITE_SECRET_KEY, newest first, each by itself or all in one text, separated by commas. The database is created
    and upgraded to this version, unless `upgrade` is False. Raises ConfigError when a key is empty or shorter than 32
    bytes, UntrustedPlace when other users of the machine can write the database, StartupError when it does not fit this
    version or the keys do not fit its tokens, and Unavailable when it cannot be reached. The service and the commands
    call `Installation.open(settings)`.
    """

    def __init__(self, database_url: str, *secret_keys: str, upgrade: bool = True) -> None:
        if not secret_keys:
            # Never one that is made on the spot: each server of an application would have its own.
            raise TokenError("There is no secret key.")
        if not all(isinstance(key, str) for key in secret_keys):
            raise TokenError("A secret key is a text; None comes from a variable of the environment that is not set.")
        # As the commands read SCIMLITE_SECRET_KEY, so that both have the same keys.
        keys = keys_of.parse(",".join(secret_keys), source="Installation")
        settings = Settings(state_dir=Path(), database_url=database_url, secret_keys=keys)
        # An application has no state folder that could say that there was a database.
        self._begin(settings, create=upgrade, upgrade=upgrade, anew=True)
        self.db.hold()
        self.check_keys()
        # Workers must not share a connection that was opened before their server forked.
        self.db.close()

    @classmethod
    def open(
        cls, settings: Settings, *, create: bool = False, upgrade: bool = False, anew: bool = False
    ) -> Installation:
        """The installation that settings describe.

        `create` initialises an empty database, and `anew` does so where the state folder says that there was one;
        `upgrade` upgrades an outdated one. Raises StartupError when the database does not fit this version, LostError
        when it is not there any more, and Unavailable when it cannot be reached.
        """
        installation = cls.__new__(cls)
        installation._begin(settings, create=create, upgrade=upgrade, anew=anew)
        return installation

    def _begin(self, settings: Settings, *, create: bool, upgrade: bool, anew: bool) -> None:
        self.settings = settings
        self.db = database(settings)
        try:
            self._prepare(settings, create=create, upgrade=upgrade, anew=anew)
        except BaseException:
            self.db.close()
            raise

    def _prepare(self, settings: Settings, *, create: bool, upgrade: bool, anew: bool) -> None:
        """Creates or upgrades the database as far as that is wanted; raises when it is not as this version needs it."""
        status = migration.status(self.db)
        if create and status.empty and not anew:
            check_not_lost(self.db, settings)
        if status.pending and not status.unknown and (create if status.empty else upgrade):
            migration.upgrade(self.db)
            status = migration.status(self.db)
        if not status.current:
            if status.empty and settings.database_is_default:
                raise StartupError(
                    f"There is no scimlite database in {self.db.described}. Begin with `scimlite serve` or "
                    "`scimlite app create`, or set SCIMLITE_STATE_DIR to the folder where the database is."
                )
            raise StartupError(migration.advice(self.db, status))

    @cached_property
    def keyring(self) -> Keyring:
        """The secret keys; on SQLite without SCIMLITE_SECRET_KEY, those of the state folder, made when first used."""
        return Keyring(self.settings.with_secret_keys().secret_keys)

    @property
    def scim_root(self) -> str | None:
        """The URL behind which apps have their SCIM base URLs; None when SCIMLITE_BASE_URL is not set."""
        return scim_root(self.settings)

    @property
    def scim_roots(self) -> list[str]:
        """All URLs, known on this machine, behind which apps have their SCIM base URLs."""
        here = service_address.running(self.settings.state_dir)
        roots = [self.scim_root, None if here is None else here + SCIM_PREFIX]
        return [root for root in roots if root is not None]

    def check_keys(self) -> list[str]:
        """Raises StartupError when the secret keys fit none of the valid tokens.

        Returns the fingerprints of missing keys that valid tokens need.
        """
        try:
            return keyrings.check_keys(self.db, self.keyring)
        except TokenError as error:
            raise StartupError(str(error)) from None

    def blueprint(self, **options: Any) -> Blueprint:
        """The SCIM endpoint as a blueprint to register under a URL prefix; `options` are those of `scim_blueprint`."""
        from .web.scim.provider import scim_blueprint

        return scim_blueprint(self.db, self.keyring, **options)

    def users(self, slug: str) -> Iterator[Profile]:
        """The profiles of an app's living users; it reads some at a time. Raises AppError when there is no such app."""
        from .directory import profiles

        app = find_app(self.db, slug)
        workspace = Workspace(self.db, Origin("application"), app)
        return profiles.walk(workspace, app.resource_types[core.USER.endpoint])

    def verify_password(self, slug: str, user_id: str, password: str) -> bool:
        """True when this is the password of a user of an app who may use the application.

        False for users who are unknown, deleted, disabled or without a password, and takes as long for each of them;
        always False while the app's feature `passwords` is `drop`. Raises AppError when there is no such app, and
        Unavailable when the database cannot be used, or too many sign in at once: say that it may work later.
        """
        from .directory import passwords

        most = self.settings.max_hashes
        return passwords.verify(self.db, find_app(self.db, slug), user_id, password, most_hashes=most)


def scim_root(settings: Settings) -> str | None:
    """The URL behind which apps have their SCIM base URLs; None when SCIMLITE_BASE_URL is not set."""
    return None if settings.base_url is None else settings.base_url + SCIM_PREFIX


def check_not_lost(db: Database, settings: Settings) -> None:
    """Raises LostError when files beside an empty database say that there was one.

    Such files are a secret key and the address of a service in the state folder, and a WAL of SQLite.
    """
    for trace in (*(settings.state_dir / name for name in _TRACES), *db.remains()):
        if trace.exists():
            raise LostError(db.described, trace)


def database(settings: Settings) -> Database:
    """The database that settings name, not connected and not created yet.

    Raises UntrustedPlace when it is a file that other users of the machine could have written.
    """
    if settings.database_url.startswith(_SQLITE):
        own_files.check_database(Path(settings.database_url.removeprefix(_SQLITE)))
    return open_database(
        settings.database_url,
        busy_timeout=settings.busy_timeout,
        request_timeout=settings.request_timeout,
        prepare_threshold=settings.prepare_threshold,
        # One thread is left for those who read, or write to another app.
        most_waiters=settings.max_waiters or max(1, settings.threads - 2),
        described=settings.database_label,
    )
