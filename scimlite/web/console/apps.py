"""The page of all apps, and the form for a new one."""

from __future__ import annotations

from flask import Response

from ...admin import apps as admin
from ...admin import overview
from ...apps import app_profile
from ...errors import OperatorError
from ...operators.roles import Act
from .routing import Routes
from .visit import Visit

routes = Routes()


@routes.page("/")
def apps(visit: Visit) -> Response:
    """Lists the apps that the operator sees."""
    seen = {app.id for app in visit.desk.apps()}
    listed = [each for each in overview.overview(visit.desk.db) if each.app.id in seen]
    return visit.render("apps.html", apps=listed)


@routes.page("/apps/new", Act.CREATE_APP)
def new_app(visit: Visit) -> Response:
    """Shows the form for a new app."""
    return visit.render("app_new.html", profiles=app_profile.PROFILES, problem=None, values={})


@routes.form("/apps/new", Act.CREATE_APP)
def create_app(visit: Visit) -> Response:
    """Makes an app; a wrong name or slug is said beside the form."""
    values = visit.request.form
    try:
        made = admin.create(
            visit.desk.scope(Act.CREATE_APP),
            values.get("name", ""),
            values.get("slug") or None,
            profile=values.get("profile", app_profile.DEFAULT),
        )
    except OperatorError as error:
        page = visit.render("app_new.html", 400, profiles=app_profile.PROFILES, problem=str(error), values=values)
        return page
    visit.notice(f"{made.name} is added. Next: connect its identity provider.")
    return visit.go("app_overview", slug=made.slug)
