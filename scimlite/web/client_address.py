"""The address of a client: of the connection, or what the trusted proxies say."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Some proxies add the port: `192.0.2.1:5678`, `[2001:db8::1]:443`.
_WITH_PORT = re.compile(r"\[(?P<six>[^\]]*)\](?::\d+)?|(?P<four>[^:]*):\d+")


@lru_cache(maxsize=4096)
def parsed(text: str) -> Address | None:
    """Returns the address in a text, without port and zone; None when it is none.

    An IPv4 address that is written in IPv6 (`::ffff:192.0.2.1`, as a socket for both has it) is the IPv4 address.
    """
    text = text.strip()
    if match := _WITH_PORT.fullmatch(text):
        text = match["six"] or match["four"] or ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=4096)
def shown(text: str) -> str:
    """Returns the address in a text as the log and the journal show it; `-` when it is none, as of a Unix socket."""
    address = parsed(text)
    return "-" if address is None else str(address)


def is_in(address: Address | None, networks: Iterable[Network]) -> bool:
    """True when an address is in one of the networks."""
    return address is not None and any(address in network for network in networks)


def forwarded(header: str, networks: Collection[Network], nearest: str) -> str:
    """Returns the address of the client that trusted proxies name.

    In: X-Forwarded-For, to which each proxy adds the address of its own client at the end; `networks`, the addresses of
    the trusted proxies; `nearest`, the address of the connection. Only what trusted proxies added counts: of the
    addresses from the end on, the first that is no trusted proxy's.
    """
    for text in reversed(header.split(",")):
        address = parsed(text)
        if address is None:
            break
        nearest = str(address)
        if not is_in(address, networks):
            break
    return nearest
