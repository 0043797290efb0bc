"""Which URLs are taken when a webhook is configured, and what the connection makes of them."""

from ipaddress import ip_network

import pytest

from scimlite import outbound
from scimlite.errors import OperatorError
from scimlite.outbound import target

TAKEN = {
    "https://example.com": ("example.com", 443, "/", "example.com"),
    "HTTPS://Example.COM:443/a?b=c": ("example.com", 443, "/a?b=c", "example.com"),
    "https://example.com:8443?x": ("example.com", 8443, "/?x", "example.com:8443"),
    "https://example.com./": ("example.com.", 443, "/", "example.com"),
    "https://bücher.example/": ("xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
    "https://my_host/": ("my_host", 443, "/", "my_host"),
    "https://[2606:4700:0::1]/": ("2606:4700::1", 443, "/", "[2606:4700::1]"),
    "https://[2606:4700::1]:8443/": ("2606:4700::1", 8443, "/", "[2606:4700::1]:8443"),
}

REFUSED = {
    "": "absolute",
    "/hook": "absolute",
    "example.com/hook": "absolute",
    "ftp://example.com/": "absolute",
    "file:///etc/passwd": "absolute",
    "https:///hook": "absolute",
    "https:example.com": "absolute",
    "https://ann:secret@example.com/": "user name",
    "https://ann@example.com/": "user name",
    "https://@example.com/": "user name",
    "https://example.com/#part": "fragment",
    "https://example.com#@evil.example/": "fragment",
    "https://example.com:0/": "port 0",
    "https://example.com:70000/": "port",
    "https://example.com:x/": "port",
    "https://exam ple.com/": "blank",
    "https://example.com/a b": "blank",
    "https://example.com/\r\nX: y": "control",
    "https://exa\tmple.com/": "control",
    "\x00https://example.com/": "control",
    "https://example.com/\u202e": "control",
    "https://example.com\\@evil.example/": "backslash",
    "https://example.com/é": "encoded",
    "https://example.com/%zz": "encoded",
    "https://example.com/<x>": "encoded",
    "https://[fe80::1%25eth0]/": "zone",
    "https://[fe80::1/": "cannot be read",
    "https://[v1.a:b]/": "host",
    "https://-example.com/": "host name",
    "https://a..example.com/": "host name",
    "https://exa%6dple.com/": "host name",
    f"https://{'a' * 64}.com/": "host name",
    f"https://{'a.' * 130}com/": "host name",
    "https://straße.example/": "xn--",
    f"https://example.com/{'a' * 2048}": "2048",
    "http://example.com/": "https://",
}


@pytest.mark.parametrize(("url", "parts"), TAKEN.items(), ids=range(len(TAKEN)))
def test_a_url_is_taken_apart(url, parts):
    outbound.check_url(url)
    found = target.parse(url)
    assert (found.host, found.port, found.path, found.authority) == parts


@pytest.mark.parametrize(("url", "word"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_cannot_be_asked_is_refused_when_it_is_configured(url, word):
    with pytest.raises(OperatorError) as caught:
        outbound.check_url(url)
    assert word in str(caught.value)
    assert "secret" not in str(caught.value)


def test_http_is_taken_where_a_network_is_allowed():
    loopback = [ip_network("127.0.0.0/8")]
    outbound.check_url("http://127.0.0.1:8000/hook", loopback)
    outbound.check_url("http://consumer/hook", loopback)
    with pytest.raises(outbound.Refused):
        outbound.check_url("http://10.0.0.1/hook", loopback)
