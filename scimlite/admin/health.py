"""Whether an app works: one state with its words, for lists, pages and commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import clock
from ..apps import App
from ..clock import DAY
from ..db import Database
from ..db.tables import BrakeRow
from ..directory import brakes
from ..journal import Action, Actor, Outcome, activity, tallies
from ..worded import Worded
from .contact import Contact, contact

#: After so long without a request an app is silent: Entra ID comes every 40 minutes, also when nothing changes.
SILENT_AFTER = 3 * DAY
#: The newest entries that are looked at; an app fails when most of its client's among them were refused.
_LOOKED_AT = 20


class State(Worded):
    """The state of an app, with a sentence about it."""

    DISABLED = "disabled", "The app is disabled: its tokens are refused, and nothing is lost."
    BRAKED = "braked", "A brake is on: what would take away more users is refused until you release it."
    NEVER = "never", "No request with a valid token has come yet."
    FAILING = "failing", "Most of the last requests were refused."
    LOCKED_OUT = "locked-out", "The last request was refused, because its token is not valid here."
    SILENT = "silent", "No request has come for three days. Entra ID comes every 40 minutes, others only for a change."
    OK = "ok", "Requests come and are carried out."


#: The states as lists have them, where the name is no word for people.
_LABELS = {State.BRAKED: "brake on", State.NEVER: "never connected", State.LOCKED_OUT: "failing"}


@dataclass(frozen=True, slots=True)
class Health:
    """The state of an app, and what it follows from."""

    state: State
    contact: Contact
    #: The kinds of the brakes that are on.
    tripped: tuple[str, ...]

    @property
    def word(self) -> str:
        """The state in a word, as lists have it: a client that is locked out fails."""
        return State.FAILING.value if self.state is State.LOCKED_OUT else self.state.value

    @property
    def label(self) -> str:
        """The state as operators read it in lists: `never connected`, `ok`, `brake on`."""
        return _LABELS.get(self.state, self.state.value)


def health(db: Database, app: App) -> Health:
    """Returns the state of one app."""
    return health_of(db, [app])[app.id]


def health_of(db: Database, apps: Sequence[App]) -> dict[int, Health]:
    """Returns the states of apps by their ids."""
    tripped = _tripped(db, apps)
    refused_tokens = tallies.today_by_app(db, tallies.Kind.REFUSED_TOKEN)
    found = {}
    for app in apps:
        contacts = contact(db, app)
        on = tripped.get(app.id, ())
        state = _state(db, app, contacts, on, refused_tokens.get(app.id, 0))
        found[app.id] = Health(state, contacts, on)
    return found


def _state(db: Database, app: App, contacts: Contact, tripped: Sequence[str], refused_tokens: int) -> State:
    if not app.enabled:
        return State.DISABLED
    if tripped:
        return State.BRAKED
    if contacts.last is None:
        return State.LOCKED_OUT if refused_tokens else State.NEVER
    sent = [entry for entry in activity.newest(db, app.id, _LOOKED_AT) if entry[3] == Actor.SCIM]
    if any(action == Action.AUTHENTICATED and at > contacts.last for at, action, _, _ in sent):
        return State.LOCKED_OUT
    # A token's last use is known to five minutes, and also of reads, which leave no entry.
    refused = sum(outcome != Outcome.OK for _, _, outcome, _ in sent)
    if 2 * refused > len(sent) and sent[0][2] != Outcome.OK and sent[0][0] > clock.now() - SILENT_AFTER:
        return State.FAILING
    return State.SILENT if contacts.last < clock.now() - SILENT_AFTER else State.OK


def _tripped(db: Database, apps: Sequence[App]) -> dict[int, tuple[str, ...]]:
    """Returns the kinds of the brakes that are on, by the app's id; one that was switched off since holds nothing."""
    known = {app.id: app for app in apps}
    query = BrakeRow.select(BrakeRow.app_id, BrakeRow.kind).where(
        BrakeRow.tripped_at.is_null(False), BrakeRow.app_id.in_(list(known))
    )
    found: dict[int, tuple[str, ...]] = {}
    for app_id, kind in db.rows(query.order_by(BrakeRow.app_id, BrakeRow.kind)):
        if brakes.limits(known[app_id].settings, kind).on:
            found[app_id] = (*found.get(app_id, ()), kind)
    return found
