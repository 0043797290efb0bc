"""Certificates that are accepted, and those that are not."""

import ssl
import time

import pytest

from scimlite import outbound
from scripted_host import CLOSE, hosting, ok


def test_the_certificate_is_of_the_name(client, authority):
    with hosting([ok()], context=authority.server("hook.example")) as host:
        for _ in range(2):
            assert client.send("POST", host.url(host="hook.example"), body=b"{}").status == 200
        assert host.connections == 1


def test_a_kept_connection_that_was_closed_is_not_used(client, authority):
    with hosting([ok(), CLOSE], [ok()], [CLOSE], [ok()], context=authority.server("hook.example")) as host:
        client.send("POST", host.url(host="hook.example"))
        time.sleep(0.05)
        client.send("POST", host.url(host="hook.example"))
        client.send("POST", host.url(host="hook.example"), again=True)
    assert [seen.connection for seen in host.seen] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("name", "days", "words"),
    [("other.example", 1, "hostname mismatch"), ("hook.example", -1, "certificate has expired")],
)
def test_a_wrong_certificate(client, authority, name, days, words):
    with hosting([ok()], context=authority.server(name, days)) as host:
        with pytest.raises(outbound.Failed) as caught:
            client.send("POST", host.url(host="hook.example"))
        assert caught.value.kind == "tls"
        assert words in str(caught.value).lower()
        assert host.seen == []


def test_a_certificate_of_another_authority(open_client, authority):
    client = open_client(ssl_context=None)
    words = "is not accepted: unable to get local issuer certificate"
    with hosting([ok()], context=authority.server("hook.example")) as host:
        with pytest.raises(outbound.Failed, match=words) as caught:
            client.send("POST", host.url(host="hook.example"))
        assert caught.value.kind == "tls"


def test_a_host_without_tls(client):
    with hosting([ok()], greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as host:
        with pytest.raises(outbound.Failed, match="does not speak TLS as it should") as caught:
            client.send("POST", f"https://127.0.0.1:{host.port}/")
        assert caught.value.kind == "tls"


def test_a_host_with_tls_that_is_asked_without(client, authority):
    with hosting([ok()], context=authority.server("hook.example")) as host, pytest.raises(outbound.Failed):
        client.send("POST", f"http://127.0.0.1:{host.port}/")


def test_the_system_trust_store_is_asked():
    context = outbound.Client()._context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
