"""One request at the console: the browser's secret, the session behind it, and the operator's desk."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from flask import Request, Response, redirect, render_template, url_for
from itsdangerous import BadData, URLSafeSerializer

from ...admin import desk as desks
from ...admin.desk import Desk
from ...apps import App
from ...apps.keyring import Keyring
from ...config import Settings
from ...db import Database
from ...errors import OperatorError
from ...journal import Actor, Origin, Scope
from ...journal.origin import CONSOLE_OPERATORS
from ...operators import sessions
from ...operators.roles import Act
from ...operators.sessions import Session
from ..scim.call import current_call
from .texts import Languages

#: The name in a WSGI environment of the port on which the request came in.
LISTENER = "scimlite.listener"
#: With https the browser lets no other host or path set the cookie (RFC 6265bis, "__Host-").
_COOKIE = "scimlite"
_GUEST = "scimlite-guest"
#: What was done, said on the next page.
_NOTICES = "scimlite-notices"
_SAFE_PREFIX = "__Host-"
#: Hosts to which plain http does not leave the machine.
_LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
#: The field of a form, and the header of htmx, that hold the CSRF token.
CSRF_FIELD, CSRF_HEADER = "csrf_token", "X-CSRF-Token"
#: Seconds until a notice that nobody saw is forgotten.
_NOTICES_LIVE = 60
#: Browsers drop cookies of more than 4,096 bytes, and a character can take twelve of them.
_LONGEST_NOTICE = 300
_LONGEST_FORM = 4_000_000


class Forged(OperatorError):
    """A form was sent by another site, or by a page of a session that has ended."""

    def __init__(self) -> None:
        super().__init__("This form is too old, or was not sent from this console. Load the page again.")


class SignedOut(OperatorError):
    """Nobody is signed in in this browser, or the session has ended."""


class Insecure(OperatorError):
    """The console was opened by plain http from elsewhere: whoever listens would get the session."""


@dataclass(frozen=True)
class Console:
    """What all requests share: settings, database, secret keys, and the languages of the texts."""

    settings: Settings
    db: Database
    keyring: Keyring
    languages: Languages = field(default_factory=Languages)


class Visit:
    """A request at the console. Pages take it as a parameter and do not read Flask's globals."""

    def __init__(self, console: Console, request: Request) -> None:
        self.console = console
        self.request = request
        #: The app in the URL, set before the page runs; None on pages about no single app.
        self.named_app: App | None = None
        self._new_guest: str | None = None
        self._notices: list[tuple[str, str]] = []

    # --- who is there ---------------------------------------------------------------------------------------------

    @property
    def is_secure(self) -> bool:
        """True when the browser speaks https, to this service or to the proxy in front of it."""
        base_url = self.console.settings.base_url or ""
        return self.request.is_secure or base_url.startswith("https:")

    @property
    def is_here(self) -> bool:
        """True unless the operator wants the console under another host name, or on another port."""
        place = self.console.settings.console
        if place is None or (place.host is None and place.bind is None):
            return place is not None
        if place.host is not None:
            return self._host_name == place.host
        environ = self.request.environ
        return place.bind is not None and environ.get(LISTENER, int(environ["SERVER_PORT"])) == place.bind[1]

    @property
    def _host_name(self) -> str:
        """The host name in the address, without the port."""
        host = self.request.host.lower()
        return host[: host.index("]") + 1] if host.startswith("[") else host.partition(":")[0]

    def check_transport(self) -> None:
        """Raises Insecure for plain http that leaves the machine."""
        if not self.is_secure and self._host_name not in _LOOPBACK:
            raise Insecure(
                "The console needs https, because a session could be stolen on the way. Behind a proxy that speaks "
                "https, set SCIMLITE_BASE_URL to its address or SCIMLITE_TRUSTED_PROXIES; without one, open the "
                "console on the machine itself or through a tunnel (ssh -L)."
            )

    @property
    def address(self) -> str | None:
        """The browser's address, behind the trusted proxies; None when it has none."""
        address = current_call().address
        return None if address == "-" else address

    @property
    def app(self) -> App:
        """The app in the URL of a page that has one."""
        assert self.named_app is not None
        return self.named_app

    def setup_url(self, text: str) -> str:
        """Returns the address of a set-up link with this text."""
        return f"{self.url}{url_for('console.setup', secret=text).removeprefix(self.request.script_root)}"

    @cached_property
    def session(self) -> Session | None:
        """The session of the browser; None when nobody is signed in."""
        secret = self._cookie(_COOKIE)
        return sessions.find(self.console.db, secret, used=not self.is_partial) if secret else None

    @cached_property
    def desk(self) -> Desk:
        """The desk of the operator who is signed in. Raises SignedOut."""
        session = self.session
        if session is None:
            raise SignedOut("Sign in first.")
        origin = desks.origin_of(session.operator, address=self.address, request_id=current_call().id)
        return Desk(self.console.db, self.console.keyring, session.operator, origin, session.fresh)

    def scope_of(self, name: str) -> Scope:
        """The scope of somebody who signs in as this operator, or tries to."""
        origin = Origin(
            f"{CONSOLE_OPERATORS}{name}",
            request_id=current_call().id,
            actor=Actor.CONSOLE,
            address=self.address,
        )
        return Scope(self.console.db, origin)

    # --- cookies and forms ----------------------------------------------------------------------------------------

    def _name(self, cookie: str) -> str:
        return f"{_SAFE_PREFIX}{cookie}" if self.is_secure else cookie

    def _cookie(self, cookie: str) -> str | None:
        value = self.request.cookies.get(self._name(cookie))
        return value if value and len(value) <= 100 else None

    def sign_in(self, response: Response, secret: str) -> Response:
        """Gives the browser the secret of its new session; what it had before as a guest is void."""
        self._set(response, _COOKIE, secret, round(sessions.LONGEST / 1_000_000))
        return self.drop(response, _GUEST)

    def sign_out(self, response: Response) -> Response:
        """Takes the secret away from the browser."""
        return self.drop(response, _COOKIE)

    def _set(self, response: Response, cookie: str, secret: str, seconds: int | None) -> None:
        response.set_cookie(
            self._name(cookie), secret, max_age=seconds, secure=self.is_secure, httponly=True, samesite="Lax", path="/"
        )

    def csrf_token(self) -> str:
        """The token for the forms of this browser; a browser without a session gets a cookie as a guest."""
        if self.session is not None:
            return sessions.csrf_token(self._cookie(_COOKIE) or "")
        guest = self._cookie(_GUEST) or self._new_guest
        if guest is None:
            guest = self._new_guest = secrets.token_urlsafe(32)
        return sessions.csrf_token(guest)

    def keep(self, response: Response, cookie: str, value: str, seconds: int) -> None:
        """Has the browser keep a value for so many seconds."""
        self._set(response, cookie, value, seconds)

    def kept(self, cookie: str) -> str | None:
        """The value that the browser kept."""
        return self.request.cookies.get(self._name(cookie))

    def drop(self, response: Response, cookie: str) -> Response:
        """Has the browser forget a value."""
        response.delete_cookie(self._name(cookie), secure=self.is_secure, httponly=True, samesite="Lax")
        return response

    def notice(self, text: str, tone: str = "ok") -> None:
        """Says on the next page what was done, cut to what a cookie can hold; `tone` is ok, warn or bad."""
        self._notices.append((tone, text if len(text) <= _LONGEST_NOTICE else f"{text[: _LONGEST_NOTICE - 1]}…"))

    def flashed(self, with_categories: bool = True) -> list[tuple[str, str]]:
        """The tones and texts of what was done on the page before and on this one."""
        sent = self.request.cookies.get(self._name(_NOTICES), "")
        try:
            kept = self._signer.loads(sent) if sent else []
        except BadData:
            kept = []
        told = [(str(tone), str(text)) for tone, text in kept] + self._notices
        self._notices = []
        return told

    @property
    def _signer(self) -> URLSafeSerializer:
        return self.console.keyring.serializer("scimlite.notices")

    def settle(self, response: Response) -> Response:
        """Gives the browser the cookies that the answer needs, and takes those that it has used up."""
        if self._new_guest is not None:
            self._set(response, _GUEST, self._new_guest, None)
        if self._notices:
            self._set(response, _NOTICES, str(self._signer.dumps(self._notices)), _NOTICES_LIVE)
        elif response.status_code == 200 and not self.is_partial and self._name(_NOTICES) in self.request.cookies:
            self.drop(response, _NOTICES)
        return response

    def check_form(self) -> None:
        """Raises Forged unless the form was made for this browser and sent from a page of this console.

        Browsers say where a form comes from (Fetch, "Origin header"); the token stands for those that do not.
        """
        self.request.max_content_length = _LONGEST_FORM
        origin = self.request.headers.get("Origin")
        if origin is not None and origin not in self._origins():
            raise Forged
        secret = self._cookie(_COOKIE) if self.session is not None else self._cookie(_GUEST)
        sent = self.request.headers.get(CSRF_HEADER) or self.request.form.get(CSRF_FIELD, "")
        if secret is None or not secrets.compare_digest(sent.encode(), sessions.csrf_token(secret).encode()):
            raise Forged

    @property
    def url(self) -> str:
        """The address by which links lead to this console from elsewhere."""
        place, base_url = self.console.settings.console, self.console.settings.base_url
        beside = place is None or (place.host is None and place.bind is None)
        return base_url if base_url is not None and beside else f"{self.origin}{self.request.script_root}"

    @property
    def origin(self) -> str:
        """Scheme and host by which the browser knows this console."""
        return f"{'https' if self.is_secure else 'http'}://{self.request.host}"

    def _origins(self) -> set[str]:
        """The origins of this console: as the browser's request says it, and as the operator set it."""
        base_url = urlsplit(self.console.settings.base_url or "")
        return {self.origin} | ({f"{base_url.scheme}://{base_url.netloc}"} if base_url.netloc else set())

    # --- answers --------------------------------------------------------------------------------------------------

    @property
    def is_partial(self) -> bool:
        """True when htmx asks for a part of a page."""
        return self.request.headers.get("HX-Request") == "true"

    def render(self, template: str, status: int = 200, **context: Any) -> Response:
        """Returns a page made of a template, which also knows `visit`, and the `app` that the URL names."""
        text = render_template(template, visit=self, app=self.named_app, **context)
        return Response(text, status, content_type="text/html; charset=utf-8")

    def go(self, endpoint: str, **values: Any) -> Response:
        """Returns the answer that sends the browser to another page after a form."""
        return self.go_to(url_for(f"console.{endpoint}", **values))

    def go_to(self, url: str) -> Response:
        """The same for a path; a part that htmx asked for makes the whole page go there."""
        if self.is_partial:
            return Response("", 204, {"HX-Redirect": url})
        answer = redirect(url, 303)
        assert isinstance(answer, Response)
        return answer

    def inside(self, url: str | None) -> str | None:
        """Returns the path and query of a URL of this console; None for any other, so that nobody is led elsewhere."""
        parts = urlsplit(url or "")
        root = url_for("console.apps")
        if parts.netloc and f"{parts.scheme}://{parts.netloc}" not in self._origins():
            return None
        if not parts.path.startswith(root) or any(odd in parts.path for odd in ("\\", "//", "..")):
            return None
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def here(self) -> str:
        """The page at which the operator is: of a form, the one that it was on."""
        asked = self.request.full_path.rstrip("?") if self.request.method == "GET" else self.request.referrer
        return self.inside(f"{self.request.script_root}{asked}" if self.request.method == "GET" else asked) or url_for(
            "console.apps"
        )

    def may(self, act: str) -> bool:
        """For templates: True when the operator's role allows the act with this name, such as `EDIT_APP`."""
        return self.session is not None and self.desk.may(Act[act])
