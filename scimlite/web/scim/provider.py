"""The SCIM blueprint: every request begins and ends here, and every error becomes a SCIM answer."""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from typing import Any

from flask import Blueprint, Response
from werkzeug.routing import BaseConverter
from werkzeug.urls import iri_to_uri

from ... import errors
from ...apps.keyring import Keyring
from ...config import Limits
from ...db import Database
from ..middleware import TidySlashes
from . import bulk, discovery, me, resources, search
from .call import Call, Service, current_call
from .failures import handle
from .view import View, add_routes

#: One line per request: request id, app, method, route, status, milliseconds. Never values, never secrets.
access_log = logging.getLogger("scimlite.access")

#: Kept, because Werkzeug takes the few base URLs of the service apart at the price of a SELECT.
_uri = lru_cache(maxsize=256)(iri_to_uri)


class AnyPath(BaseConverter):
    """The rest of a URL, slashes and nothing included."""

    regex = ".*"
    part_isolating = False
    #: Heavier than any other converter: tried last.
    weight = 1000


class NothingView(View):
    """Every URL that no other route takes: 404, once the caller is known."""

    for_subjects = True

    def handle(self, call: Call, slug: str = "", rest: str = "", **arguments: Any) -> Any:
        """Raise NotFound."""
        raise errors.NotFound(f"There is nothing at /{rest[:100]}. Endpoints: /Users, /Groups, /Schemas and others.")


def scim_blueprint(
    db: Database, keyring: Keyring, *, name: str = "scim", base_url: str | None = None, **limits: int
) -> Blueprint:
    """The SCIM endpoint as a blueprint; it touches nothing outside the URL prefix it is registered under.

    In: `base_url`, the address that clients know, None for the request's own; `limits`, fields of `config.Limits`,
    such as `max_body` in bytes and `retention` in microseconds.
    """
    service = Service(db, keyring, base_url, Limits(**limits))
    blueprint = Blueprint(name, __name__)
    _wrap(blueprint, service)
    nothing = [("/", NothingView, "Nothing"), ("/<slug>/<scimpath:rest>", NothingView, "NoRoute")]
    for routes in (discovery.ROUTES, search.ROUTES, me.ROUTES, bulk.ROUTES, resources.ROUTES, nothing):
        add_routes(blueprint, service, routes)
    return blueprint


def _wrap(blueprint: Blueprint, service: Service) -> None:
    """What happens before and after the view of every request, and with every error."""
    prefix = ""

    @blueprint.record_once
    def _registered(state: Any) -> None:
        nonlocal prefix
        prefix = state.url_prefix or ""
        state.app.url_map.converters.setdefault("scimpath", AnyPath)
        state.app.wsgi_app = TidySlashes(state.app.wsgi_app, prefix)

    @blueprint.before_request
    def _begin() -> None:
        call = current_call()
        request = call.request
        call.service = service
        call.root = _uri((service.base_url or f"{request.scheme}://{request.host}{request.script_root}") + prefix)
        # One more than allowed: of a body without a length Werkzeug reads this much and forgets the rest silently.
        request.max_content_length = service.limits.max_body + 1

    blueprint.register_error_handler(Exception, handle)
    blueprint.after_request(finish)


def finish(response: Response) -> Response:
    """End a request: its id in a header and its line in the log."""
    call = current_call()
    response.headers["X-Request-Id"] = call.id
    if access_log.isEnabledFor(logging.INFO):
        access_log.info(
            "request=%s app=%s method=%s route=%s status=%d ms=%.1f",
            call.id,
            call.caller.app.slug if call.caller else "-",
            call.request.method,
            call.request.url_rule.rule if call.request.url_rule else "-",
            response.status_code,
            (time.perf_counter() - call.started) * 1000,
        )
    return response
