"""What the client makes of other hosts, good and bad ones: real sockets on loopback."""

import socket
import threading
from ipaddress import ip_network

import pytest

from scimlite import outbound
from scimlite.errors import OperatorError
from scripted_host import CLOSE, hosting, ok


def test_a_request_is_sent_and_answered(client):
    with hosting([ok(b"thanks", "X-One: 1", "x-one: 2")]) as host:
        headers = {"Content-Type": "application/json", "webhook-id": "evt_1"}
        answer = client.send("POST", host.url("/hook?x=%20"), headers=headers, body=b"{}")
    assert (answer.status, answer.body, answer.cut) == (200, b"thanks", False)
    assert answer.headers == {"content-length": "6", "x-one": "1, 2"}
    assert 0 <= answer.ms < 2000
    seen = host.seen[0]
    assert seen.body == b"{}"
    assert seen.head.split("\r\n") == [
        "POST /hook?x=%20 HTTP/1.1",
        f"Host: 127.0.0.1:{host.port}",
        "Accept-Encoding: identity",
        "Content-Length: 2",
        "Content-Type: application/json",
        "webhook-id: evt_1",
        "User-Agent: scimlite",
    ]


@pytest.mark.parametrize(
    ("script", "status", "body"),
    [
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b""),
        ([b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"], 302, b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", ok()], 200, b"ok"),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0.05, ok()], 200, b"ok"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n"], 200, b"ok"),
        ([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", CLOSE], 200, b"ok"),
        ([b"HTTP/1.0 200 OK\r\n\r\nok", CLOSE], 200, b"ok"),
        ([ok()[:20], 0.05, ok()[20:]], 200, b"ok"),
    ],
    ids=["no-content", "redirect", "continue", "early-hints", "chunked", "until-closed", "http-1.0", "in-pieces"],
)
def test_an_answer_is_read(client, script, status, body):
    with hosting(script) as host:
        for _ in range(2):
            answer = client.send("POST", host.url(), body=b"{}", again=True)
            assert (answer.status, answer.body) == (status, body)


def test_an_early_refusal_of_a_large_body_is_the_answer(client):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(2**20):
                    pass

        server = threading.Thread(target=refuse)
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert client.send("POST", url, body=b"a" * 5_000_000).status == 413
        client.close()
        server.join()


def test_an_ipv6_host_is_asked(trust):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                requests.append(connection.recv(65536))
                connection.sendall(ok())

        requests = []
        server = threading.Thread(target=answer)
        server.start()
        port = listener.getsockname()[1]
        with outbound.Client((ip_network("::1"),), timeout=2, ssl_context=trust) as client:
            assert client.send("GET", f"http://[::1]:{port}/").status == 200
        server.join()
    assert f"Host: [::1]:{port}\r\n".encode() in requests[0]


def test_proxies_of_the_environment_are_not_asked(open_client, monkeypatch):
    with hosting([ok(b"proxy")]) as proxy, hosting([ok(b"host")]) as host:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
            monkeypatch.setenv(name.upper(), proxy.url(""))
        assert open_client().send("POST", host.url()).body == b"host"


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"a" * 1_000_000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"a;b=c\r\naaaaaaaaaa\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 1_000_000,
    ],
    ids=["length", "chunked", "until-closed"],
)
def test_a_huge_answer_is_cut(client, answer):
    with hosting([answer], [ok()]) as host:
        found = client.send("GET", host.url(), most=1000)
        assert (found.body, found.cut) == (b"a" * 1000, True)
        # What is left of it is no part of the next answer.
        assert client.send("GET", host.url()).body == b"ok"
    assert [seen.connection for seen in host.seen] == [0, 1]


def test_an_answer_of_exactly_the_size_is_not_cut(client):
    with hosting([ok(b"a" * 1000)]) as host:
        for _ in range(2):
            found = client.send("GET", host.url(), most=1000)
            assert (found.body, found.cut) == (b"a" * 1000, False)
    assert [seen.connection for seen in host.seen] == [0, 0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-B: b"),
        ("X-A", "a\nb"),
        ("X-A", "a\rb"),
        ("X-A", "a\0b"),
        ("X-A", " a"),
        ("X-A", "é"),
        ("X-A\r\nX-B", "a"),
        ("X A", "a"),
        ("", "a"),
        ("Host", "a"),
        ("content-length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(client, name, value):
    with hosting([ok()]) as host:
        with pytest.raises(OperatorError) as caught:
            client.send("POST", host.url(), headers={name: value})
        assert "X-B: b" not in str(caught.value)
        assert host.connections == 0
