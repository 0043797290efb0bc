"""One HTTP request while the endpoint handles it: its caller, its origin for the journal, and its attempt to write."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from flask import Request, g, request

from ...apps import App, authentication, refused_tokens, trial
from ...apps.authentication import Caller, RefusedToken
from ...apps.keyring import Keyring, TokenKind
from ...apps.refused_tokens import Cause
from ...apps.workspace import Allowance, Workspace
from ...db import Database
from ...directory.attempt import Attempt
from ...directory.read import Resource
from ...errors import Forbidden, InvalidValue, NotFound, ScimError
from ...journal import Action, Actor, Origin
from ...journal.refusals import Received
from ...limits import Limits
from ...scim.escapes import from_wsgi, unescaped
from ...scim.leniency import Leniency, note
from ...scim.query import Query, load_parameters, load_query
from ...scim.schema import ResourceType
from ...sync.targets import loops
from .. import client_address

#: The headers that carry a client's own request id, by their WSGI names, the most common first. Entra's ADSCIMVERSION
#: comes before them, so that a write costs five look-ups.
_CLIENT_REQUEST_IDS = (
    "HTTP_CLIENT_REQUEST_ID",
    "HTTP_X_MS_CLIENT_REQUEST_ID",
    "HTTP_X_REQUEST_ID",
    "HTTP_X_CORRELATION_ID",
)
#: The headers that are text to us, by their WSGI names. What is malformed in any other is refused where it is read.
_TEXT_HEADERS = ("HTTP_USER_AGENT", "HTTP_ADSCIMVERSION", *_CLIENT_REQUEST_IDS, "HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
#: What a method of a resource attempts, for the journal.
ACTIONS = {
    "POST": Action.CREATED,
    "PUT": Action.UPDATED,
    "PATCH": Action.UPDATED,
    "DELETE": Action.DELETED,
}
#: For each kind of token that an endpoint is for, why others are refused: the cause, for the journal, for the client.
_WRONG_KINDS = {
    TokenKind.SCIM: (
        Cause.READER,
        "it is the application's, and was used at the SCIM endpoint",
        "This token is for reading profiles and events: it is not valid for SCIM.",
    ),
    TokenKind.READER: (
        Cause.NO_READER,
        "it is an identity provider's, and was used where the application reads",
        "This token is for SCIM. The application needs one of its own: scimlite token issue --kind reader.",
    ),
}
_ONE_USER = (
    Cause.ONE_USER,
    "it was used for more than /Me",
    "This token was issued for one user: it is good for /Me and discovery only.",
)
_READER = Origin("reader")
_TRIAL = f"HTTP_{trial.HEADER.upper().replace('-', '_')}"
_MARK = f"HTTP_{loops.MARK_HEADER.upper().replace('-', '_')}"
_ACTIVITY = re.compile(r"ActivityId:\s*([0-9A-Za-z-]{1,64})")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True)
class Service:
    """The database, keys and settings of one blueprint.

    `base_url` is the address that clients use; None for the address of each request.
    """

    db: Database
    keyring: Keyring
    base_url: str | None
    limits: Limits


@dataclass
class Call:
    """One HTTP request and the facts that its handling adds: the service, the caller, the body.

    Views take the call as a parameter and do not read Flask's globals.
    """

    request: Request
    #: The service's database, secret keys and limits; set by `begin`, as all up to the app.
    db: Database = field(init=False)
    keyring: Keyring = field(init=False)
    limits: Limits = field(init=False)
    #: The app's slug in the URL.
    slug: str = ""
    #: The URL of the blueprint, and the app's SCIM base URL, as the client sees them.
    root: str = ""
    base: str = ""
    #: True for a request of `scimlite app test`, which is neither contact nor a need of leniencies.
    is_trial: bool = False
    #: The caller's app; set by `admit`.
    app: App = field(init=False)
    #: The app and the token of the request; None before authentication.
    caller: Caller | None = None
    #: The size of the body in bytes; None before it is read.
    body_size: int | None = None
    #: True when the body was read and is JSON; `body` then holds its value.
    body_is_json: bool = False
    body: Any = None
    #: The request id, which the journal, the log and the X-Request-Id header show.
    id: str = field(default_factory=lambda: os.urandom(8).hex())
    #: The leniencies that the request needed.
    leniencies: set[Leniency] = field(default_factory=set)
    #: Why the token was refused; None when it was not.
    token_fault: Cause | None = None
    #: The `hindrance` of the last error that the request had.
    hindrance: str = ""
    #: The slug in the URL of a request whose token was refused, when there is such an app.
    app_in_url: str | None = None
    #: When the request began, in seconds of `time.perf_counter`.
    started: float = field(default_factory=time.perf_counter)

    def begin(self, service: Service, root: str) -> None:
        """Takes over the service, and the URL of the blueprint as the client sees it, URL prefix included."""
        self.db, self.keyring, self.limits = service.db, service.keyring, service.limits
        self.slug = (self.request.view_args or {}).get("slug", "")
        self.root, self.base = root, f"{root}/{self.slug}"
        header = self.request.environ.get(_TRIAL)
        self.is_trial = header is not None and trial.is_proved(service.keyring, self.slug, header)

    @property
    def received(self) -> Received:
        """The request in the form in which the journal keeps a refused one."""
        path = self.request.path.partition(f"/{self.slug}")[2] or "/"
        query = tuple(self.request.args.items())
        return Received(self.request.method, path, query, self.body_size, self.body_is_json, self.body)

    @property
    def address(self) -> str:
        """The client's address, after the trusted proxies; `-` when it has none."""
        return client_address.shown(self.request.environ.get("REMOTE_ADDR") or "")

    @cached_property
    def origin(self) -> Origin:
        """The client, token and request ids for the journal."""
        environ = self.request.environ
        agent = _UNPRINTABLE.sub("?", environ.get("HTTP_USER_AGENT", ""))[:200]
        label = self.caller.label if self.caller else None
        address = self.address
        return Origin(
            agent or address,
            label,
            self.id,
            _client_request_id(environ),
            Actor.APP_TEST if self.is_trial else Actor.SCIM,
            None if address == "-" else address,
        )

    @cached_property
    def workspace(self) -> Workspace:
        """The database, the request's origin, the caller's app and its base URL; it is available after `admit`."""
        allowance = Allowance(self.limits.max_passwords)
        return Workspace(self.db, self.origin, self.app, self.base, self.limits, allowance)

    @property
    def reading(self) -> Workspace:
        """The caller's app for requests that only read; its origin is a stand-in, because computing one costs 10 us."""
        return Workspace(self.db, _READER, self.app)

    def find_type(self, endpoint: str) -> ResourceType | None:
        """Returns the app's resource type with this endpoint, in any case; None when the app has none."""
        resource_type = self.app.resource_types.get(endpoint)
        if resource_type is not None:
            return resource_type
        for name, resource_type in self.app.resource_types.items():
            if name.lower() == endpoint.lower():
                note(Leniency.ENDPOINT_CASE)
                return resource_type
        return None

    def resource_type(self, endpoint: str) -> ResourceType:
        """Returns the app's resource type with this endpoint, in any case. Raises NotFound when the app has none."""
        resource_type = self.find_type(endpoint)
        if resource_type is None:
            raise NotFound(f"There is nothing at /{endpoint[:100]}.")
        return resource_type

    def check_text(self) -> None:
        """Raises InvalidValue when the path or a header that is text is not UTF-8.

        Werkzeug would put U+FFFD in place of such bytes, and the request would be about something else.
        """
        environ = self.request.environ
        try:
            path = from_wsgi(environ.get("PATH_INFO", ""))
            if "%" in path and (raw := environ.get("RAW_URI") or environ.get("REQUEST_URI")):
                unescaped(raw.partition("?")[0], "latin-1")
        except ValueError:
            raise InvalidValue("The path is malformed: it is not percent-encoded UTF-8.") from None
        for name in _TEXT_HEADERS:
            value = environ.get(name)
            if value and not value.isascii():
                try:
                    from_wsgi(value)
                except ValueError:
                    header = name.removeprefix("HTTP_").replace("_", "-").title()
                    raise InvalidValue(f"The header {header} is not UTF-8.") from None

    def parameters(self) -> dict[str, str]:
        """Returns the parameters of the URL by name in lower case. Raises the errors of `query.load_parameters`."""
        return load_parameters(self.request.environ.get("QUERY_STRING", ""))

    def query(self) -> Query:
        """Returns the query in the URL. Raises the errors of `query.load_query`."""
        return load_query(self.request.environ.get("QUERY_STRING", ""))

    def admit(self, *, for_subjects: bool, kind: TokenKind = TokenKind.SCIM) -> None:
        """Authenticates the request by its bearer token and sets `caller` and `app`.

        In: `for_subjects`, True when the endpoint accepts a token that was issued for a user; `kind`, which tokens it
        is for. Raises Unauthorized without a token that is valid for the app in the URL, Forbidden for one that is and
        may not be used here.
        """
        header = self.request.environ.get("HTTP_AUTHORIZATION")
        try:
            self.caller = authentication.authenticate(
                self.db, self.keyring, header, self.slug, lambda: self.origin, trial=self.is_trial
            )
        except RefusedToken as refused:
            self._note_token(refused.cause)
            raise
        self.app = self.caller.app
        if self.caller.kind is not kind:
            self._forbid(*_WRONG_KINDS[kind])
        if self.caller.subject is not None and not for_subjects:
            self._forbid(*_ONE_USER)
        mark = self.request.environ.get(_MARK)
        if mark is not None and loops.pushed_by_us(self.db, mark):
            # A target of this installation leads back to it, by whatever names.
            raise Forbidden(
                "This comes from a target of this same installation, which would go on for ever. The operator may "
                "allow it: scimlite target edit --same-installation."
            )

    def _forbid(self, cause: Cause, reason: str, told: str) -> NoReturn:
        """Notes that a valid token was used where it may not be, with the reason, and raises Forbidden."""
        assert self.caller is not None
        authentication.note_refusal(self.db, self.caller, lambda: self.origin, cause, reason, Forbidden.status)
        self._note_token(cause)
        raise Forbidden(told)

    def _note_token(self, cause: Cause) -> None:
        """Counts a refused token for the app in the URL, and keeps its cause for the log."""
        self.token_fault = cause
        if refused_tokens.count(self.db, self.slug, cause, self.address):
            self.app_in_url = self.slug

    def attempt(self, action: Action, resource_type: ResourceType | None = None, id: str | None = None) -> HttpAttempt:
        """Returns a context manager that records in the journal the error that leaves its block.

        In: `id`, the resource that the request names; None for a creation or a query.
        """
        return HttpAttempt(self, action, resource_type, id=id)


