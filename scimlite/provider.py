"""The SCIM blueprint: who asks, which route, what goes wrong; the views do the rest."""

from __future__ import annotations

import logging
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import orjson
import peewee
from flask import Blueprint, Response, current_app, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, RequestRedirect

from . import errors, journal, tokens
from .db import Database
from .errors import ScimError
from .journal import Action, Entry, Origin, Outcome
from .scim.messages import MEDIA_TYPE
from .tokens import Keyring

#: One line per request: request id, app, method, route, status, milliseconds. Never values, never secrets.
access_log = logging.getLogger("scimlite.access")
error_log = logging.getLogger("scimlite.error")

#: Every method there is, so that each answer of ours is SCIM and 405 is ours to give.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
#: Headers in which clients name their own request, best known first.
_CLIENT_REQUEST_IDS = ("client-request-id", "x-ms-client-request-id", "x-request-id", "x-correlation-id")
_ACTIVITY = re.compile(r"ActivityId:\s*([0-9A-Za-z-]{1,64})")
_PRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True)
class Service:
    """What the views work with: the database, the keys, and the operator's limits."""

    db: Database
    keyring: Keyring
    base_url: str | None = None
    max_body: int = 16 * 1024 * 1024
    max_results: int = 1000
    default_count: int = 100


@dataclass(slots=True)
class Attempt:
    """What a request tries, for the journal row of its refusal."""

    action: Action
    type: str | None = None
    id: str | None = None
    name: str | None = None


class AnyPath(BaseConverter):
    """The rest of a URL, slashes, doubled ones and nothing included."""

    regex = ".*"
    part_isolating = False
    #: Heavier than any other converter: tried last.
    weight = 1000


def register(blueprint: Blueprint, service: Service) -> None:
    """Give a blueprint its authentication, its error handler and its catch-all route."""

    prefix = ""

    @blueprint.record_once
    def _registered(state: Any) -> None:
        nonlocal prefix
        prefix = state.url_prefix or ""
        state.app.url_map.converters.setdefault("scimpath", AnyPath)

    @blueprint.before_request
    def _begin() -> None:
        begin()
        g.root = (service.base_url or request.host_url.rstrip("/") + request.script_root) + prefix
        request.max_content_length = service.max_body
        if request.endpoint and not request.endpoint.endswith(".ServiceProviderConfig"):
            authenticate(service)

    blueprint.register_error_handler(Exception, handle)
    blueprint.after_request(finish)

    def catch_all(slug: str = "", rest: str = "") -> Response:
        return _elsewhere(slug, rest)

    for rule in ("/", "/<slug>", "/<slug>/<scimpath:rest>"):
        blueprint.add_url_rule(
            rule, "catch_all", catch_all, methods=METHODS, merge_slashes=False, provide_automatic_options=False
        )


def begin() -> None:
    """Start a request: its id and its clock."""
    g.request_id = secrets.token_hex(8)
    g.started = time.perf_counter()
    g.attempt = None
    g.caller = None
    g.origin = Origin(_client(), None, g.request_id, _client_request_id())


def _client() -> str:
    agent = _PRINTABLE.sub("?", request.headers.get("User-Agent", ""))[:200]
    return agent or request.remote_addr or "unknown"


def _client_request_id() -> str | None:
    activity = _ACTIVITY.search(request.headers.get("ADSCIMVersion", ""))
    if activity:
        return activity.group(1)
    for name in _CLIENT_REQUEST_IDS:
        value = request.headers.get(name)
        if value:
            return _PRINTABLE.sub("?", value)[:100]
    return None


def authenticate(service: Service) -> None:
    """Find the caller; Unauthorized otherwise."""
    slug = (request.view_args or {}).get("slug", "")
    g.service = service
    g.caller = tokens.authenticate(service.db, service.keyring, request.headers.get("Authorization"), slug, g.origin)
    g.origin = Origin(g.origin.client, g.caller.label, g.request_id, g.origin.client_request_id)


def base_url(slug: str) -> str:
    """The app's SCIM base URL as the client knows it."""
    return f"{g.root}/{slug}"


