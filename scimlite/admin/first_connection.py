"""The connection that a new installation begins with: an app, and a token that works."""

from __future__ import annotations

from dataclasses import dataclass

from ..apps import App
from ..apps.keyring import Keyring
from ..apps.workspace import Workspace
from ..journal import Scope
from . import apps, tokens


@dataclass(frozen=True, slots=True)
class Connection:
    """An app, the text of the token that was made for it, and how many apps there are."""

    app: App
    #: None when the app has had a token that works.
    token: str | None
    apps: int


def first_connection(scope: Scope, keyring: Keyring, name: str) -> Connection:
    """Returns the first app; makes it when there is no app, and a token when it has none that lasts."""
    existing = apps.every(scope.db)
    app = existing[0] if existing else apps.create(scope, name, None)
    lasts = any(token.expires_at is None and token.revoked_at is None for token in tokens.every(scope.db, app))
    text = None if lasts else tokens.issue(Workspace.of(scope, app), keyring)[1]
    return Connection(app, text, max(len(existing), 1))
