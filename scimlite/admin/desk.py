"""The desk of an operator at the console: what they see, and the scope for each act that their role allows.

A page has no other way to the database, so that what a role may not do is refused here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import journal
from ..apps import App, AppError, every, get
from ..apps.keyring import Keyring
from ..apps.workspace import Workspace
from ..db import Database
from ..journal import Action, Actor, Entry, Origin, Outcome, Scope
from ..journal.origin import CONSOLE_OPERATORS
from ..operators.accounts import Operator
from ..operators.roles import RULES, Act, NotAllowed, NotFresh


@dataclass(frozen=True, slots=True)
class Desk:
    """An operator at work: `fresh` says that they showed minutes ago who they are."""

    db: Database
    keyring: Keyring
    operator: Operator
    origin: Origin
    fresh: bool

    def may(self, act: Act) -> bool:
        """True when the operator's role allows the act, once they have shown again who they are."""
        return self.operator.may(act)

    def apps(self) -> list[App]:
        """Returns the apps that the operator sees, by slug."""
        return [app for app in every(self.db) if self.operator.sees(app.id)]

    def app(self, slug: str) -> App:
        """Returns the app with this slug. Raises AppError when there is none, or none that the operator sees."""
        app = get(self.db, slug)
        if app.slug != slug or not self.operator.sees(app.id):
            raise AppError(f"There is no app {slug!r}.")
        return app

    def scope(self, act: Act) -> Scope:
        """Returns the scope for an act. Raises NotAllowed, of which the journal knows, and NotFresh."""
        self.check(act)
        return Scope(self.db, self.origin)

    def workspace(self, act: Act, app: App) -> Workspace:
        """Returns the workspace for an act in an app. Raises like `scope`, and AppError for an app not seen."""
        if not self.operator.sees(app.id):
            raise AppError(f"There is no app {app.slug!r}.")
        self.check(act, app)
        return Workspace(self.db, self.origin, app)

    def check(self, act: Act, app: App | None = None) -> None:
        """Raises NotAllowed, of which the journal knows, or NotFresh, unless the operator may do the act now."""
        try:
            self.operator.require(act)
        except NotAllowed as error:
            self._record_denial(str(error), app)
            raise
        if RULES[act].fresh and not self.fresh:
            raise NotFresh(act)

    def _record_denial(self, reason: str, app: App | None) -> None:
        scope = Scope(self.db, self.origin)
        place = scope if app is None else Workspace.of(scope, app)
        entry = Entry(Action.DENIED, Outcome.REFUSED, detail=reason)
        self.db.transact(lambda: journal.record(place, [entry]))


def origin_of(operator: Operator, *, address: str | None, request_id: str) -> Origin:
    """Returns the origin of what an operator does at the console."""
    return Origin(f"{CONSOLE_OPERATORS}{operator.name}", request_id=request_id, actor=Actor.CONSOLE, address=address)
