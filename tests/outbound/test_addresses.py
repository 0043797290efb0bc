"""Which addresses scimlite connects to: by address and never by text, and all of a host's."""

from ipaddress import ip_address, ip_network

import pytest

from scimlite import outbound
from scimlite.outbound import addresses

REFUSED = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "100.64.0.1": "carrier",
    "100.127.255.255": "carrier",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "protocols",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarks",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "inside",
    "::ffff:10.0.0.1": "inside",
    "::ffff:8.8.8.8": "inside",
    "64:ff9b::a00:1": "NAT64",
    "64:ff9b::808:808": "NAT64",
    "64:ff9b:1::1": "NAT64",
    "100::1": "reserved",
    "2001::1": "Teredo",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "Teredo",
    "2001:10::1": "protocols",
    "2001:db8::1": "documentation",
    "2002:a00:1::1": "6to4",
    "2002:808:808::1": "6to4",
    "3fff::1": "documentation",
    "4000::1": "reserved",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "zone",
    "2606:4700::1%1": "zone",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "localhost": "not an IP address",
}

PUBLIC = ("1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "198.20.0.1", "223.255.255.255", "2606:4700::1", "2a00::1")


@pytest.mark.parametrize(("address", "reason"), REFUSED.items())
def test_an_address_that_is_not_public_is_refused(address, reason):
    assert reason in addresses.objection(address, ())[1]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not_refused(address):
    assert addresses.objection(address, ()) is None


def test_whatever_python_takes_for_private_is_refused():
    # The first and the last address of each network, and its neighbours.
    edges = {
        edge.__class__(int(edge) + step)
        for network, _ in addresses._SPECIAL
        for edge in (network.network_address, network.broadcast_address)
        for step in (-1, 0, 1)
        if 0 <= int(edge) + step < 2**edge.max_prefixlen
    }
    assert [e for e in edges if not e.is_global and addresses.objection(str(e), ()) is None] == []


@pytest.mark.parametrize(
    ("address", "networks", "allowed"),
    [
        ("127.0.0.1", "127.0.0.0/8", True),
        ("127.0.0.1", "10.0.0.0/8", False),
        ("::1", "::1/128", True),
        ("fd12::1", "fc00::/7", True),
        # A gateway would take the inner address out.
        ("64:ff9b::808:808", "64:ff9b::/96", True),
        ("64:ff9b::a00:1", "64:ff9b::/96", False),
        ("64:ff9b::a00:1", "64:ff9b::/96,10.0.0.0/8", True),
        ("2002:a9fe:a9fe::1", "2002::/16", False),
        ("::ffff:169.254.169.254", "::/0", False),
        ("::10.0.0.1", "::/0", False),
        ("::1", "::/0", True),
        ("fe80::1%1", "fe80::/10", False),
    ],
)
def test_a_network_of_the_setting_is_allowed(address, networks, allowed):
    given = [ip_network(network) for network in networks.split(",")]
    assert (addresses.objection(address, given) is None) is allowed


def test_the_reason_names_the_address_behind_a_gateway():
    reason = addresses.objection("64:ff9b::a00:1", [ip_network("64:ff9b::/96")])[1]
    assert reason == "an address of NAT64 that leads to 10.0.0.1, a private address (RFC 1918)"


def test_http_is_for_allowed_networks_only():
    loopback = [ip_network("127.0.0.0/8")]
    assert addresses.objection("127.0.0.1", loopback, public=False) is None
    assert "https://" in addresses.objection("8.8.8.8", loopback, public=False)[1]


SPELLINGS = ("127.0.0.1", "0177.0.0.1", "2130706433", "127.1", "0x7f000001", "0x7f.1", "[::1]", "[::ffff:7f00:1]", "0")


@pytest.mark.parametrize("host", [*SPELLINGS, "１２７.0.0.1", "127。0。0。1"])
def test_every_spelling_of_an_address_is_judged(host):
    with pytest.raises(outbound.Refused):
        outbound.check_url(f"https://{host}/")
    client = outbound.Client(timeout=5)
    with pytest.raises(outbound.Refused) as caught:
        client.send("GET", f"https://{host}/")
    assert not ip_address(caught.value.address).is_global
    assert "SCIMLITE_OUTBOUND_NETWORKS" in str(caught.value)


@pytest.mark.parametrize("found", [["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["2606:4700::1", "fe80::1%2"]])
def test_one_address_that_is_not_public_refuses_the_host(found):
    client = outbound.Client(timeout=5, resolve=lambda host: found)
    with pytest.raises(outbound.Refused, match=r"^hook\.example\.com is at ") as caught:
        client.send("POST", "https://hook.example.com/", body=b"{}")
    assert (caught.value.host, caught.value.address) == ("hook.example.com", found[-1])
