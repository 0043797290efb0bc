"""Sends requests to a SCIM service over HTTP, and says in plain words why one did not succeed."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..apps import trial
from ..journal.origin import CONNECTION_TEST

MEDIA_TYPE = "application/scim+json"
_JSON_TYPES = (MEDIA_TYPE, "application/json")
#: Seconds; an identity provider waits about a minute, an operator at a terminal does not.
_TIMEOUT = 30.0
#: The path of a URL as it goes over the wire (RFC 3986 section 3.3).
_PATH = re.compile(r"(?:[A-Za-z0-9/._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
#: What `apps.features` says of a feature that is off.
_FEATURE_OFF = re.compile(r"The feature ([a-z-]+) is off for the app ([^:\s]+):")


class WireError(Exception):
    """Why a request did not succeed, and what to do about it; `final` when no other request can succeed either."""

    def __init__(
        self, meaning: str, advice: str, *, status: int | None = None, final: bool = False, forbidden: bool = False
    ) -> None:
        super().__init__(meaning)
        self.meaning = meaning
        self.advice = advice
        self.status = status
        self.final = final
        #: The operator has turned the feature off: the connection works.
        self.forbidden = forbidden


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises WireError when it is none."""
        try:
            body = json.loads(self.content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise wrong_address(self)
        return body

    @property
    def detail(self) -> str:
        """The text of a SCIM error; empty when the body is none."""
        try:
            detail = json.loads(self.content).get("detail")
        except (ValueError, AttributeError):
            return ""
        return detail if isinstance(detail, str) else ""


def split_url(url: str) -> SplitResult:
    """Splits a SCIM base URL, without its query and final slash. Raises ValueError with an example."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and parts.port != 0 and _is_host(parts.hostname or "")
        usable = usable and parts.username is None and _PATH.fullmatch(parts.path) is not None
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{url!r} is not a SCIM base URL: give one such as https://scim.example.com/scim/v2/entra-id.")
    # Entra ID's own switches (?aadOptscim062020) stay with Entra ID.
    return parts._replace(path=parts.path.rstrip("/"), query="", fragment="")


def _is_host(name: str) -> bool:
    """True for a host name or an address that can be asked for; UnicodeError, which is a ValueError, otherwise."""
    # What socket does with a name before it asks the resolver.
    return bool(name.encode("idna")) and name.isprintable() and " " not in name


class Wire:
    """One connection to one SCIM base URL with one token."""

    def __init__(
        self, base: SplitResult, token: str, *, proof: str, why_unauthorized: Callable[[], tuple[str, str]]
    ) -> None:
        """`proof` shows the service that this is its operator's test (`apps.trial`).

        `why_unauthorized` returns the meaning of a 401 and what to do about it.
        """
        self.base = base
        self._token = token
        self._proof = proof
        self._why_unauthorized = why_unauthorized
        assert base.hostname is not None
        self._connection: http.client.HTTPConnection
        if base.scheme == "https":
            self._connection = http.client.HTTPSConnection(
                base.hostname, base.port, timeout=_TIMEOUT, context=ssl.create_default_context()
            )
        else:
            self._connection = http.client.HTTPConnection(base.hostname, base.port, timeout=_TIMEOUT)

    def ask(self, method: str, path: str, body: Any = None, *, expect: tuple[int, ...] = (200,)) -> Answer:
        """Sends a request to a path below the base URL. Raises WireError unless an expected JSON answer comes back."""
        headers = {
            "Accept": MEDIA_TYPE,
            "Authorization": f"Bearer {self._token}",
            "User-Agent": CONNECTION_TEST,
            trial.HEADER: self._proof,
        }
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = MEDIA_TYPE
        try:
            self._connection.request(method, self.base.path + path, content, headers)
            response = self._connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _unreachable(error, self.base) from error
        if answer.status not in expect:
            raise self._unexpected(answer)
        if answer.content and answer.headers.get("content-type", "").partition(";")[0].strip() not in _JSON_TYPES:
            raise wrong_address(answer)
        return answer

    def close(self) -> None:
        """Closes the connection; the next request opens it again."""
        self._connection.close()

    def _unexpected(self, answer: Answer) -> WireError:
        """Returns the error that explains an unexpected status."""
        status, ours = answer.status, "x-request-id" in answer.headers
        if status == 401 and ours:
            return WireError(*self._why_unauthorized(), status=status, final=True)
        if 300 <= status < 400:
            return WireError(
                f"The address only redirects, to {answer.headers.get('location', 'nowhere')}.",
                "Identity providers do not follow: give them, and --url, the address it redirects to.",
                status=status,
                final=True,
            )
        if status in (502, 503, 504):
            return WireError(
                answer.detail or "A proxy answers, and the service behind it does not.",
                "Look whether the service runs, and at its log; then whether the database answers "
                "(`scimlite db status`).",
                status=status,
                final=True,
            )
        if not answer.detail or not ours:
            return wrong_address(answer)
        if status >= 500:
            return WireError(answer.detail, "Look for the request id in the service's log.", status=status)
        off = _FEATURE_OFF.match(answer.detail)
        if off:
            advice = f"If clients may do this: scimlite app edit {off[2]} --feature {off[1]}=on"
            return WireError(answer.detail, advice, status=status, forbidden=True)
        return WireError(
            answer.detail,
            f"`scimlite explain {answer.headers['x-request-id']}` says why, and what to change.",
            status=status,
        )


def wrong_address(answer: Answer) -> WireError:
    """Returns the trouble that another program than the SCIM endpoint of an app answered."""
    kind = answer.headers.get("content-type", "no content type")
    return WireError(
        f"What answers there ({answer.status}, {kind}) is not the SCIM endpoint of an app.",
        "Compare the address with the one of `scimlite app show`: it ends in /scim/v2/ and the app's slug. "
        "If a proxy is in front, let it pass the whole path on.",
        status=answer.status,
        final=True,
    )


def _unreachable(error: Exception, base: SplitResult) -> WireError:
    """Returns the error that explains an exception of the network."""
    port = base.port or (443 if base.scheme == "https" else 80)
    place = f"{base.hostname} port {port}"
    if isinstance(error, ssl.SSLError):
        return _tls_trouble(error, place, base)
    if isinstance(error, socket.gaierror):
        meaning = f"The name {base.hostname} cannot be resolved."
        advice = "Correct the name in SCIMLITE_BASE_URL or --url, or add it to the DNS."
    elif isinstance(error, ConnectionRefusedError):
        meaning = f"Nothing listens at {place}: the service does not run there."
        advice = "Start it with `scimlite serve`, or name its address with --url or SCIMLITE_BASE_URL."
    elif isinstance(error, TimeoutError):
        meaning = f"{place} does not answer within {_TIMEOUT:.0f} seconds."
        advice = "Look whether a firewall drops the connection, and at the service's log."
    elif isinstance(error, ConnectionError | http.client.HTTPException):
        meaning = f"{place} takes the connection and does not answer in HTTP."
        advice = (
            "If a TLS proxy listens there, the address begins with https://."
            if base.scheme == "http"
            else "Look at the log of the program that listens there."
        )
    else:
        meaning = f"{place} cannot be reached: {getattr(error, 'strerror', None) or error}."
        advice = "Look at the address and at the network between here and there."
    return WireError(meaning, advice, final=True)


def _tls_trouble(error: ssl.SSLError, place: str, base: SplitResult) -> WireError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return WireError(
            f"The certificate of {place} is not accepted: {error.verify_message.rstrip('.')}.",
            f"Entra ID takes only certificates of public authorities. Install one for {base.hostname}, "
            "with its whole chain, in the TLS proxy.",
            final=True,
        )
    return WireError(
        f"{place} does not speak TLS as it should ({error.reason or 'no reason given'}).",
        "If it is the service itself, without a TLS proxy in front, its address begins with http://.",
        final=True,
    )
