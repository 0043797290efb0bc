"""One connection to a judged address: opened, asked and read by a deadline that no slow byte moves."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

import h11

from .failures import Failed, Kind
from .target import Target

#: The most bytes before and in the head of an answer.
_MOST_HEAD = 65536
#: How each answer begins.
_BEGINNING = b"HTTP/1."
#: Bytes that arrive for each byte of a body, when a server sends chunks of one byte; what has more around it is cut.
_MOST_AROUND = 8
_PIECE = 65536
#: The other side is gone; TLS has words of its own for it.
_ENDS = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment, by `time.monotonic`, when a request is given up, and how many seconds it had."""

    end: float
    seconds: float

    def left(self) -> float:
        """The seconds that are left. Raises TimeoutError when there are none."""
        left = self.end - monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it is sent; header names and values are checked by the client."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it was read; `cut` when the body had more bytes than were asked for."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool


class Stale(Exception):
    """A kept connection was closed by the other side before it answered with a single byte."""


def connect(target: Target, addresses: Sequence[str], deadline: Deadline) -> socket.socket:
    """A TCP connection to the first of the addresses that takes one. Raises Failed.

    Each gets its share of the time that is left, so that one which drops packets leaves some for the next.
    """
    problem = "no address"
    for number, address in enumerate(addresses):
        try:
            return _connected(address, target.port, deadline.left() / (len(addresses) - number))
        except TimeoutError:
            problem = ""
        except OSError as error:
            problem = error.strerror or type(error).__name__
    if not problem:
        raise Failed(Kind.TIMEOUT, f"{_label(target)} took no connection within {deadline.seconds:.3g} seconds.")
    raise Failed(Kind.CONNECT, f"{_label(target)} cannot be reached: {problem}.")


def _connected(address: str, port: int, seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        # An address in canonical form is taken as it is, and not resolved.
        connection.connect((address, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def secure(plain: socket.socket, target: Target, context: ssl.SSLContext, deadline: Deadline) -> socket.socket:
    """TLS over a connection, with the certificate verified for the target's name. Raises Failed."""
    connection = plain
    try:
        connection = context.wrap_socket(plain, server_hostname=target.name, do_handshake_on_connect=False)
        connection.settimeout(deadline.left())
        connection.do_handshake()
        return connection
    except BaseException as error:
        connection.close()
        if isinstance(error, OSError):
            raise failure(error, target, deadline) from None
        raise


def failure(error: OSError, target: Target, deadline: Deadline) -> Failed:
    """The error that explains an exception of a connection that was open."""
    place = _label(target)
    if isinstance(error, TimeoutError):
        return Failed(Kind.TIMEOUT, f"{place} did not answer within {deadline.seconds:.3g} seconds.")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failed(Kind.TLS, f"The certificate of {place} is not accepted: {error.verify_message.rstrip('.')}.")
    if isinstance(error, ssl.SSLError):
        return Failed(Kind.TLS, f"{place} does not speak TLS as it should ({error.reason or 'no reason given'}).")
    return Failed(Kind.RESET, f"{place} closed the connection before its answer was complete.")


def _label(target: Target) -> str:
    return f"{target.name} port {target.port}"


class Connection:
    """A connection to one scheme, host and port, by which one thread at a time asks."""

    def __init__(self, target: Target, connection: socket.socket) -> None:
        self._target = target
        self._socket = connection
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        #: Bytes of the answer so far.
        self._received = 0
        #: The other side takes no more, or sends no more.
        self._broken = False
        self._used = False
        #: When it was opened, and since when nothing uses it, by `time.monotonic`.
        self.opened = self.idle = monotonic()

    def close(self) -> None:
        """Closes it, without a word to the other side."""
        self._socket.close()

    def usable(self) -> bool:
        """True when it can take another request: nothing came in the meantime, not even the end."""
        return not self._poll.poll(0)

    def reusable(self) -> bool:
        """True when the answer was read to its end, and both sides keep the connection."""
        done = self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE
        # Bytes behind an answer belong to no request of ours.
        return done and not self._broken and self._protocol.trailing_data == (b"", False)

    def ask(self, message: Message, most: int, deadline: Deadline) -> Reply:
        """Sends a request and reads its answer, of its body so many bytes.

        Raises Failed; Stale when the other side closed a connection that was used before, without a byte.
        """
        self._received = 0
        if self._used:
            self._protocol.start_next_cycle()
        kept, self._used = self._used, True
        try:
            self._send(message, deadline)
            head = self._head(deadline)
            body, cut = self._body(most, deadline)
        except (OSError, h11.RemoteProtocolError) as error:
            ended = self._broken or isinstance(error, _ENDS)
            if kept and ended and not self._received:
                raise Stale from None
            if ended:
                error = ConnectionResetError()
            if isinstance(error, OSError):
                raise failure(error, self._target, deadline) from None
            raise Failed(Kind.MALFORMED, f"{_label(self._target)} does not answer in HTTP as it should.") from None
        headers: dict[str, str] = {}
        for name, value in head.headers:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return Reply(head.status_code, headers, body, cut)

    def _send(self, message: Message, deadline: Deadline) -> None:
        request = h11.Request(method=message.method, target=message.target, headers=list(message.headers))
        data = self._protocol.send(request) or b""
        if message.body:
            data += self._protocol.send(h11.Data(data=message.body)) or b""
        data += self._protocol.send(h11.EndOfMessage()) or b""
        rest = memoryview(data)
        try:
            while rest:
                self._socket.settimeout(deadline.left())
                rest = rest[self._socket.send(rest) :]
        except _ENDS:
            # A server that refuses early (413) answers before it closes: the answer may be there.
            self._broken = True

    def _head(self, deadline: Deadline) -> h11.Response:
        """The head of the answer, after those that only announce it (100, 103)."""
        while True:
            event = self._protocol.next_event()
            if isinstance(event, h11.Response):
                return event
            if event is h11.NEED_DATA:
                # A server of another protocol speaks first, and waits then.
                begun = self._protocol.trailing_data[0][: len(_BEGINNING)]
                if self._received > _MOST_HEAD or not _BEGINNING.startswith(begun):
                    raise h11.RemoteProtocolError("no head of an answer")
                self._receive(deadline)

    def _body(self, most: int, deadline: Deadline) -> tuple[bytes, bool]:
        """The body, and whether more of it was to come."""
        body = bytearray()
        while True:
            event = self._protocol.next_event()
            if isinstance(event, h11.Data):
                body += event.data
            elif event is h11.NEED_DATA:
                if self._received > 2 * _MOST_HEAD + _MOST_AROUND * most:
                    return bytes(body), True
                self._receive(deadline)
            else:
                return bytes(body), False
            if len(body) > most:
                return bytes(body[:most]), True

    def _receive(self, deadline: Deadline) -> None:
        self._socket.settimeout(deadline.left())
        data = self._socket.recv(_PIECE)
        self._received += len(data)
        if not data:
            self._broken = True
        self._protocol.receive_data(data)
