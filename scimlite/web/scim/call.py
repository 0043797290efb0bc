"""One HTTP request on its way through the endpoint: what is known of it, who it comes from, and what it attempts."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flask import Request, g, request

from ...apps import App, authentication
from ...apps.authentication import Caller
from ...apps.keyring import Keyring
from ...apps.workspace import Workspace
from ...config import Limits
from ...db import Database
from ...directory.attempt import Attempt
from ...directory.read import Resource
from ...errors import Forbidden, NotFound, ScimError
from ...journal import Action, Origin
from ...journal.refusals import Received
from ...scim.schema import ResourceType

#: Headers in which clients name their own request, best known first, as WSGI calls them: five look-ups for each write.
_CLIENT_REQUEST_IDS = (
    "HTTP_CLIENT_REQUEST_ID",
    "HTTP_X_MS_CLIENT_REQUEST_ID",
    "HTTP_X_REQUEST_ID",
    "HTTP_X_CORRELATION_ID",
)
_READER = Origin("reader")
_ACTIVITY = re.compile(r"ActivityId:\s*([0-9A-Za-z-]{1,64})")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True)
class Service:
    """What the endpoint works with: the database, the keys, and the operator's settings."""

    db: Database
    keyring: Keyring
    base_url: str | None
    limits: Limits


@dataclass
class Call:
    """One request on its way: what is known of it so far. The views get it instead of Flask's globals."""

    request: Request
    service: Service | None = None
    #: The service's root URL as the client knows it, blueprint prefix included.
    root: str = ""
    caller: Caller | None = None
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
    def keyring(self) -> Keyring:
        """The service's secret keys."""
        assert self.service is not None
        return self.service.keyring

    @property
    def limits(self) -> Limits:
        """The operator's limits."""
        assert self.service is not None
        return self.service.limits

    @property
    def app(self) -> App:
        """The caller's app; only behind authentication."""
        assert self.caller is not None
        return self.caller.app

    @property
    def slug(self) -> str:
        """The app's slug in the URL."""
        slug: str = (self.request.view_args or {}).get("slug", "")
        return slug

    @property
    def base(self) -> str:
        """The app's SCIM base URL as the client knows it."""
        return f"{self.root}/{self.slug}"

    @property
    def received(self) -> Received:
        """What came, to be kept when it is refused."""
        path = self.request.path.partition(f"/{self.slug}")[2] or "/"
        query = tuple(self.request.args.items())
        return Received(self.request.method, path, query, self.size, self.parsed, self.content)

    @cached_property
    def origin(self) -> Origin:
        """The client, token and request ids for the journal."""
        environ = self.request.environ
        agent = _UNPRINTABLE.sub("?", environ.get("HTTP_USER_AGENT", ""))[:200]
        label = self.caller.label if self.caller else None
        return Origin(agent or self.request.remote_addr or "unknown", label, self.id, _client_request_id(environ))

    @cached_property
    def workspace(self) -> Workspace:
        """The caller's app and this request's origin; only behind authentication."""
        return Workspace(self.db, self.origin, self.app)

    @property
    def reading(self) -> Workspace:
        """The caller's app for what only reads: nothing is recorded, so the origin (10 us) is not worked out."""
        return Workspace(self.db, _READER, self.app)

    def resource_type(self, endpoint: str) -> ResourceType:
        """The type behind an endpoint of the app; NotFound when the app has none."""
        found = self.app.resource_types.get(endpoint)
        if found is None:
            raise NotFound(f"There is nothing at /{endpoint[:100]}.")
        return found

    def admit(self, *, for_subjects: bool) -> None:
        """Find the caller by the token; Unauthorized without one that is valid here.

        Raises Forbidden when the token was issued for a user and the endpoint is not `for_subjects`.
        """
        header = self.request.environ.get("HTTP_AUTHORIZATION")
        self.caller = authentication.authenticate(self.db, self.keyring, header, self.slug, lambda: self.origin)
        if self.caller.subject is not None and not for_subjects:
            authentication.note_refusal(
                self.db, self.caller, lambda: self.origin, "it was used for more than /Me", Forbidden.status
            )
            raise Forbidden("This token was issued for one user: it is good for /Me and discovery only.")

    def attempt(self, action: Action, resource_type: ResourceType | None = None, id: str | None = None) -> HttpAttempt:
        """What this request attempts; as a context manager it records the refusal."""
        return HttpAttempt(self, action, resource_type, id=id)


class HttpAttempt(Attempt):
    """An attempt that came over HTTP: the journal records the status that the client gets."""

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
        #: What came, when it is a part of the request.
        self._received = received
        #: Gives the status for the resource as it was written; set before the write.
        self.answer: Callable[[Resource], int] | None = None
        #: The status that was recorded; None before, and for a write that changed nothing.
        self.status: int | None = None

    @property
    def workspace(self) -> Workspace:
        """The caller's app and the request's origin, which is worked out when something is recorded."""
        return self._call.workspace

    @property
    def received(self) -> Received:
        """What came, to be kept when it is refused."""
        return self._received or self._call.received

    def success_status(self, resource: Resource) -> int | None:
        """The HTTP status that the write is answered with."""
        self.status = self.answer(resource) if self.answer else None
        return self.status

    def failure_status(self, error: ScimError) -> int | None:
        """The HTTP status of the refusal."""
        return error.status


def current_call() -> Call:
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
