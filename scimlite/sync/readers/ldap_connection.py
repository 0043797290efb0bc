"""A connection to a directory that speaks LDAP: TLS, signing in, time limits, and what went wrong in words."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..reading import Finding, IncompleteError, SourceError

#: Seconds for connecting, and for each answer.
TIMEOUT = 60.0
_CONNECT = 10.0
_PORTS = {"ldap": 389, "ldaps": 636}
#: Reasons of Active Directory for a refused sign-in, by the number after `data`.
_REASONS = {
    "525": "there is no such account",
    "52e": "the password is wrong",
    "530": "the account may not sign in at this time",
    "531": "the account may not sign in from this host",
    "532": "its password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "its password must be changed first",
    "775": "the account is locked",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a directory is, and how it is spoken to."""

    url: str
    host: str
    port: int
    ldaps: bool
    starttls: bool
    ca: str | None

    @classmethod
    def of(cls, url: str, *, starttls: bool, ca: str | None) -> Address:
        """The address in a URL. Raises SourceError for one that cannot be."""
        parts = urlsplit(url.strip())
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or port == 0 or parts.path.strip("/"):
            raise SourceError(f"--url is ldaps://HOST or ldap://HOST, with :PORT where it is another, not {url!r}.")
        if starttls and parts.scheme == "ldaps":
            raise SourceError("--starttls is for ldap://; ldaps:// is encrypted from the beginning.")
        if ca is not None and not Path(ca).is_file():
            raise SourceError(f"--ca: there is no file {ca}.")
        ldaps = parts.scheme == "ldaps"
        made = f"{parts.scheme}://{parts.hostname}:{port or _PORTS[parts.scheme]}"
        return cls(made, unquote(parts.hostname), port or _PORTS[parts.scheme], ldaps, starttls, ca)

    @property
    def encrypted(self) -> bool:
        """True when TLS protects what is said."""
        return self.ldaps or self.starttls


def library() -> Any:
    """The module of python-ldap. Raises SourceError when it is not installed."""
    try:
        import ldap
    except ImportError:
        raise SourceError("LDAP needs a package more: pip install 'scimlite[ldap]'.") from None
    return ldap


def connect(address: Address, *, timeout: float = TIMEOUT) -> Any:
    """A connection that is encrypted as the address says, and not signed in. Raises SourceError."""
    ldap = library()
    connection = ldap.initialize(address.url)
    connection.protocol_version = ldap.VERSION3
    # Referrals would be followed without signing in, to hosts that nobody named.
    connection.set_option(ldap.OPT_REFERRALS, 0)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, _CONNECT)
    connection.set_option(ldap.OPT_TIMEOUT, timeout)
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    if address.ca is not None:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, address.ca)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    if address.starttls:
        with translated(address.url):
            connection.start_tls_s()
    return connection


def sign_in(connection: Any, address: Address, *, name: str | None, password: str | None, gssapi: bool) -> None:
    """Signs in. Raises SourceError; an empty password would be an anonymous sign-in that looks like success."""
    with translated(address.url):
        if gssapi:
            ldap = library()
            connection.set_option(ldap.OPT_X_SASL_NOCANON, 1)
            connection.sasl_non_interactive_bind_s("GSSAPI")
            return
        if name is None:
            connection.simple_bind_s("", "")
            return
        if not password:
            raise SourceError("--bind needs a password: give --secret-file, --secret-env or --secret-stdin.")
        connection.simple_bind_s(name, password)


def end(connection: Any) -> None:
    """Ends a connection, also one that is lost already."""
    ldap = library()
    with suppress(ldap.LDAPError):
        connection.unbind_s()


