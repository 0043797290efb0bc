"""Takes the URL of another host apart, strictly: what a browser and a library read differently is refused."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from ..errors import OperatorError
from .addresses import Network, objection
from .failures import SETTING, Refused

_DEFAULT_PORTS = {"https": 443, "http": 80}
#: What is configured, and what is sent: links to a next page hold what a server wants to remember.
_LONGEST_URL, _LONGEST_LINK = 2048, 16384
#: Path and query as they go over the wire (RFC 3986).
_PATH = re.compile(r"(?:[A-Za-z0-9/._~!$&'()*+,;=:@?-]|%[0-9A-Fa-f]{2})*")
_LABEL = re.compile(r"(?=.{1,63}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
#: Letters that IDNA 2008 keeps and Python's codec, IDNA 2003, turns into others: another host would be asked.
_DEVIATIONS = frozenset("ßς\u200c\u200d")

#: Scheme, host and port: what a connection can be used again for.
Place = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """A URL's parts. The path may hold a secret, so `repr` leaves it out."""

    scheme: str
    #: In lower case and as ASCII, as the resolver takes it: an IPv6 address without brackets.
    host: str
    port: int
    #: Path and query.
    path: str = field(repr=False)

    @property
    def place(self) -> Place:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def name(self) -> str:
        """The name that the certificate must have; the final dot of an absolute name is not part of it."""
        return self.host.removesuffix(".")

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == _DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"


def check_url(url: str, networks: Sequence[Network] = ()) -> None:
    """Raises OperatorError for a URL that no request can be sent to. Nothing is resolved.

    In: `networks`, the setting's, without which http:// is refused. A host that is an address, in any spelling, is
    judged here as well; a name is judged each time it is connected to.
    """
    if len(url) > _LONGEST_URL:
        raise OperatorError(f"The URL has {len(url)} characters: give one of at most {_LONGEST_URL}.")
    target = parse(url)
    if target.scheme == "http" and not networks:
        raise OperatorError(
            f"The URL begins with http://: give one with https://, or allow the host's network with {SETTING}."
        )
    try:
        # Spellings such as 2130706433 and 0177.0.0.1 included: what the system takes for an address is one.
        found = socket.getaddrinfo(target.host.encode(), None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return
    for *_, address in found:
        if refused := objection(str(address[0]), networks, public=target.scheme == "https"):
            raise Refused(target.name, *refused)


@lru_cache(maxsize=1024)
def parse(url: str) -> Target:
    """The parts of a URL. Raises OperatorError, whose text does not quote the URL because it may hold secrets."""
    if len(url) > _LONGEST_LINK:
        raise OperatorError(f"The URL has {len(url)} characters: at most {_LONGEST_LINK} are sent.")
    # Before urlsplit, which drops tabs and line feeds without a word.
    if any(char <= " " or not char.isprintable() for char in url) or "\\" in url:
        raise OperatorError("The URL holds a blank, a backslash or a control character: encode it, as %20.")
    if "#" in url:
        raise OperatorError("The URL has a fragment, which is never sent: leave out what begins with #.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OperatorError(
            "The URL's host or port cannot be read: give one such as https://example.com/hook."
        ) from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise OperatorError("The URL is not absolute: give one such as https://example.com/hook.")
    if "@" in parts.netloc:
        raise OperatorError("The URL holds a user name or password: leave out what stands before the @.")
    if port == 0:
        raise OperatorError("The URL has the port 0: give one between 1 and 65535, or none.")
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if not _PATH.fullmatch(path):
        raise OperatorError("The URL's path or query holds characters that are to be encoded, as %C3%A9 for é.")
    return Target(parts.scheme, _host(parts.hostname), port or _DEFAULT_PORTS[parts.scheme], path)


def _host(name: str) -> str:
    """A host as the resolver takes it."""
    if ":" in name:
        try:
            return str(IPv6Address(name)) if "%" not in name else _refuse_host(name)
        except ValueError:
            return _refuse_host(name)
    if _DEVIATIONS & set(name):
        raise OperatorError(f"The host {name} is written differently by old and new rules: give its form with xn--.")
    try:
        # Also what looks like ASCII and is not: full-width digits become digits, and are judged as the address.
        host = name.encode("idna").decode().lower()
    except UnicodeError:
        return _refuse_host(name)
    if len(host) > 253 or not all(map(_LABEL.fullmatch, host.removesuffix(".").split("."))):
        return _refuse_host(name)
    return host


def _refuse_host(name: str) -> str:
    raise OperatorError(f"The URL's host {name!r} is no host name and no address without a zone.")
