"""The console as a blueprint: its pages, what all templates know, and the headers of every answer."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, g, request, url_for
from jinja2 import StrictUndefined
from werkzeug.exceptions import NotFound

from ... import deadline, errors
from ...operators import single_sign_on
from ..scim.call import current_call
from ..scim.failures import error_response
from ..scim.provider import finish_request
from . import (
    account,
    app_connect,
    app_features,
    app_invitations,
    app_mapping,
    app_overview,
    app_schemas,
    app_settings,
    app_tokens,
    app_webhooks,
    apps,
    explain,
    group,
    groups,
    installation,
    navigation,
    oidc,
    operators,
    report,
    report_export,
    setup,
    sign_in,
    templating,
    texts,
    user,
    users,
)
from .assets import asset, assets
from .failures import error_page
from .routing import Routes, current_visit
from .visit import Console, Visit

#: Where the service shows the console.
PREFIX = "/console"

_STATIC = "console.static"

#: Scripts, styles and pictures from here alone, nothing inline, and no other site may show a page in a frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    # Not "no-referrer": forms would then come from the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}

#: The pages, each a file of this folder.
PAGES: tuple[Routes, ...] = (
    sign_in.routes,
    account.routes,
    oidc.routes,
    operators.routes,
    apps.routes,
    app_connect.routes,
    app_invitations.routes,
    app_overview.routes,
    app_schemas.routes,
    app_features.routes,
    app_mapping.routes,
    app_settings.routes,
    app_tokens.routes,
    app_webhooks.routes,
    explain.routes,
    installation.routes,
    report.routes,
    report_export.routes,
    group.routes,
    groups.routes,
    user.routes,
    users.routes,
    setup.routes,
)


def console_blueprint(console: Console) -> Blueprint:
    """Returns the console as a blueprint to register under a URL prefix."""
    blueprint = Blueprint("console", __name__, template_folder="templates")
    for routes in PAGES:
        routes.register(blueprint)
    blueprint.add_url_rule("/<path:rest>", "nothing", _nothing)
    blueprint.add_url_rule("/static/<path:filename>", "static", asset, methods=["GET"])

    @blueprint.before_request
    def _begin() -> Response | None:
        deadline.begin(console.settings.request_timeout, request.environ.get(deadline.ARRIVED))
        console.languages.begin(request.accept_languages)
        g.console_visit = visit = Visit(console, request._get_current_object())  # type: ignore[attr-defined]  # a proxy's
        # In the endpoint's form, which says nothing of a console.
        return None if visit.is_here else error_response(errors.NotFound("There is nothing at this URL."))

    @blueprint.after_request
    def _finish(response: Response) -> Response:
        response.headers.extend(_HEADERS)
        if request.endpoint == _STATIC:
            return response
        visit = current_visit()
        if visit.named_app is not None:
            current_call().app_in_url = visit.named_app.slug
        return finish_request(visit.settle(response))

    blueprint.register_error_handler(Exception, error_page)
    blueprint.context_processor(_known)
    return blueprint


def add_console(app: Flask, console: Console) -> None:
    """Registers the console and its assets at the service's application."""
    if console.settings.oidc_issuer is not None:
        single_sign_on.check_installed()
    templating.prepare(app.jinja_env)
    app.jinja_env.undefined = StrictUndefined
    app.register_blueprint(console_blueprint(console), url_prefix=PREFIX)
    app.url_defaults(_add_version)


def _nothing(rest: str) -> Response:
    """Raises NotFound: no page is at this address."""
    raise NotFound


def _known() -> dict[str, Any]:
    """What every template knows besides its own variables."""
    visit = current_visit()
    return {
        "csrf_token": visit.csrf_token,
        "get_flashed_messages": visit.flashed,
        "navigation": navigation.main(visit),
        "app_tabs": navigation.tabs(visit),
        "operator": visit.session.operator if visit.session is not None else None,
        "sign_out_url": url_for("console.sign_out"),
        "account_url": url_for("console.account"),
        "crumbs": None,
        "product": None,
        "language": texts.language(),
    }


def _add_version(endpoint: str, values: dict[str, Any]) -> None:
    """Makes the address of a file of static/ change with its content."""
    if endpoint == _STATIC:
        values["v"] = assets()[values["filename"]].version
