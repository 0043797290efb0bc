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
    """An app, the text of one of its tokens, and how many apps there are."""

    app: App
    token: str
    apps: int


def first_connection(scope: Scope, keyring: Keyring, name: str) -> Connection:
    """Returns the first app with its newest token that does not expire; makes app or token when there is none."""
    existing = apps.every(scope.db)
    app = existing[0] if existing else apps.create(scope, name, None)
    workspace = Workspace.of(scope, app)
    lasting = [token for token in tokens.every(scope.db, app) if token.expires_at is None and token.revoked_at is None]
    if lasting:
        text = tokens.show(workspace, keyring, lasting[-1])
    else:
        _, text = tokens.issue(workspace, keyring)
    return Connection(app, text, max(len(existing), 1))
