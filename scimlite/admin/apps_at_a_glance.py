"""The apps of a list as an operator looks them over: state, people, refusals, activity and the end of the token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import clock
from ..apps import App
from ..clock import DAY
from ..db import Database
from ..journal import activity
from . import tokens
from .contents import heads_of
from .health import Health, health_of
from .tokens import Token

#: Days of activity that are counted, today included.
DAYS = 14


@dataclass(frozen=True, slots=True)
class Glance:
    """One app of a list."""

    app: App
    health: Health
    users: int
    groups: int
    #: Entries of the last 24 hours that were refused or failed; with `more_refusals` there were more.
    refusals: int
    more_refusals: bool
    #: Entries by day, the oldest first; None for a day that is not counted yet.
    activity: list[int | None]
    #: The token that the identity provider has; None when none works.
    token: Token | None


def glance(db: Database, apps: Sequence[App]) -> list[Glance]:
    """Returns the apps with what a list shows of them, in their order."""
    ids = [app.id for app in apps]
    healths, people = health_of(db, apps), heads_of(db, ids)
    refusals = activity.refusals_by_app(db, clock.now() - DAY)
    entries = activity.entries_by_day(db, ids, DAYS)
    capped = sum(refusals.values()) >= activity.MOST_REFUSALS
    return [
        Glance(
            app,
            healths[app.id],
            *people[app.id],
            refusals=refusals.get(app.id, 0),
            more_refusals=capped and app.id in refusals,
            activity=entries[app.id],
            token=tokens.of_provider(db, app),
        )
        for app in apps
    ]
