"""The page of all users: searched as one types, filtered, downloaded."""

from __future__ import annotations

from flask import Response

from ...admin import facts
from ...admin.browsing import State
from ...scim import core
from . import choosing
from .routing import Routes
from .visit import Visit

routes = Routes()


@routes.page("/users")
def users(visit: Visit) -> Response:
    """Lists the users that the filters choose."""
    found = choosing.filters(visit, core.USER, State)
    return choosing.shown(visit, "users.html", "users", found, retention=visit.console.settings.retention)


@routes.page("/users.csv")
def users_csv(visit: Visit) -> Response:
    """Sends the users that the filters choose as comma-separated values."""
    return choosing.download(visit, "users", choosing.filters(visit, core.USER, State), dict(facts.USER), "csv")


@routes.page("/users.json")
def users_json(visit: Visit) -> Response:
    """Sends the users that the filters choose as JSON, one object a line."""
    return choosing.download(visit, "users", choosing.filters(visit, core.USER, State), dict(facts.USER), "json")
