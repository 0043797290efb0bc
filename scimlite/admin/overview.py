"""Apps as an operator looks at them: contents, contact with the client, refusals, brakes and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import clock
from ..apps import App, every, get
from ..db import Database
from ..journal import Action, Outcome
from . import tokens
from .contents import Contents, contents, contents_of
from .tokens import Token

if TYPE_CHECKING:
    from ..directory.brakes import Brake
    from ..journal.report import Record
    from .health import Health


@dataclass(frozen=True, slots=True)
class Overview:
    """An app in a list of apps."""

    app: App
    contents: Contents
    health: Health


@dataclass(frozen=True, slots=True)
class Details:
    """An app with everything that an operator needs to know about its connection."""

    app: App
    contents: Contents
    health: Health
    #: The newest refusal of one of the app's tokens; None when a client was accepted after it.
    last_refusal: Record | None
    brakes: list[Brake]
    tokens: list[Token]
    #: How many requests of the last seven days needed a leniency, by its name, the most first.
    leniencies: dict[str, int]
    #: How many requests of the last seven days had a token that was refused, by its cause, the most first.
    refused_tokens: dict[str, int]
    #: How many requests of the last seven days were turned away, because others of the app kept all its threads.
    turned_away: int
    #: The same by the client's address.
    refused_addresses: dict[str, int]


def overview(db: Database) -> list[Overview]:
    """Returns all apps by slug."""
    # Imported here, because other commands about apps need no brakes.
    from .health import health_of

    apps = every(db)
    counted, states = contents_of(db, apps), health_of(db, apps)
    return [Overview(app, counted[app.id], states[app.id]) for app in apps]


def details(db: Database, slug: str) -> Details:
    """Returns the app with this slug or exact name. Raises AppError when there is none."""
    # Imported here, because a list of apps needs neither brakes nor the report.
    from ..apps import turned_away
    from ..directory import brakes
    from ..journal import report, tallies
    from ..journal.selection import Selection
    from .health import health

    app = get(db, slug)
    state = health(db, app)
    selection = Selection(app_id=app.id, action=Action.AUTHENTICATED.value, since=state.contact.last)
    refusals = report.read(db, selection, limit=1)
    return Details(
        app,
        contents(db, app),
        state,
        refusals[0] if refusals else None,
        brakes.every(db, app),
        tokens.every(db, app),
        tallies.last_week(db, app.id, tallies.Kind.LENIENCY),
        tallies.last_week(db, app.id, tallies.Kind.REFUSED_TOKEN),
        turned_away.last_week(db, app.id),
        tallies.last_week(db, app.id, tallies.Kind.REFUSED_ADDRESS),
    )


def newest_refusal(db: Database, app: App) -> Record | None:
    """Returns the newest entry of the last week that was refused or failed, whose request is kept; None without one."""
    # Imported here, because a list of apps does not need the report.
    from ..journal import refusals, report
    from ..journal.selection import Selection

    since = clock.now() - refusals.KEPT
    newest = [
        record
        for outcome in (Outcome.REFUSED, Outcome.FAILED)
        for record in report.read(db, Selection(app_id=app.id, outcome=outcome.value, since=since), limit=1)
    ]
    return max(newest, key=lambda record: (record.at, record.id), default=None)