class HttpAttempt(Attempt):
    """An attempt that came over HTTP: the journal records the status that the client gets.

    In: `received`, the operation of a bulk request; None for the whole request.
    """

    def __init__(
        self,
        call: Call,
        action: Action,
        resource_type: ResourceType | None = None,
        *,
        id: str | None = None,
        received: Received | None = None,
    ) -> None:
        super().__init__(None, action, resource_type, id=id)
        self._call = call
        self._received = received
        #: Maps the written resource to the HTTP status; it must be set before the write.
        self.status_for: Callable[[Resource], int] | None = None
        #: The status in the journal; None before the write, and when it changed nothing.
        self.recorded_status: int | None = None

    @cached_property
    def workspace(self) -> Workspace:  # kept, because a write reads it eight times
        """The caller's app and the request's origin; a query that nobody refuses needs neither."""
        return self._call.workspace

    @property
    def received(self) -> Received:
        """The request, or the bulk operation, in the form in which the journal keeps a refused one."""
        return self._received or self._call.received

    @property
    def may_be_large(self) -> bool:
        """True when the whole request has more bytes than are harmless."""
        size = self._call.body_size
        return size is None or size > self._call.limits.harmless

    def success_status(self, resource: Resource) -> int | None:
        """Returns the HTTP status of the answer to a write, and keeps it as `recorded_status`."""
        self.recorded_status = self.status_for(resource) if self.status_for else None
        return self.recorded_status

    def failure_status(self, error: ScimError) -> int | None:
        """Returns the HTTP status of an error."""
        return error.status


def current_call() -> Call:
    """Returns the call of the current request; the first use in a request creates it."""
    # The object itself: each attribute of Flask's stand-in for it costs three calls.
    kept = g._get_current_object()
    call: Call | None = kept.get("scim_call")
    if call is None:
        call = kept.scim_call = Call(request._get_current_object())  # type: ignore[attr-defined]
    return call


def _client_request_id(environ: dict[str, Any]) -> str | None:
    """Returns the client's own request id: Entra's ActivityId, or the first of the usual headers."""
    activity = _ACTIVITY.search(environ.get("HTTP_ADSCIMVERSION", ""))
    if activity:
        return activity.group(1)
    for name in _CLIENT_REQUEST_IDS:
        value = environ.get(name)
        if value:
            return _UNPRINTABLE.sub("?", value)[:100]
    return None
