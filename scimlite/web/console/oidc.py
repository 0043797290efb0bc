"""Single sign-on: to the OpenID provider, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, url_for
from itsdangerous import BadData

from ...operators import attempts, federation, single_sign_on
from ...operators.federation import RoleRule
from ...operators.roles import Role
from ...operators.sessions import Way
from ...operators.single_sign_on import Departure, Provider, SignOnError
from . import sign_in
from .routing import Routes
from .visit import Visit

routes = Routes()

#: What the browser keeps while it is at the provider, and for how many seconds.
_COOKIE = "scimlite-departure"
_TIME = 600


@routes.form("/sign-on", act=None)
def sign_on(visit: Visit) -> Response:
    """Sends the browser to the provider; somebody who is signed in has to give the password there again."""
    url, departure = _provider(visit).depart(_return_url(visit), again=visit.session is not None)
    kept = {**asdict(departure), "goal": visit.inside(visit.request.form.get("next")) or url_for("console.apps")}
    # A page that leads on: where the answer to a form leads is bound by the policy for forms.
    response = visit.render("sign_on.html", url=url)
    visit.keep(response, _COOKIE, visit.console.keyring.timed_serializer(_COOKIE).dumps(kept), _TIME)
    return response


@routes.page("/signed-on", act=None)
def signed_on(visit: Visit) -> Response:
    """Signs in whom the provider sends back; the departure is good once, and for ten minutes."""
    scope = visit.scope_of("?")
    attempts.check(scope, None)
    try:
        kept = _kept(visit)
        goal = kept.pop("goal")
        answer = visit.request.args.to_dict()
        identity = _provider(visit).arrive(_return_url(visit), Departure(**kept), answer)
        operator = federation.operator_of(scope, identity, _rules(visit))
        if kept["again"] and (visit.session is None or visit.session.operator.id != operator.id):
            raise SignOnError("Somebody else came back from the provider. Sign out first.")
    except SignOnError as error:
        attempts.fail(scope, None, f"single sign-on: {error}")
        page = visit.render("sign_on_failed.html", 403, problem=str(error))
        return visit.drop(page, _COOKIE)
    return visit.drop(sign_in.admit(visit, operator, Way.SINGLE_SIGN_ON, goal), _COOKIE)


def _kept(visit: Visit) -> dict[str, Any]:
    """What the browser kept since it left. Raises SignOnError without it."""
    try:
        kept: dict[str, Any] = visit.console.keyring.timed_serializer(_COOKIE).loads(
            visit.kept(_COOKIE) or "", max_age=_TIME
        )
    except BadData:
        raise SignOnError("This sign-in was not begun in this browser, or took too long. Begin again.") from None
    return kept


def _provider(visit: Visit) -> Provider:
    """The provider of the installation. Raises SignOnError when there is none."""
    settings = visit.console.settings
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        raise SignOnError("Single sign-on is not set up here.")
    return single_sign_on.provider(
        single_sign_on.Settings(
            settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, settings.oidc_scopes
        )
    )


def _rules(visit: Visit) -> list[RoleRule]:
    rules = visit.console.settings.oidc_roles or ()
    return [RoleRule(rule.claim, rule.value, Role.named(rule.role), rule.slugs) for rule in rules]


def _return_url(visit: Visit) -> str:
    """The address that the provider knows as this console's."""
    return f"{visit.url}{url_for('console.signed_on').removeprefix(visit.request.script_root)}"
