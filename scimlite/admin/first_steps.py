"""How far the connection of an app has come: what has arrived for the first time, and tokens that were refused."""

from __future__ import annotations

from dataclasses import dataclass

from ..apps import App, refused_tokens
from ..db import Database
from ..db.tables import ResourceRow
from ..journal import tallies
from ..scim import core
from ..worded import Worded
from .contact import contact


class Milestone(Worded):
    """Something that arrives on the way, with its words before and after it."""

    REQUEST = "request", "The first request"
    TOKEN = "token", "A valid token, as Test Connection sends it"
    USER = "user", "The first user"
    GROUP = "group", "The first group"
    CYCLE = "cycle", "The last cycle: the newest request"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A milestone: whether it was reached, and when, in microseconds since 1970 UTC, where that is known."""

    milestone: Milestone
    reached: bool
    at: int | None


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """The milestones in their order, and the tokens that were refused today, by cause in words and by address."""

    arrivals: list[Arrival]
    refused: dict[str, int]
    addresses: dict[str, int]

    @property
    def done(self) -> bool:
        """True when a user has come."""
        return any(arrival.reached for arrival in self.arrivals if arrival.milestone is Milestone.USER)


def first_steps(db: Database, app: App) -> FirstSteps:
    """Returns how far an app has come; a handful of rows are read, whatever the app holds."""
    contacts = contact(db, app)
    causes = tallies.today(db, app.id, tallies.Kind.REFUSED_TOKEN)
    user, group = _first(db, app, core.USER.name), _first(db, app, core.GROUP.name)
    accepted = contacts.first is not None
    arrivals = [
        Arrival(Milestone.REQUEST, accepted or bool(causes), contacts.first),
        Arrival(Milestone.TOKEN, accepted, contacts.first),
        Arrival(Milestone.USER, user is not None, user),
        Arrival(Milestone.GROUP, group is not None, group),
        Arrival(Milestone.CYCLE, accepted and user is not None, contacts.last if user is not None else None),
    ]
    refused = {refused_tokens.words(cause): times for cause, times in causes.items()}
    return FirstSteps(arrivals, refused, tallies.today(db, app.id, tallies.Kind.REFUSED_ADDRESS))


def _first(db: Database, app: App, type: str) -> int | None:
    """Returns when the first of the living users or groups was created; None when there is none."""
    living = ResourceRow.select(ResourceRow.created_at).where(
        ResourceRow.app_id == app.id, ResourceRow.type == type, ResourceRow.deleted_at.is_null()
    )
    at = db.scalar(living.order_by(ResourceRow.id).limit(1))
    return None if at is None else int(at)
