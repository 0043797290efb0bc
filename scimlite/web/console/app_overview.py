"""The first page of an app: whether it works, and what happened last."""

from __future__ import annotations

from flask import Response

from ...admin import overview
from .routing import Routes
from .visit import Visit

routes = Routes()


@routes.page("/apps/<slug>")
def app_overview(visit: Visit) -> Response:
    """Shows the state of an app."""
    assert visit.app is not None
    return visit.render("app_overview.html", details=overview.details(visit.desk.db, visit.app.slug))