def respond(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer with a SCIM body."""
    return current_app.response_class(body, status=status, headers=headers, content_type=MEDIA_TYPE)


def empty(status: int = 204, headers: dict[str, str] | None = None) -> Response:
    """An answer without a body, and so without a content type."""
    response = current_app.response_class(b"", status=status, headers=headers)
    del response.headers["Content-Type"]
    return response


def _elsewhere(slug: str, rest: str) -> Response:
    """Whatever no route took: a URL with doubled slashes is tried again without, all else is 404."""
    tidy = "/".join(part for part in rest.split("/") if part)
    if slug and tidy and tidy != rest:
        prefix = request.path[: len(request.path) - len(rest)]
        adapter = current_app.create_url_adapter(request)
        assert adapter is not None
        endpoint, arguments = adapter.match(prefix + tidy)
        if not endpoint.endswith("catch_all"):
            request.url_rule = None
            view: Any = current_app.view_functions[endpoint]
            answer: Response = view(**arguments)
            return answer
    raise errors.NotFound(f"There is nothing at /{tidy[:100]}. Endpoints: /Users, /Groups, /Schemas and others.")


# --- errors -------------------------------------------------------------------------------------------------------


def handle(error: Exception) -> Response:
    """Turn any error into its SCIM answer; refused and failed writes and filters are journalled."""
    known = scim_error(error)
    if known.status >= 500 and not isinstance(error, ScimError):
        error_log.error("request=%s failed", g.get("request_id"), exc_info=error)
    _journal(known)
    return render_error(known)


def render_error(error: ScimError) -> Response:
    """The one place where errors become bytes."""
    request_id = g.get("request_id")
    body = orjson.dumps(error.body(request_id))
    return respond(body, error.status, error.headers)


def scim_error(error: Exception) -> ScimError:
    """What a client is told about an exception; nothing of a library's own words."""
    if isinstance(error, ScimError):
        return error
    if isinstance(error, HTTPException):
        return _http_error(error)
    if isinstance(error, RecursionError):
        return errors.InvalidSyntax("The request is nested too deeply.")
    if isinstance(error, (peewee.OperationalError, peewee.InterfaceError)) and hasattr(g, "service"):
        translated = g.service.db.translated(error)
        if isinstance(translated, ScimError):
            return translated
    return errors.InternalError("Something went wrong on our side; the server's log has the details.")


def _http_error(error: HTTPException) -> ScimError:
    code = error.code or 500
    if isinstance(error, RequestRedirect) or code == 404:
        return errors.NotFound("There is nothing at this URL.")
    if code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return errors.MethodNotAllowed(
            f"{request.method} is not possible here.", headers={"Allow": allowed} if allowed else None
        )
    if code == 413:
        return errors.PayloadTooLarge("The body is larger than this service accepts.")
    if code == 415:
        return errors.UnsupportedMediaType("The content type is not JSON.")
    if code < 500:
        return errors.BadRequest(f"The request cannot be understood ({error.name}).")
    return errors.InternalError("Something went wrong on our side; the server's log has the details.")


def _journal(error: ScimError) -> None:
    """One row for a refused or failed write, or a refused filter, in a transaction of its own."""
    attempt: Attempt | None = g.get("attempt")
    if attempt is None or g.caller is None or error.status in (401, 404, 405, 503):
        return
    if attempt.action is Action.SEARCHED and error.status != 400:
        return
    outcome = Outcome.FAILED if error.status >= 500 else Outcome.REFUSED
    who = (attempt.id, attempt.name) if attempt.id or attempt.name else None
    entry = Entry(
        attempt.action,
        outcome,
        user=who if attempt.type == "User" else None,
        group=who if attempt.type == "Group" else None,
        status=error.status,
        detail=error.detail,
    )
    try:
        journal.record_alone(g.service.db, g.caller.app.id, g.origin, entry)
    except (ScimError, peewee.PeeweeException) as failure:
        error_log.error("request=%s could not be journalled", g.request_id, exc_info=failure)


def finish(response: Response) -> Response:
    """End a request: its id in a header and its line in the log."""
    response.headers["X-Request-Id"] = g.request_id
    if access_log.isEnabledFor(logging.INFO):
        rule = request.url_rule.rule if request.url_rule else "-"
        caller = g.get("caller")
        access_log.info(
            "request=%s app=%s method=%s route=%s status=%d ms=%.1f",
            g.request_id,
            caller.app.slug if caller else "-",
            request.method,
            rule,
            response.status_code,
            (time.perf_counter() - g.started) * 1000,
        )
    return response

