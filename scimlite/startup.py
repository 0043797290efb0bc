"""What the service and every command do first: find the database that the settings name, and check that it fits."""

from __future__ import annotations

from .apps import keyring as keyrings
from .apps.keyring import Keyring
from .config import Settings
from .db import Database, migration, open_database

#: Where the service offers SCIM: `<base URL>/scim/v2/<app slug>`.
SCIM_PREFIX = "/scim/v2"


class StartupError(Exception):
    """Nothing can be done with this database or these keys; the text says what to do."""


def database(settings: Settings) -> Database:
    """The database that settings name; nothing is connected or made yet."""
    return open_database(
        settings.database_url,
        busy_timeout=settings.busy_timeout,
        prepare_threshold=settings.prepare_threshold,
        described=settings.database_label,
    )


def check(db: Database, keyring: Keyring) -> None:
    """Raise StartupError unless the database is current and the keys fit its keyrings."""
    status = migration.status(db)
    if not status.current:
        raise StartupError(migration.advice(db, status))
    try:
        keyrings.check_keys(db, keyring)
    except keyrings.TokenError as error:
        raise StartupError(str(error)) from None
