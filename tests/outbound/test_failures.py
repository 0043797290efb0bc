"""Hosts that do not answer, or not as they should, and what the client says about them."""

import contextlib
import socket
import time

import pytest

from scimlite import deadline, outbound
from scripted_host import CLOSE, RESET, hosting, ok

FAILURES = {
    "closed": ([CLOSE], "reset"),
    "reset": ([RESET], "reset"),
    "closed-before-the-last-byte": ([ok()[:-1], CLOSE], "reset"),
    "closed-in-the-head": ([b"HTTP/1.1 200 O", CLOSE], "reset"),
    "reset-in-the-body": ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 0.05, RESET], "reset"),
    "closed-between-chunks": ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", CLOSE], "reset"),
    "another-protocol": ([b"SSH-2.0-OpenSSH_9.2\r\n"], "malformed"),
    "another-version": ([b"HTTP/2 200\r\n"], "malformed"),
    "upgrade": ([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"], "malformed"),
    "two-lengths": ([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"], "malformed"),
    "no-length-of-a-chunk": ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"], "malformed"),
    "huge-header": ([b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000], "malformed"),
    "many-headers": ([b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 50_000], "malformed"),
    "many-early-hints": ([b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000], "malformed"),
    "silent": ([3.0, ok()], "timeout"),
    "silent-before-the-last-byte": ([ok()[:-1], 3.0], "timeout"),
}


@pytest.mark.parametrize(("script", "kind"), FAILURES.values(), ids=FAILURES)
def test_a_host_that_does_not_answer_is_a_failure(open_client, script, kind):
    client = open_client(timeout=0.5)
    with hosting(script) as host, pytest.raises(outbound.Failed) as caught:
        client.send("POST", host.url("/secret-path"), headers={"X": "secret"}, body=b"secret")
    assert caught.value.kind == kind
    assert str(caught.value).startswith(f"127.0.0.1 port {host.port} ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("drip", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
def test_a_host_that_drips_does_not_move_the_deadline(open_client, drip):
    client = open_client(timeout=0.5)
    with hosting([drip, *[b"a", 0.05] * 60]) as host:
        began = time.monotonic()
        with pytest.raises(outbound.Failed) as caught:
            client.send("POST", host.url())
        assert time.monotonic() - began < 1
    assert caught.value.kind == "timeout"


class TestHostsThatDoNothing:
    """A port that the system answers for, and whose program does not."""

    @pytest.fixture
    def port(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener.getsockname()[1]

    @pytest.mark.parametrize(("scheme", "body"), [("http", b""), ("http", b"a" * 20_000_000), ("https", b"")])
    def test_the_deadline_ends_it(self, open_client, port, scheme, body):
        client = open_client(timeout=0.3)
        began = time.monotonic()
        with pytest.raises(outbound.Failed, match=r"did not answer within 0\.3 seconds") as caught:
            client.send("POST", f"{scheme}://127.0.0.1:{port}/", body=body)
        assert caught.value.kind == "timeout"
        assert time.monotonic() - began < 1

    def test_the_deadline_of_a_web_request_counts(self, open_client, port):
        with deadline.within(0.3), pytest.raises(outbound.Failed) as caught:
            open_client(timeout=15).send("POST", f"http://127.0.0.1:{port}/")
        assert caught.value.kind == "timeout"

    def test_an_address_that_drops_packets_leaves_time_for_the_next(self, open_client):
        with hosting([ok()]) as host, socket.socket() as full, contextlib.ExitStack() as stack:
            full.bind(("127.0.0.2", host.port))
            full.listen(0)
            for _ in range(4):  # more than its queue takes, so that it answers no more
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.2", host.port))
            only = open_client(timeout=0.3, resolve=lambda name: ["127.0.0.2"])
            with pytest.raises(outbound.Failed, match="took no connection within") as caught:
                only.send("POST", host.url())
            assert caught.value.kind == "timeout"
            both = open_client(timeout=1, resolve=lambda name: ["127.0.0.2", "127.0.0.1"])
            assert both.send("POST", host.url()).status == 200


def test_nothing_listens(client):
    with hosting([ok()]) as host:
        url = host.url()
    with pytest.raises(outbound.Failed, match="cannot be reached: Connection refused") as caught:
        client.send("POST", url)
    assert caught.value.kind == "connect"
