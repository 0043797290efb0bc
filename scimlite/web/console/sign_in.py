"""The ways in and out: a one-time link, and the second look before what matters."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from ...operators import attempts, links, passwords, sessions
from ...operators.accounts import Operator
from ...operators.attempts import TooManyAttempts
from ...operators.passwords import WrongPassword
from ...operators.sessions import Way
from .routing import Routes
from .visit import Visit

routes = Routes()

_WORN_OUT = "This link was used before, or is too old. Ask for a new one: scimlite operator link NAME"


@routes.page("/sign-in", act=None)
def sign_in(visit: Visit) -> Response:
    """Shows how to sign in."""
    if visit.session is not None:
        return visit.go_to(_next(visit))
    return _asked(visit, "sign_in.html", name="")


@routes.form("/sign-in", act=None)
def use_password(visit: Visit) -> Response:
    """Signs in with a name and a password."""
    form = visit.request.form
    name = form.get("name", "")
    try:
        operator = passwords.verify(visit.scope_of("?"), name, form.get("password", ""))
    except (WrongPassword, TooManyAttempts) as error:
        return _asked(visit, "sign_in.html", error, name=name[:100])
    return admit(visit, operator, Way.PASSWORD)


@routes.page("/link/<secret>", act=None)
def link(visit: Visit, secret: str) -> Response:
    """Asks whether to sign in with a one-time link.

    What only looks at links, as mail filters do, must not use it up.
    """
    operator = links.owner_of(visit.console.db, secret)
    return visit.render("link.html", 200 if operator else 404, operator=operator, problem=_WORN_OUT)


@routes.form("/link/<secret>", act=None)
def use_link(visit: Visit, secret: str) -> Response:
    """Signs in with a one-time link, which is used up."""
    scope = visit.scope_of("?")
    attempts.check(scope, None)
    operator = links.use(visit.console.db, secret)
    if operator is None:
        attempts.fail(scope, None, "a sign-in link that was used before or is too old")
        return visit.render("link.html", 404, operator=None, problem=_WORN_OUT)
    return admit(visit, operator, Way.LINK)


def admit(visit: Visit, operator: Operator, way: Way, goal: str | None = None) -> Response:
    """Lets an operator in who has shown who they are; in a session of theirs, it only renews that."""
    scope = visit.scope_of(operator.name)
    goal = goal or _next(visit)
    if visit.session is not None and visit.session.operator.id == operator.id:
        sessions.prove(scope, visit.session, way)
        return visit.go_to(goal)
    if visit.session is not None:
        sessions.end(visit.scope_of(visit.session.operator.name), visit.session)
    # A new secret for each sign-in: one that somebody else put into the browser before is worth nothing.
    secret = sessions.begin(scope, operator, way, agent=visit.request.headers.get("User-Agent"))
    return visit.sign_in(visit.go_to(goal), secret)


@routes.form("/sign-out", act=None)
def sign_out(visit: Visit) -> Response:
    """Signs out of this browser."""
    if visit.session is not None:
        sessions.end(visit.scope_of(visit.session.operator.name), visit.session)
    return visit.sign_out(visit.go("sign_in"))


@routes.page("/prove", act=None)
def prove(visit: Visit) -> Response:
    """Asks the operator to show again who they are, before a token is shown or something is lost."""
    return _asked(visit, "prove.html", operator=visit.desk.operator)


@routes.form("/prove", act=None)
def prove_by_password(visit: Visit) -> Response:
    """Takes the password of the operator who is signed in as the proof."""
    operator = visit.desk.operator
    try:
        passwords.verify(visit.scope_of(operator.name), operator.name, visit.request.form.get("password", ""))
    except (WrongPassword, TooManyAttempts) as error:
        return _asked(visit, "prove.html", error, operator=operator)
    return admit(visit, operator, Way.PASSWORD)


def _asked(visit: Visit, template: str, error: WrongPassword | TooManyAttempts | None = None, **more: Any) -> Response:
    """Returns a page that asks who it is, with what was wrong with the last answer."""
    settings = visit.console.settings
    status = 200 if error is None else 429 if isinstance(error, TooManyAttempts) else 403
    return visit.render(
        template,
        status,
        next=_next(visit),
        # What the button for the single sign-on says; None without one.
        sign_on_name=settings.oidc_name if settings.oidc_issuer is not None else None,
        problem=None if error is None else str(error),
        **more,
    )


def _next(visit: Visit) -> str:
    """The page that the operator wanted, if it is one of this console."""
    wanted = visit.request.values.get("next")
    return visit.inside(wanted) or url_for("console.apps")
