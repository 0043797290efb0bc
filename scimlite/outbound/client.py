"""Sends requests to other hosts: resolves once, judges every address, and connects to a judged one, in time."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from time import monotonic
from typing import Self

from .. import deadline as context_deadline
from ..errors import OperatorError
from .addresses import Network, objection
from .connection import Connection, Deadline, Message, Reply, Stale, connect, secure
from .failures import Failed, Kind, Refused
from .names import Names, Resolve, system_addresses
from .pool import Pool
from .target import Target, parse

#: Seconds for a whole request.
TIMEOUT = 15.0
#: The most addresses of a host that are tried; all are judged.
_MOST_ADDRESSES = 8
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: A header's value: visible ASCII and blanks between (RFC 9110 section 5.5).
_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")
#: What the client itself says in each request.
_OWN = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "upgrade"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What another host answered; header names are in lower case, `ms` is the time from the call to the answer."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    ms: int
    #: True when the body had more bytes than were asked for.
    cut: bool = False


class Client:
    """Connections to other hosts, for all threads of a process; what it does not read are proxies, .netrc and cookies.

    A redirect is an answer like any other. Redirects, retries and their times are the caller's.
    """

    def __init__(
        self,
        networks: Sequence[Network] = (),
        *,
        timeout: float = TIMEOUT,
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve = system_addresses,
    ) -> None:
        """In: `networks`, which are allowed though not public; `timeout`, the seconds for a whole request.

        `ssl_context` in place of one with the system's trust store; `resolve` in place of the system's resolver.
        """
        self._networks = tuple(networks)
        self._timeout = timeout
        self._context = ssl_context or ssl.create_default_context()
        self._resolve = resolve
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._pool = Pool()
        self._names = Names(self._resolve)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        most: int = 65536,
        again: bool = False,
    ) -> Answer:
        """Sends a request, and returns the answer with at most so many bytes of its body.

        In: `again`, True when the request does no harm twice: it is then sent once more when a kept connection turns
        out to be closed. Raises Refused for a host that is not allowed, Failed when there is no answer, and
        OperatorError for a URL or header that cannot be sent. Their texts hold no path, value or body.
        """
        began = monotonic()
        # The time of the web request that this is a part of counts as well.
        seconds = context_deadline.at_most(self._timeout)
        deadline = Deadline(began + seconds, seconds)
        target = parse(url)
        message = Message(method, target.path, _headers(target, method, headers or {}, body), body)
        reply = self._reply(target, message, most, deadline, again=again)
        return Answer(reply.status, reply.headers, reply.body, round((monotonic() - began) * 1000), reply.cut)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the kept connections; requests under way end, and keep none."""
        self._pool.close()

    def _reply(self, target: Target, message: Message, most: int, deadline: Deadline, *, again: bool) -> Reply:
        if self._process != os.getpid():
            # After a fork the connections are the parent's, and so are the threads that resolve.
            self._begin()
        kept = self._pool.take(target.place)
        if kept is not None:
            try:
                return self._ask(kept, target, message, most, deadline)
            except Stale:
                if not again:
                    sentence = f"{target.name} port {target.port} closed the connection before it answered."
                    raise Failed(Kind.RESET, sentence) from None
        return self._ask(self._open(target, deadline), target, message, most, deadline)

    def _ask(self, connection: Connection, target: Target, message: Message, most: int, deadline: Deadline) -> Reply:
        keep = False
        try:
            reply = connection.ask(message, most, deadline)
            keep = connection.reusable()
            return reply
        finally:
            if keep:
                self._pool.keep(target.place, connection)
            else:
                connection.close()

    def _open(self, target: Target, deadline: Deadline) -> Connection:
        addresses = self._judged(target, deadline)
        plain = connect(target, addresses, deadline)
        return Connection(target, secure(plain, target, self._context, deadline) if target.scheme == "https" else plain)

    def addresses(self, host: str, *, seconds: float, public: bool = True, more: Sequence[Network] = ()) -> list[str]:
        """The addresses of a host, each of them allowed; for connections that speak something else than HTTP.

        In: `public`, False when only networks of the setting are allowed, because nothing is encrypted; `more`,
        networks that are allowed for what is spoken. Connect to what it returns and not to the name, which may lead
        elsewhere by then. Raises Refused and Failed.
        """
        if self._process != os.getpid():
            self._begin()
        name = host.removesuffix(".")
        try:
            addresses = self._names.addresses(host, seconds)
        except TimeoutError:
            raise Failed(Kind.TIMEOUT, f"The name {name} was not resolved within {seconds:.3g} seconds.") from None
        for address in addresses:
            if refused := objection(address, (*self._networks, *more), public=public):
                raise Refused(name, *refused)
        # What is connected to is what was judged, not its spelling.
        return [str(ip_address(address)) for address in addresses[:_MOST_ADDRESSES]]

    def _judged(self, target: Target, deadline: Deadline) -> Sequence[str]:
        """The host's addresses, each of them allowed. Raises Refused and Failed."""
        try:
            return self.addresses(target.host, seconds=deadline.left(), public=target.scheme == "https")
        except TimeoutError:
            sentence = f"The name {target.name} was not resolved within {deadline.seconds:.3g} seconds."
            raise Failed(Kind.TIMEOUT, sentence) from None


def _headers(target: Target, method: str, headers: Mapping[str, str], body: bytes) -> list[tuple[str, str]]:
    """The request's headers. Raises OperatorError, which names the header and never its value."""
    sent = [("Host", target.authority), ("Accept-Encoding", "identity")]
    if body or method in ("POST", "PUT", "PATCH"):
        sent.append(("Content-Length", str(len(body))))
    agent = "scimlite"
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise OperatorError(f"The header {name!r} has a character that no header may have, such as a line feed.")
        if name.lower() in _OWN:
            raise OperatorError(f"The header {name} is given by the connection itself: leave it out.")
        if name.lower() == "user-agent":
            agent = value
        else:
            sent.append((name, value))
    return [*sent, ("User-Agent", agent)]
