"""What the service and every command do first: find the database that the settings name, and check that it fits."""

from __future__ import annotations

from . import migration, tokens
from .config import Settings
from .db import Database, open_database
from .errors import OperatorError
from .tokens import Keyring

#: Where the service offers SCIM: `<base URL>/scim/v2/<app slug>`.
SCIM_PREFIX = "/scim/v2"


class StartupError(OperatorError):
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
    """Raise StartupError unless the database is current and the keys fit its tokens."""
    status = migration.status(db)
    if not status.current:
        raise StartupError(migration.advice(db, status))
    try:
        tokens.check_keys(db, keyring)
    except tokens.TokenError as error:
        raise StartupError(str(error)) from None
