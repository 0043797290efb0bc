"""The way to a directory: its name, an address that may be connected to, TCP, and TLS; each says what is wrong with it.

The library for LDAP gets a connection that is there already. Left to itself it resolves the name once more, so that
what it connects to is not what was judged, and says about TLS no more than "Can't contact LDAP server".
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from ...errors import OperatorError
from ...outbound import Client
from ..reading import Finding, SourceError

#: Seconds for a connection with its TLS.
CONNECT = 10.0
_PORTS = {"ldap": 389, "ldaps": 636}
#: Bytes that are passed on at once; a TLS record has a quarter of that.
_PIECE = 65_536
#: The extended request StartTLS as message 1 (RFC 4511 section 4.14), and the most bytes of an answer to it.
_START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
_LONGEST_ANSWER = 16_384
#: Codes of OpenSSL for a certificate that is not accepted.
_EXPIRED, _NOT_YET, _UNKNOWN, _OTHER_HOST = (10,), (9,), (2, 18, 19, 20, 21), (62, 64)


#: Directories are rarely public: those of one's own networks need no setting (RFC 1918, 4193, 6598, loopback). What
#: stays refused are link-local addresses, at which clouds give out credentials, and what is no host's.
_OWN_NETWORKS = tuple(
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
        *("fc00::/7", "::1/128"),
    )
)


@dataclass(frozen=True)
class Address:
    """Where a directory is, and how it is spoken to."""

    url: str
    host: str
    port: int
    ldaps: bool
    starttls: bool
    ca: str | None
    #: True when signing in encrypts what follows, as Kerberos does.
    sealed: bool = False

    @classmethod
    def of(cls, url: str, *, starttls: bool, ca: str | None, sealed: bool = False) -> Address:
        """The address in a URL. Raises SourceError for one that cannot be."""
        wrong = f"--url is ldaps://HOST or ldap://HOST, with :PORT where it is another, not {url!r}."
        try:
            parts = urlsplit(url.strip())
            port = parts.port
            # As the resolver and the certificate have it: an absolute name ends with a dot there only.
            host = (parts.hostname or "").encode("idna").decode().removesuffix(".")
        except (ValueError, UnicodeError):
            raise SourceError(wrong) from None
        extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
        if parts.scheme not in _PORTS or not host or port == 0 or extra:
            raise SourceError(wrong)
        if starttls and parts.scheme == "ldaps":
            raise SourceError("--starttls is for ldap://; ldaps:// is encrypted from the beginning.")
        if sealed and (starttls or parts.scheme == "ldaps"):
            # Windows refuses to encrypt twice, and Samba does not answer.
            raise SourceError("--auth gssapi encrypts by itself: use ldap://HOST, without --starttls.")
        if ca is not None and not Path(ca).is_file():
            raise SourceError(f"--ca: there is no file {ca}.")
        port = port or _PORTS[parts.scheme]
        shown = f"[{host}]" if ":" in host else host
        return cls(f"{parts.scheme}://{shown}:{port}", host, port, parts.scheme == "ldaps", starttls, ca, sealed)

    @property
    def encrypted(self) -> bool:
        """True when TLS protects what is said."""
        return self.ldaps or self.starttls

    @cached_property
    def context(self) -> ssl.SSLContext:
        """What certificates are trusted. Raises SourceError when --ca holds none."""
        try:
            return ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError):
            raise SourceError(f"--ca: {self.ca} holds no certificate as PEM (-----BEGIN CERTIFICATE-----).") from None


def look(address: Address, client: Client) -> Iterator[Finding]:
    """Yields what is found out about name, TCP and TLS; the last one is what failed."""
    step = "name"
    try:
        found = _judged(address, client)
        yield Finding(step, True, f"{address.host} is {', '.join(found)}")
        step = "TCP"
        with _dialled(address, found) as plain:
            yield Finding(step, True, f"port {address.port} is open")
            step = "TLS"
            if address.encrypted:
                with _secured(plain, address) as secured:
                    yield Finding(step, True, f"{secured.version()}, the certificate is right for {address.host}")
            elif not address.sealed:
                yield Finding(step, None, "nothing is encrypted: passwords and names can be read on the way")
    except SourceError as error:
        yield Finding(step, False, str(error))


def connected(address: Address, client: Client) -> socket.socket:
    """A connection that is encrypted as the address says. Raises SourceError."""
    plain = _dialled(address, _judged(address, client))
    return _relayed(_secured(plain, address)) if address.encrypted else plain


# --- name and TCP -------------------------------------------------------------------------------------------------


def _judged(address: Address, client: Client) -> list[str]:
    """The host's addresses, each of which is public, in a network of one's own, or allowed by the installation."""
    public = address.encrypted or address.sealed
    try:
        return client.addresses(address.host, seconds=CONNECT, public=public, more=_OWN_NETWORKS)
    except OperatorError as error:
        raise SourceError(str(error)) from None


def _dialled(address: Address, found: Sequence[str]) -> socket.socket:
    """A TCP connection to the first address that takes one; each gets its share of the time."""
    end, reason = monotonic() + CONNECT, ""
    for number, text in enumerate(found):
        seconds = max(0.1, (end - monotonic()) / (len(found) - number))
        try:
            made = socket.create_connection((text, address.port), timeout=seconds)
        except TimeoutError:
            reason = reason or f"no answer within {CONNECT:.3g} seconds"
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
        else:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.settimeout(None)
            return made
    raise SourceError(f"Port {address.port} of {address.host}: {reason}.")


# --- TLS ----------------------------------------------------------------------------------------------------------


def _secured(plain: socket.socket, address: Address) -> ssl.SSLSocket:
    """TLS over a connection, with the certificate verified for the host. Raises SourceError."""
    try:
        plain.settimeout(CONNECT)
        if address.starttls:
            _start_tls(plain, address)
        return address.context.wrap_socket(plain, server_hostname=address.host)
    except BaseException as error:
        plain.close()
        if isinstance(error, ssl.SSLCertVerificationError):
            raise SourceError(_certificate_in_words(error, address)) from None
        if isinstance(error, TimeoutError):
            raise SourceError(f"{address.url} does not answer with TLS within {CONNECT:.3g} seconds.") from None
        if isinstance(error, ssl.SSLError):
            reason = (error.reason or "no reason given").replace("_", " ").lower()
            raise SourceError(f"{address.url} does not speak TLS as it should ({reason}).") from None
        if isinstance(error, OSError):
            raise SourceError(f"{address.url} closed the connection before TLS began.") from None
        raise


def _certificate_in_words(error: ssl.SSLCertVerificationError, address: Address) -> str:
    of = f"The certificate of {address.url}"
    if error.verify_code in _EXPIRED:
        return f"{of} has expired."
    if error.verify_code in _NOT_YET:
        return f"{of} is not valid yet: look at the clocks."
    if error.verify_code in _UNKNOWN:
        hint = f"{address.ca} is not its authority" if address.ca else "name the authority's certificate with --ca"
        return f"{of} is signed by an authority that is not trusted: {hint}."
    if error.verify_code in _OTHER_HOST:
        return f"{of} is for another host, not for {address.host}: use the name in the certificate."
    return f"{of} is refused: {error.verify_message.rstrip('.')}."


def _start_tls(plain: socket.socket, address: Address) -> None:
    """Asks for TLS on a connection that began without. Raises SourceError when the server does not want to."""
    plain.sendall(_START_TLS)
    code = _result_code(_message(plain))
    if code is None:
        raise SourceError(f"{address.url} does not speak LDAP as it should.")
    if code != 0:
        raise SourceError(
            f"{address.url} refuses --starttls (result {code}): it has no certificate, or wants ldaps:// instead."
        )


def _message(plain: socket.socket) -> bytes:
    """The content of one LDAP message; nothing when what comes is none."""
    head = _exactly(plain, 2)
    if head[0] != 0x30:
        return b""
    length = head[1]
    if length & 0x80:
        length = int.from_bytes(_exactly(plain, length & 0x7F))
    return _exactly(plain, length) if length <= _LONGEST_ANSWER else b""


def _exactly(plain: socket.socket, count: int) -> bytes:
    made = b""
    while len(made) < count:
        piece = plain.recv(count - len(made))
        if not piece:
            raise ConnectionResetError
        made += piece
    return made


def _result_code(message: bytes) -> int | None:
    """The result in an answer to an extended request: number of the message, tag, length, code (RFC 4511, 4.12)."""
    if message[:4] != b"\x02\x01\x01\x78" or len(message) < 8:
        return None
    start = 5 + (message[4] & 0x7F if message[4] & 0x80 else 0)
    return message[start + 2] if message[start : start + 2] == b"\x0a\x01" and len(message) > start + 2 else None


def _relayed(secured: ssl.SSLSocket) -> socket.socket:
    """A connection whose bytes a thread passes on over TLS, until one side ends it."""
    inner, outer = socket.socketpair()
    threading.Thread(target=_relay, args=(secured, inner), name="LDAP over TLS", daemon=True).start()
    return outer


def _relay(secured: ssl.SSLSocket, inner: socket.socket) -> None:
    poll = select.poll()
    poll.register(secured, select.POLLIN)
    poll.register(inner, select.POLLIN)
    with secured, inner:
        try:
            while True:
                for number, _ in poll.poll():
                    if not (_pass_out(secured, inner) if number == inner.fileno() else _pass_in(secured, inner)):
                        return
        except OSError:
            # Either side is gone, which the library sees as a lost connection.
            return


def _pass_out(secured: ssl.SSLSocket, inner: socket.socket) -> bool:
    """Passes on what the library says; False when it has closed its end."""
    data = inner.recv(_PIECE)
    secured.settimeout(CONNECT)
    secured.sendall(data)
    return bool(data)


def _pass_in(secured: ssl.SSLSocket, inner: socket.socket) -> bool:
    """Passes on what has come from the server; False when it has ended the connection."""
    # Without waiting: what came may be a part of a record, or nothing for the library, such as a session ticket.
    secured.settimeout(0)
    try:
        while data := secured.recv(_PIECE):
            inner.sendall(data)
        return False
    except ssl.SSLWantReadError:
        return True
