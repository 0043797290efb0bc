"""The first page of an app: whether it works, and what happened last."""

from __future__ import annotations

from typing import Any

from flask import Response

from ...admin import contents, health, overview, wording
from ...apps import App, app_profile, refused_tokens, turned_away
from ...db import Database
from ...directory import brakes
from ...directory.brakes import Brake
from ...journal import tallies
from ...operators.roles import Act
from ...scim.leniency import Leniency
from . import navigation
from .endpoint import endpoint
from .routing import Routes
from .templating import utc
from .texts import _
from .visit import Visit

routes = Routes()

#: Addresses that are listed; all of them are in `scimlite app show --json`.
_MOST_ADDRESSES = 20


@routes.page("/apps/<slug>")
def app_overview(visit: Visit) -> Response:
    """Shows the state of an app."""
    app = visit.app
    db = visit.desk.db
    return visit.render(
        "app_overview.html",
        health=health.health(db, app),
        heads=contents.heads_of(db, [app.id])[app.id],
        refusal=overview.newest_refusal(db, app),
        explain=navigation.exists("explain") and visit.desk.may(Act.SEE_REQUESTS),
        chart=navigation.exists("report_chart"),
        differences=app_profile.differences(app.profile, app.settings),
        endpoint=endpoint(visit, app.slug),
        turned_away=turned_away.last_week(db, app.id),
        **_tallies(db, app),
    )


@routes.page("/apps/<slug>/figures")
def app_figures(visit: Visit) -> Response:
    """Shows what takes a while to count in a large app: what it holds, and how near its brakes are."""
    app = visit.app
    db = visit.desk.db
    return visit.render(
        "_app_figures.html" if visit.is_partial else "app_figures.html",
        contents=contents.contents(db, app),
        brakes=[(brake, _words(app, brake)) for brake in brakes.every(db, app)],
    )


@routes.form("/apps/<slug>/release", Act.RELEASE_BRAKE)
def release_brakes(visit: Visit) -> Response:
    """Releases the brakes of an app, which count from zero then."""
    kinds = brakes.release(visit.desk.workspace(Act.RELEASE_BRAKE, visit.app), visit.app.slug)
    released = _("The brakes are released, and count from zero.")
    visit.notice(released if kinds else _("No brake was on. They count from zero."))
    return visit.go("app_overview", slug=visit.app.slug)


def _words(app: App, brake: Brake) -> str:
    at = utc(brake.tripped_at).replace("T", " ")[:16] + " UTC" if brake.tripped_at is not None else ""
    return wording.wording_of_brake(app, brake, at)


def _tallies(db: Database, app: App) -> dict[str, Any]:
    """What was counted this week, in words."""
    known = {leniency.value: leniency.words for leniency in Leniency}
    week = {kind: tallies.last_week(db, app.id, kind) for kind in tallies.Kind}
    addresses = list(week[tallies.Kind.REFUSED_ADDRESS].items())
    return {
        "leniencies": [(_(known.get(name, name)), times) for name, times in week[tallies.Kind.LENIENCY].items()],
        "causes": [
            (_(refused_tokens.words(cause)), times) for cause, times in week[tallies.Kind.REFUSED_TOKEN].items()
        ],
        "addresses": addresses[:_MOST_ADDRESSES],
        "more_addresses": max(len(addresses) - _MOST_ADDRESSES, 0),
    }
