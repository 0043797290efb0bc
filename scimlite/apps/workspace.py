"""The workspace: an app of a database, and the origin of the acts in it."""

from __future__ import annotations

from dataclasses import dataclass

from ..journal import Scope
from ..limits import Limits
from .app import App

_DEFAULTS = Limits()


@dataclass(slots=True)
class Allowance:
    """How many passwords a request may yet set: hashing one takes tens of milliseconds of CPU."""

    passwords: int
    #: The hash of the password that is set next, made before its transaction began.
    prepared: str | None = None


@dataclass(frozen=True, slots=True)
class Workspace(Scope):
    """Database, origin and app, which nearly every function about users and groups takes.

    `base` is the app's SCIM base URL as the client sees it, with which `$ref` begins; without HTTP it is empty, and
    `$ref` is a path such as `/Users/<id>`.
    """

    app: App
    base: str = ""
    limits: Limits = _DEFAULTS
    #: None where no request of a client is behind the acts.
    allowance: Allowance | None = None
    #: False where an operator accepted how many are disabled, deleted and removed: brakes do not count them.
    counted: bool = True

    @property
    def app_id(self) -> int:
        """The app that journal entries are about."""
        return self.app.id

    @property
    def begun_at(self) -> int:
        """When the app was created."""
        return self.app.created_at

    @classmethod
    def of(cls, scope: Scope, app: App) -> Workspace:
        """The workspace of an app within a scope."""
        return cls(scope.db, scope.origin, app)
