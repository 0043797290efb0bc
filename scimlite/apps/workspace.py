"""The workspace: one app of one database, and who works there."""

from __future__ import annotations

from dataclasses import dataclass

from ..journal import Scope
from .app import App


@dataclass(frozen=True, slots=True)
class Workspace(Scope):
    """What nearly every function about an app's users and groups needs: database, origin and app."""

    app: App

    @property
    def app_id(self) -> int:
        """The app's key, for the journal."""
        return self.app.id

    @classmethod
    def of(cls, scope: Scope, app: App) -> Workspace:
        """The workspace of an app within a scope."""
        return cls(scope.db, scope.origin, app)
