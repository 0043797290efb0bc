"""How the pages are registered: each says by which act it is allowed, and nothing runs before that was checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, g

from ...operators.roles import RULES, Act
from .visit import Visit

Handler = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Route:
    """A page or a form: its URL rule and method, and the act that allows it, None for anybody."""

    rule: str
    method: str
    name: str
    act: Act | None
    handle: Handler


@dataclass
class Routes:
    """The routes of one file. A URL part `<slug>` is an app that the operator has to see."""

    routes: list[Route] = field(default_factory=list)

    def page(self, rule: str, act: Act | None = Act.LOOK) -> Callable[[Handler], Handler]:
        """Registers a function `handle(visit, **parts of the URL)` that shows something; it changes nothing."""
        return self._add(rule, "GET", act)

    def form(self, rule: str, act: Act | None) -> Callable[[Handler], Handler]:
        """Registers a function that does something; the form came from a page of this console."""
        return self._add(rule, "POST", act)

    def _add(self, rule: str, method: str, act: Act | None) -> Callable[[Handler], Handler]:
        def add(handle: Handler) -> Handler:
            self.routes.append(Route(rule, method, handle.__name__, act, handle))
            return handle

        return add

    def register(self, blueprint: Blueprint) -> None:
        """Adds the routes to the blueprint; the endpoint of each is the name of its function."""
        for route in self.routes:
            blueprint.add_url_rule(
                route.rule, route.name, _guarded(route), methods=[route.method], provide_automatic_options=False
            )


def _guarded(route: Route) -> Callable[..., Response]:
    """Returns the view of a route, which checks transport, form, session, act and app before the page runs."""

    def view(slug: str | None = None, **parts: Any) -> Response:
        visit = current_visit()
        visit.check_transport()
        if route.method == "POST":
            visit.check_form()
        if route.act is not None:
            if slug is not None:
                visit.named_app = visit.desk.app(slug)
            # What needs a fresh sign-in is asked for when it is done, not when its page is looked at.
            if route.method == "POST" or not RULES[route.act].fresh:
                visit.desk.check(route.act, visit.named_app)
            else:
                visit.desk.operator.require(route.act)
        return route.handle(visit, **parts)

    return view


def current_visit() -> Visit:
    """Returns the visit of the current request."""
    visit: Visit = g.console_visit
    return visit
