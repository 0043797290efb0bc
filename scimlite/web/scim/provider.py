"""The SCIM blueprint: who asks, which route, what goes wrong; the views do the rest."""

from __future__ import annotations

import logging
import re
import secrets
import time
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import orjson
from flask import Blueprint, Request, Response, current_app, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, RequestRedirect
from werkzeug.urls import iri_to_uri

from ... import errors, journal
from ...apps import App, authentication
from ...apps.authentication import Caller
from ...apps.keyring import Keyring
from ...clock import DAY
from ...db import Database, DatabaseError
from ...errors import ScimError
from ...journal import Action, Entry, Origin, Outcome, refusals
from ...journal.refusals import Received
from ...scim.messages import MEDIA_TYPE

#: One line per request: request id, app, method, route, status, milliseconds. Never values, never secrets.
access_log = logging.getLogger("scimlite.access")
error_log = logging.getLogger("scimlite.error")

#: Every method there is, so that each answer of ours is SCIM and 405 is ours to give.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
#: Headers in which clients name their own request, best known first, as WSGI calls them: five look-ups for each write.
_CLIENT_REQUEST_IDS = (
    "HTTP_CLIENT_REQUEST_ID",
    "HTTP_X_MS_CLIENT_REQUEST_ID",
    "HTTP_X_REQUEST_ID",
    "HTTP_X_CORRELATION_ID",
)
_ACTIVITY = re.compile(r"ActivityId:\s*([0-9A-Za-z-]{1,64})")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
#: The routes that a token with a subject may use; whatever comes new is closed to it.
_FOR_SUBJECTS = frozenset(
    {"Me", "ServiceProviderConfig", "Schemas", "Schema", "ResourceTypes", "ResourceType", "OpenApi"}
)


@dataclass(frozen=True)
class Service:
    """What the views work with: the database, the keys, and the operator's limits."""

    db: Database
    keyring: Keyring
    base_url: str | None = None
    max_body: int = 16 * 1024 * 1024
    max_results: int = 1000
    default_count: int = 100
    max_operations: int = 1000
    #: How long a tombstone is kept, in microseconds.
    retention: int = 30 * DAY


@dataclass(slots=True)
class Attempt:
    """What a request tries, for the journal row of its refusal."""

    action: Action
    type: str | None = None
    id: str | None = None
    name: str | None = None
    #: What came, when it is only a part of the request.
    received: Received | None = None


@dataclass
class Call:
    """One request on its way: what is known of it so far. The views get it instead of Flask's globals."""

    request: Request
    service: Service | None = None
    #: The service's root URL as the client knows it, blueprint prefix included.
    root: str = ""
    caller: Caller | None = None
    attempt: Attempt | None = None
    #: Bytes of the body, and what it holds when it is JSON.
    size: int | None = None
    parsed: bool = False
    content: Any = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    started: float = field(default_factory=time.perf_counter)

    @property
    def db(self) -> Database:
        """The service's database."""
        assert self.service is not None
        return self.service.db

    @property
    def retention(self) -> int:
        """How long tombstones are kept, in microseconds."""
        assert self.service is not None
        return self.service.retention

    @property
    def app(self) -> App:
        """The caller's app; only behind authentication."""
        assert self.caller is not None
        return self.caller.app

    @property
    def base(self) -> str:
        """The app's SCIM base URL as the client knows it."""
        return f"{self.root}/{(self.request.view_args or {}).get('slug', '')}"

    @property
    def received(self) -> Received:
        """What came, to be kept when it is refused."""
        request = self.request
        if self.attempt is not None and self.attempt.received is not None:
            return self.attempt.received
        path = request.path.partition(f"/{(request.view_args or {}).get('slug', '')}")[2] or "/"
        query = tuple(request.args.items())
        return Received(request.method, path, query, self.size, self.parsed, self.content)

    @cached_property
    def origin(self) -> Origin:
        """Who asks, for the journal."""
        environ = self.request.environ
        agent = _UNPRINTABLE.sub("?", environ.get("HTTP_USER_AGENT", ""))[:200]
        label = self.caller.label if self.caller else None
        return Origin(agent or self.request.remote_addr or "unknown", label, self.id, _client_request_id(environ))


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
        call = begin()
        call.service = service
        asked = call.request
        call.root = _uri((service.base_url or f"{asked.scheme}://{asked.host}{asked.script_root}") + prefix)
        # One more than allowed: of a body without a length Werkzeug reads this much and forgets the rest silently.
        call.request.max_content_length = service.max_body + 1
        if not (call.request.endpoint or "").endswith(".ServiceProviderConfig"):
            _authenticate(call, service)
            _permit(call, call.request.endpoint or "")
        if "\0" in call.request.path:
            raise errors.NotFound("There is nothing at this URL.")

    blueprint.register_error_handler(Exception, handle)
    blueprint.after_request(finish)

    def catch_all(slug: str = "", rest: str = "") -> Response:
        return _elsewhere(slug, rest)

    for rule in ("/", "/<slug>/<scimpath:rest>"):
        blueprint.add_url_rule(
            rule, "catch_all", catch_all, methods=METHODS, merge_slashes=False, provide_automatic_options=False
        )


def begin() -> Call:
    """The call of this request, made when it begins."""
    call: Call | None = g.get("scim_call")
    if call is None:
        call = g.scim_call = Call(request._get_current_object())  # type: ignore[attr-defined]  # a proxy's own method
    return call


def _client_request_id(environ: dict[str, Any]) -> str | None:
    """The client's own id of the request: Entra's ActivityId, or one of the usual headers."""
    activity = _ACTIVITY.search(environ.get("HTTP_ADSCIMVERSION", ""))
    if activity:
        return activity.group(1)
    for name in _CLIENT_REQUEST_IDS:
        value = environ.get(name)
        if value:
            return _UNPRINTABLE.sub("?", value)[:100]
    return None


