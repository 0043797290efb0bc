"""Judges IP addresses: public, allowed by the operator, or refused.

The tables are the IANA registries of special-purpose addresses, written out because the judgement of `ipaddress`
differs between Python versions and takes 6to4 and NAT64 for public.
https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Network: why it is not public.
_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address (RFC 1918)"),
        ("100.64.0.0/10", "a shared address of a carrier (RFC 6598)"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address (RFC 1918)"),
        ("192.0.0.0/24", "an address of protocols (RFC 6890)"),
        ("192.0.2.0/24", "an address of documentation"),
        ("192.88.99.0/24", "an address of 6to4 relays"),
        ("192.168.0.0/16", "a private address (RFC 1918)"),
        ("198.18.0.0/15", "an address of benchmarks"),
        ("198.51.100.0/24", "an address of documentation"),
        ("203.0.113.0/24", "an address of documentation"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::ffff:0:0/96", "an IPv4 address inside an IPv6 address"),
        ("::/96", "an IPv4 address inside an IPv6 address"),
        ("64:ff9b::/96", "an address of NAT64"),
        ("64:ff9b:1::/48", "an address of NAT64"),
        ("2001::/32", "an address of Teredo"),
        ("2001:db8::/32", "an address of documentation"),
        ("2001::/23", "an address of protocols (RFC 2928)"),
        ("2002::/16", "an address of 6to4"),
        ("3fff::/20", "an address of documentation"),
        ("fc00::/7", "a private address (RFC 4193)"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
#: What IANA has given out as global unicast so far; the rest of IPv6 is reserved.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


def objection(text: str, networks: Sequence[Network], *, public: bool = True) -> tuple[str, str] | None:
    """Returns why an address is refused, or None.

    In: the address as the resolver gives it; the networks that are allowed though not public; `public`, False when
    only these are. Out: the address as people write it, and what it is ("a loopback address").
    """
    try:
        address = ip_address(text)
    except ValueError:
        return text, "not an IP address"
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        # It names an interface of this host, which no network of the setting can name.
        return text, "an address with a zone, which no setting allows"
    reason = _reason(address)
    if reason is None and public:
        return None
    if not any(address in network for network in networks):
        return str(address), reason or "a public address, to which nothing goes unencrypted (use https:// or ldaps://)"
    # A gateway takes the IPv4 address out, so allowing NAT64 does not allow the private networks behind it.
    inner = _inner(address)
    if inner is None or not (behind := objection(str(inner), networks)):
        return None
    return str(address), f"{reason} that leads to {inner}, {behind[1]}"


def _reason(address: Address) -> str | None:
    """Why an address is not public; None when it is."""
    for network, reason in _SPECIAL:
        if address in network:
            return reason
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "a reserved address"
    return None


def _inner(address: Address) -> IPv4Address | None:
    """The IPv4 address inside an IPv6 address of a transition mechanism."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
