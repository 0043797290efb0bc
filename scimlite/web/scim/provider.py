"""The SCIM blueprint: its routes, and the start, the end and the errors of every request."""

from __future__ import annotations

import logging
import re
import time
from functools import lru_cache
from typing import Any

from flask import Blueprint, Response
from werkzeug.routing import BaseConverter
from werkzeug.urls import iri_to_uri

from ... import deadline, errors
from ...apps.keyring import Keyring
from ...db import Database
from ...journal import tallies
from ...limits import Limits
from ...scim import leniency, written
from ..headers import protect
from ..middleware import TidySlashes
from . import bulk, discovery, me, resources, search
from .call import Call, Service, current_call
from .failures import error_response
from .outage import outage
from .view import View, add_routes, route_of

#: One line per request, whose arguments are the fields by name. Never values, never secrets.
access_log = logging.getLogger("scimlite.access")
#: The fields of every line and how they are written; those that only some lines have follow.
_FIELDS = "request=%(request)s app=%(app)s method=%(method)s route=%(route)s status=%(status)d ms=%(ms).1f"
LINE = f"{_FIELDS} client=%(client)s"
#: W3C Trace Context: version, trace id, parent id, flags; later versions may add more.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_METHOD = re.compile(r"[A-Za-z]{1,20}")
#: The slugs of apps whose clients this process has accepted: what a line may say of a request that nobody looked at.
accepted_slugs: set[str] = set()
#: A name or address with a port, as RFC 3986 has them; names of containers have underscores.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")


#: The cache holds the few base URLs of the service: Werkzeug's conversion of one costs as much as a SELECT.
_uri = lru_cache(maxsize=256)(iri_to_uri)


@lru_cache(maxsize=256)
def check_host(host: str | None) -> None:
    """Raises BadRequest when a Host header is no name or address, as URLs in answers would be none either.

    In: the header; None, which is allowed, for a request of HTTP/1.0 without it.
    """
    if host is not None and not _HOST.fullmatch(host):
        raise errors.BadRequest("The header Host is no name or address of a host.")


class AnyPath(BaseConverter):
    """Matches the rest of a URL, slashes included; the rest may be empty."""

    regex = ".*"
    part_isolating = False
    #: Werkzeug tries converters by weight: this one is the last.
    weight = 1000


class AnyCase(BaseConverter):
    """Matches one fixed part of a URL in any case: endpoint names are compared without it."""

    #: Before the parts that match every text.
    weight = 50

    def __init__(self, map: Any, name: str) -> None:
        super().__init__(map)
        self.regex = f"(?i:{re.escape(name)})"


class NotFoundView(View):
    """Every URL without another route: 404 for an authenticated caller, 401 otherwise."""

    for_subjects = True

    def handle(self, call: Call, slug: str = "", rest: str = "", **arguments: Any) -> Any:
        """Raises NotFound."""
        raise errors.NotFound(f"There is nothing at /{rest[:100]}. Endpoints: /Users, /Groups, /Schemas and others.")


def scim_blueprint(
    db: Database, keyring: Keyring, *, name: str = "scim", base_url: str | None = None, **limits: int
) -> Blueprint:
    """Returns the SCIM endpoint as a blueprint; it changes nothing outside its URL prefix.

    In: `name`, the name of the blueprint in Flask; `base_url`, the address that clients use, None for the address of
    each request; `limits`, fields of `config.Limits`, such as `max_body` in bytes and `retention` in microseconds.
    """
    service = Service(db, keyring, base_url, Limits(**limits))
    blueprint = Blueprint(name, __name__)
    _add_hooks(blueprint, service)
    not_found = [("/", NotFoundView, "NotFoundRoot"), ("/<slug>/<scimpath:rest>", NotFoundView, "NotFound")]
    for routes in (discovery.ROUTES, search.ROUTES, me.ROUTES, bulk.ROUTES, resources.ROUTES, not_found):
        add_routes(blueprint, service, routes)
    return blueprint


def _add_hooks(blueprint: Blueprint, service: Service) -> None:
    """Adds the functions that Flask calls before and after each view, and for each error."""
    prefix = ""

    @blueprint.record_once
    def _on_registration(state: Any) -> None:
        nonlocal prefix
        prefix = state.url_prefix or ""
        state.app.url_map.converters.setdefault("scimpath", AnyPath)
        state.app.url_map.converters.setdefault("anycase", AnyCase)

    @blueprint.record
    def _on_each_registration(state: Any) -> None:
        not_found = f"{state.name_prefix}.{state.name}.NotFound".lstrip(".")
        state.app.wsgi_app = TidySlashes(state.app, not_found)

    @blueprint.before_request
    def _begin_request() -> None:
        call = current_call()
        request = call.request
        deadline.begin(service.limits.request_timeout, request.environ.get(deadline.ARRIVED))
        call.leniencies = leniency.collect()
        check_host(request.environ.get("HTTP_HOST"))
        root = _uri((service.base_url or f"{request.scheme}://{request.host}{request.script_root}") + prefix)
        call.begin(service, root)
        # One byte more than the limit: Werkzeug silently cuts a body without a length at max_content_length.
        request.max_content_length = service.limits.max_body + 1

    blueprint.register_error_handler(Exception, error_response)
    blueprint.after_request(finish_request)


def finish_request(response: Response) -> Response:
    """Adds X-Request-Id and the headers of every answer to a response, and writes the line of the access log."""
    call = current_call()
    written.forget()
    deadline.clear()
    protect(response, ("X-Request-Id", call.id))
    if call.leniencies and call.caller is not None and not call.is_trial:
        for name in call.leniencies:
            tallies.count(call.db, call.app.id, tallies.Kind.LENIENCY, name)
    if response.status_code < 500 and call.caller is not None:
        outage.note_success()
    if access_log.isEnabledFor(logging.INFO):
        _log_request(call, response.status_code)
    return response


def shown_method(method: str) -> str:
    """Returns a request's method as the log shows it; `-` when it is no word."""
    return method if _METHOD.fullmatch(method) else "-"


def _log_request(call: Call, status: int) -> None:
    """Writes the line of a request; the fields that a client chose are of a form that cannot hold a value."""
    request = call.request
    slug = call.app_in_url or "-"
    if call.caller is not None:
        slug = call.caller.app.slug
        accepted_slugs.add(slug)
    fields = {
        "request": call.id,
        "app": slug,
        "method": shown_method(request.method),
        "route": route_of(request.url_rule.rule) if request.url_rule else "-",
        "status": status,
        "ms": (time.perf_counter() - call.started) * 1000,
        "client": call.address,
    }
    line = LINE
    trace = request.environ.get("HTTP_TRACEPARENT")
    if trace and (match := _TRACEPARENT.fullmatch(trace.strip())):
        fields["trace"] = match[1]
        line += " trace=%(trace)s"
    if call.token_fault:
        fields["token"] = call.token_fault.value
        line += " token=%(token)s"
    access_log.info(line, fields, extra={"accepted": call.caller is not None, "hindrance": call.hindrance})
