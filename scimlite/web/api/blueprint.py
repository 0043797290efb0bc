"""The blueprint of the application's endpoint: its routes, and the start, the end and the errors of every request."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from ... import deadline, errors
from ...scim import leniency
from ..scim.call import Call, Service, current_call
from ..scim.provider import finish_request
from ..scim.view import METHODS
from . import events, openapi, profiles, sets
from .answers import error_response
from .view import ApiView


class NotFoundView(ApiView):
    """Every URL without another route."""

    def handle(self, call: Call, **arguments: Any) -> Any:
        """Raises NotFound."""
        raise errors.NotFound("There is nothing at this URL. See /events, /sets, /profiles and /groups.")


def api_blueprint(service: Service) -> Blueprint:
    """Returns the application's endpoint as a blueprint."""
    blueprint = Blueprint("api", __name__)
    not_found = (("/<slug>", NotFoundView, "NotFoundRoot"), ("/<slug>/<path:rest>", NotFoundView, "NotFound"))
    for rule, view, name in (*openapi.ROUTES, *events.ROUTES, *sets.ROUTES, *profiles.ROUTES, *not_found):
        # All methods, so that the view answers 405 in the form of this endpoint.
        blueprint.add_url_rule(
            rule, name, view(service).dispatch_request, methods=METHODS, provide_automatic_options=False
        )
    _add_hooks(blueprint, service)
    return blueprint


def _add_hooks(blueprint: Blueprint, service: Service) -> None:
    @blueprint.before_request
    def _begin_request() -> None:
        call = current_call()
        environ = call.request.environ
        deadline.begin(service.limits.request_timeout, environ.get(deadline.ARRIVED))
        call.leniencies = leniency.collect()
        call.begin(service, "")
        call.request.max_content_length = service.limits.max_body + 1

    blueprint.register_error_handler(Exception, error_response)
    blueprint.after_request(finish_request)