class translated:  # noqa: N801  # reads as the word that it is
    """A context in which errors of the library become SourceError, with words for an operator."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing is held."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if error is None or isinstance(error, SourceError):
            return
        ldap = library()
        if isinstance(error, ldap.LDAPError):
            raise in_words(error, self._where) from None


def in_words(error: Any, where: str) -> SourceError:
    """What an error of the library means; limits and lost connections are IncompleteError."""
    ldap = library()
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    info = str(told.get("info") or "").strip()
    more = f" ({info})" if info else ""
    if isinstance(error, ldap.INVALID_CREDENTIALS):
        code = re.search(r"data ([0-9a-f]{3,})", info)
        reason = _REASONS.get(code[1]) if code else None
        return SourceError(f"{where} refuses the sign-in: {reason or 'the name or the password is wrong'}.")
    if isinstance(error, ldap.STRONG_AUTH_REQUIRED | ldap.CONFIDENTIALITY_REQUIRED):
        return SourceError(f"{where} wants an encrypted connection: use ldaps://, or --starttls.")
    if isinstance(error, ldap.NO_SUCH_OBJECT):
        return SourceError(f"{where} has no such base, or this account may not see it{more}.")
    if isinstance(error, ldap.INSUFFICIENT_ACCESS):
        return SourceError(f"{where} does not allow this account to read that{more}.")
    if isinstance(error, ldap.FILTER_ERROR):
        return SourceError("--filter is no LDAP filter: it stands in brackets, such as (department=*).")
    if isinstance(error, ldap.INVALID_DN_SYNTAX):
        return SourceError(f"{where}: a name is no distinguished name such as ou=people,dc=example,dc=com{more}.")
    if isinstance(error, ldap.SIZELIMIT_EXCEEDED | ldap.ADMINLIMIT_EXCEEDED | ldap.TIMELIMIT_EXCEEDED):
        limit = "time" if isinstance(error, ldap.TIMELIMIT_EXCEEDED) else "size"
        return IncompleteError(
            f"{where} ends each search of this account at its {limit} limit, so not everybody was read; nothing was "
            "done. Have its administrator raise the limit for the account."
        )
    if isinstance(error, ldap.TIMEOUT):
        return IncompleteError(f"{where} gave no answer in time; nothing was done.")
    if isinstance(error, ldap.SERVER_DOWN | ldap.CONNECT_ERROR | ldap.UNAVAILABLE | ldap.BUSY):
        return IncompleteError(f"{where} cannot be reached, or the connection was lost{more}.")
    described = str(told.get("desc") or type(error).__name__)
    return SourceError(f"{where} answers: {described}{more}.")


# --- looking step by step -----------------------------------------------------------------------------------------


def look(address: Address) -> Iterator[Finding]:
    """Yields what is found out about name, TCP and TLS; the last one is what failed.

    The library says no more than that it cannot contact the server, so the handshake is made here.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        yield Finding("name", False, f"there is no host {address.host}")
        return
    yield Finding("name", True, f"{address.host} is {', '.join(sorted({str(each[4][0]) for each in found}))}")
    try:
        connected = socket.create_connection((address.host, address.port), timeout=_CONNECT)
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        yield Finding("TCP", False, f"port {address.port} of {address.host}: {reason}")
        return
    with connected:
        yield Finding("TCP", True, f"port {address.port} is open")
        if address.ldaps:
            yield _handshake(connected, address)
    if not address.encrypted:
        yield Finding("TLS", None, "nothing is encrypted: passwords and names can be read on the way")


def _handshake(connected: socket.socket, address: Address) -> Finding:
    try:
        context = ssl.create_default_context(cafile=address.ca)
    except (OSError, ssl.SSLError):
        return Finding("TLS", False, f"{address.ca} holds no certificates")
    try:
        with context.wrap_socket(connected, server_hostname=address.host) as secured:
            return Finding("TLS", True, f"{secured.version()}, the certificate is right for {address.host}")
    except ssl.SSLCertVerificationError as error:
        return Finding("TLS", False, _certificate_in_words(error, address))
    except (OSError, ssl.SSLError) as error:
        return Finding("TLS", False, f"the handshake failed: {error}")


def _certificate_in_words(error: ssl.SSLCertVerificationError, address: Address) -> str:
    if error.verify_code == 10:
        return "its certificate has expired"
    if error.verify_code == 9:
        return "its certificate is not valid yet; look at the clocks"
    if error.verify_code in (18, 19, 20, 21):
        hint = (
            "name the authority's certificate with --ca" if address.ca is None else f"{address.ca} is not its authority"
        )
        return f"its certificate is signed by an authority that is not trusted: {hint}"
    if error.verify_code in (62, 64):
        return f"its certificate is for another host, not for {address.host}: use the name in the certificate"
    return f"its certificate is refused: {error.verify_message}"


def texts(values: Sequence[bytes]) -> list[str] | None:
    """Values as text; None when one of them is none."""
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError:
        return None
