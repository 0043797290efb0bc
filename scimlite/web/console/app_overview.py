"""The first page of an app: whether it works, and what happened last."""

from __future__ import annotations

from typing import Any

from flask import Response

from ...admin import health, overview, wording
from ...admin.overview import Details
from ...apps import App, app_profile, refused_tokens
from ...directory import brakes
from ...directory.brakes import Brake
from ...operators.roles import Act
from ...scim.leniency import Leniency
from . import navigation
from .routing import Routes
from .templating import utc
from .visit import Visit

routes = Routes()

#: Addresses that are listed; all of them are in `scimlite app show --json`.
_MOST_ADDRESSES = 20


@routes.page("/apps/<slug>")
def app_overview(visit: Visit) -> Response:
    """Shows the state of an app."""
    app = visit.app
    assert app is not None
    db = visit.desk.db
    details = overview.details(db, app.slug)
    return visit.render(
        "app_overview.html",
        health=health.health(db, app),
        details=details,
        refusal=overview.newest_refusal(db, app),
        explain=navigation.exists("explain") and visit.desk.may(Act.SEE_REQUESTS),
        chart=navigation.exists("report_chart"),
        brakes=[(brake, _words(app, brake)) for brake in details.brakes],
        differences=app_profile.differences(app.profile, app.settings),
        base_url=visit.scim_url(app.slug),
        **_tallies(details),
    )


@routes.form("/apps/<slug>/release", Act.RELEASE_BRAKE)
def release_brakes(visit: Visit) -> Response:
    """Releases the brakes of an app, which count from zero then."""
    assert visit.app is not None
    kinds = brakes.release(visit.desk.workspace(Act.RELEASE_BRAKE, visit.app), visit.app.slug)
    visit.notice("The brakes are released, and count from zero." if kinds else "No brake was on. They count from zero.")
    return visit.go("app_overview", slug=visit.app.slug)


def _words(app: App, brake: Brake) -> str:
    at = utc(brake.tripped_at).replace("T", " ")[:16] + " UTC" if brake.tripped_at is not None else ""
    return wording.wording_of_brake(app, brake, at)


def _tallies(details: Details) -> dict[str, Any]:
    """What was counted this week, in words."""
    known = {leniency.value: leniency.words for leniency in Leniency}
    addresses = list(details.refused_addresses.items())
    return {
        "leniencies": [(known.get(name, name), times) for name, times in details.leniencies.items()],
        "causes": [(refused_tokens.words(cause), times) for cause, times in details.refused_tokens.items()],
        "addresses": addresses[:_MOST_ADDRESSES],
        "more_addresses": max(len(addresses) - _MOST_ADDRESSES, 0),
    }