def _authenticate(call: Call, service: Service) -> None:
    """Find the caller; Unauthorized otherwise."""
    slug = (call.request.view_args or {}).get("slug", "")
    header = call.request.environ.get("HTTP_AUTHORIZATION")
    call.caller = authentication.authenticate(service.db, service.keyring, header, slug, lambda: call.origin)


def _permit(call: Call, endpoint: str) -> None:
    """Forbidden when the token was issued for a user and the route is neither `/Me` nor discovery."""
    route = endpoint.rpartition(".")[2]
    caller = call.caller
    # Where the catch-all route leads is seen there.
    if caller is None or caller.subject is None or route in _FOR_SUBJECTS or route == "catch_all":
        return
    authentication.note_refusal(call.db, caller, lambda: call.origin, "it was used for more than /Me", 403)
    raise errors.Forbidden("This token was issued for one user: it is good for /Me and discovery only.")


#: The few URLs by which clients know the service, as URIs: Werkzeug takes them apart at the price of a SELECT.
_uri = lru_cache(maxsize=256)(iri_to_uri)


class _Answer(Response):
    """A response whose headers are as they shall be: its Location is an absolute URI, its length is known.

    Werkzeug would copy all headers and work both out again for each one.
    """

    def get_wsgi_headers(self, environ: Any) -> Any:
        return self.headers


def respond(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer with a SCIM body."""
    return _Answer(body, status, headers, content_type=MEDIA_TYPE)


def empty(status: int = 204, headers: dict[str, str] | None = None) -> Response:
    """An answer without a body, and so without a content type."""
    response = Response(b"", status, headers)
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
            _permit(begin(), endpoint)
            request.view_args = dict(arguments)
            view: Any = current_app.view_functions[endpoint]
            answer: Response = view(**arguments)
            return answer
    raise errors.NotFound(f"There is nothing at /{tidy[:100]}. Endpoints: /Users, /Groups, /Schemas and others.")


# --- errors -------------------------------------------------------------------------------------------------------


def handle(error: Exception) -> Response:
    """Turn any error into its SCIM answer."""
    call = begin()
    known = failure(error, call)
    return respond(orjson.dumps(known.body(call.id)), known.status, known.headers)


def failure(error: Exception, call: Call) -> ScimError:
    """What a client is told about any error, the one place where that is decided.

    What is our own fault is logged; refusals of writes are journalled as the call's attempt.
    """
    known = _scim_error(error, call)
    if isinstance(known, errors.InternalError):
        error_log.error("request=%s failed", call.id, exc_info=error)
    elif isinstance(known, errors.Unavailable):
        # The kind of error only: its text may quote what was being written.
        error_log.error("request=%s database unavailable: %s", call.id, type(error.__cause__ or error).__name__)
    _journal(known, call)
    return known


def _scim_error(error: Exception, call: Call) -> ScimError:
    """What a client is told about an exception; nothing of a library's own words."""
    if isinstance(error, ScimError):
        return error
    if isinstance(error, HTTPException):
        return _http_error(error, call)
    if isinstance(error, RecursionError):
        return errors.InvalidSyntax("The request is nested too deeply.")
    return errors.InternalError("Something went wrong on our side; the server's log has the details.")


def _http_error(error: HTTPException, call: Call) -> ScimError:
    """What a client is told about an error of Flask's own."""
    code = error.code or 500
    if isinstance(error, RequestRedirect) or code == 404:
        return errors.NotFound("There is nothing at this URL.")
    if code == 405 and call.request.method not in METHODS:
        return errors.NotImplementedHere(f"{call.request.method[:20]} is not a method of SCIM.")
    if code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        headers = {"Allow": allowed} if allowed else None
        return errors.MethodNotAllowed(f"{call.request.method} is not possible here.", headers=headers)
    if code == 413:
        return errors.PayloadTooLarge("The body is larger than this service accepts.", remedy=errors.LARGER_BODIES)
    if code == 415:
        return errors.UnsupportedMediaType("The content type is not JSON.")
    if code < 500:
        return errors.BadRequest(f"The request cannot be understood ({error.name}).")
    return errors.InternalError("Something went wrong on our side; the server's log has the details.")


def _journal(error: ScimError, call: Call) -> None:
    """One row for a refused or failed write, or a refused filter, in a transaction of its own."""
    attempt = call.attempt
    if attempt is None or call.caller is None or error.status in (401, 404, 405, 503):
        return
    if attempt.action is Action.SEARCHED and error.status != 400:
        return
    who = (attempt.id, attempt.name) if attempt.id or attempt.name else None
    other = attempt.type not in (None, "User", "Group")
    entry = Entry(
        attempt.action,
        Outcome.FAILED if error.status >= 500 else Outcome.REFUSED,
        user=who if attempt.type == "User" else None,
        group=who if attempt.type == "Group" else None,
        status=error.status,
        detail=f"{attempt.type} {attempt.name or attempt.id!r}: {error.detail}" if other else error.detail,
    )
    types = [each for each in call.app.resource_types.values() if attempt.type in (None, each.name)]

    def keep(named: Entry) -> None:
        refusals.keep(call.db, call.app, call.origin, call.received, types, error, named)

    try:
        journal.record_alone(call.db, call.app.id, call.origin, entry, keep)
    except (ScimError, DatabaseError) as failure:
        error_log.error("request=%s could not be journalled", call.id, exc_info=failure)


def finish(response: Response) -> Response:
    """End a request: its id in a header and its line in the log."""
    call = begin()
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
