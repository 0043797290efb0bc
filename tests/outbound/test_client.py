"""What the client makes of other hosts, good and bad ones: real sockets on loopback."""

import contextlib
import ssl
import threading
import time
from ipaddress import ip_network

import pytest

from scimlite import outbound
from scimlite.errors import OperatorError
from scripted_host import CLOSE, RESET, Authority, hosting, ok

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trust(authority):
    return authority.client()


@pytest.fixture
def open_client(trust):
    """Opens a client that reaches loopback by every name, unless the options say otherwise."""
    with contextlib.ExitStack() as stack:

        def opened(**options):
            usual = {"timeout": 2, "ssl_context": trust, "resolve": lambda host: ["127.0.0.1"]}
            return stack.enter_context(outbound.Client(LOOPBACK, **usual | options))

        yield opened


@pytest.fixture
def client(open_client):
    return open_client()


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


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([CLOSE], "reset"),
        ([RESET], "reset"),
        ([ok()[:-1], CLOSE], "reset"),
        ([b"HTTP/1.1 200 O", CLOSE], "reset"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", RESET], "reset"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", CLOSE], "reset"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "malformed"),
        ([b"HTTP/2 200\r\n"], "malformed"),
        ([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000], "malformed"),
        ([b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000], "malformed"),
        ([3.0, ok()], "timeout"),
        ([ok()[:-1], 3.0], "timeout"),
    ],
    ids=str,
)
def test_a_host_that_does_not_answer_is_a_failure(open_client, script, kind):
    client = open_client(timeout=0.5)
    with hosting(script) as host, pytest.raises(outbound.Failed) as caught:
        client.send("POST", host.url("/secret-path"), headers={"X": "secret"}, body=b"secret")
    assert caught.value.kind == kind
    assert str(caught.value).startswith(f"127.0.0.1 port {host.port} ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("drip", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n", b""])
def test_a_host_that_drips_does_not_move_the_deadline(open_client, drip):
    client = open_client(timeout=0.5)
    with hosting([drip, *[b"a", 0.05] * 60]) as host:
        began = time.monotonic()
        with pytest.raises(outbound.Failed) as caught:
            client.send("POST", host.url())
        assert time.monotonic() - began < 1
    assert caught.value.kind in ("timeout", "malformed")


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


def test_nothing_listens(client):
    with hosting([ok()]) as host:
        url = host.url()
    with pytest.raises(outbound.Failed, match="cannot be reached: Connection refused") as caught:
        client.send("POST", url)
    assert caught.value.kind == "connect"


class TestNames:
    def test_a_name_that_cannot_be_resolved(self, open_client):
        def resolve(host):
            raise OSError(-2, "Name or service not known")

        client = open_client(resolve=resolve)
        with pytest.raises(outbound.Failed, match=r"hook\.example\.com cannot be resolved") as caught:
            client.send("POST", "https://hook.example.com/")
        assert caught.value.kind == "name"

    def test_a_resolver_that_hangs_is_given_up(self, open_client):
        go = threading.Event()

        def resolve(host):
            go.wait(10)
            return ["127.0.0.1"]

        client = open_client(timeout=0.2, resolve=resolve)
        with pytest.raises(outbound.Failed, match="was not resolved within") as caught:
            client.send("POST", "https://hook.example.com/")
        assert caught.value.kind == "timeout"
        go.set()

    def test_a_name_that_changes_after_the_judgement_changes_nothing(self, open_client):
        answers = iter([["127.0.0.1"], ["169.254.169.254"]])
        client = open_client(resolve=lambda host: next(answers))
        with hosting([ok()]) as host:
            for _ in range(2):  # asked once, connected once
                assert client.send("POST", host.url(host="rebinding.example")).status == 200
            assert f"Host: rebinding.example:{host.port}" in host.seen[1].head
            assert host.connections == 1
        # The connection is gone, so the name is resolved, and judged, again.
        with pytest.raises(outbound.Refused, match=r"at 169\.254\.169\.254, a link-local"):
            client.send("POST", host.url(host="rebinding.example"))

    def test_the_next_address_is_tried(self, open_client):
        with hosting([ok()]) as host:
            loopback = ["127.0.0.2", "127.0.0.1"]
            client = open_client(resolve=lambda host: loopback)
            assert client.send("POST", host.url(host="two.example")).status == 200


class TestKeptConnections:
    @pytest.mark.parametrize("end", [CLOSE, RESET])
    def test_one_that_was_closed_meanwhile_is_not_used(self, client, end):
        with hosting([ok(), end], [ok()]) as host:
            assert client.send("POST", host.url()).status == 200
            time.sleep(0.05)
            assert client.send("POST", host.url()).status == 200
        assert [seen.connection for seen in host.seen] == [0, 1]

    @pytest.mark.parametrize("end", [CLOSE, RESET])
    def test_one_that_is_closed_instead_of_an_answer_is_asked_again(self, client, end):
        with hosting([ok()], [end], [ok(b"again")]) as host:
            client.send("POST", host.url())
            assert client.send("POST", host.url(), body=b"{}", again=True).body == b"again"
        assert [seen.connection for seen in host.seen] == [0, 0, 1]

    def test_it_is_not_asked_again_unless_the_caller_says_so(self, client):
        with hosting([ok()], [CLOSE], [ok()]) as host:
            client.send("POST", host.url())
            with pytest.raises(outbound.Failed, match="closed the connection before it answered"):
                client.send("POST", host.url())

    @pytest.mark.parametrize("script", [[b"H", CLOSE], [b"H", RESET]])
    def test_it_is_not_asked_again_when_an_answer_had_begun(self, client, script):
        with hosting([ok()], script, [ok()]) as host:
            client.send("POST", host.url())
            with pytest.raises(outbound.Failed):
                client.send("POST", host.url(), again=True)
        assert len(host.seen) == 2

    def test_it_is_asked_again_only_once(self, client):
        with hosting([ok()], [CLOSE]) as host:
            client.send("POST", host.url())
            with pytest.raises(outbound.Failed):
                client.send("POST", host.url(), again=True)
        assert len(host.seen) == 3

    def test_bytes_behind_an_answer_are_no_answer_to_the_next_request(self, client):
        forged = ok(b"forged")
        with hosting([ok() + forged], [ok(b"true")]) as host:
            client.send("POST", host.url())
            assert client.send("POST", host.url()).body == b"true"

    def test_threads_share_them(self, client):
        with hosting([0.01, ok()]) as host:
            threads = [
                threading.Thread(target=lambda: [client.send("POST", host.url(), body=b"{}") for _ in range(20)])
                for _ in range(8)
            ]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
            assert len(host.seen) == 160
            assert host.connections <= 8

    def test_a_closed_client_keeps_none(self, client):
        with hosting([ok()]) as host:
            client.send("POST", host.url())
            client.close()
            client.send("POST", host.url())
            client.send("POST", host.url())
            assert host.connections == 3


class TestTls:
    def test_the_certificate_is_of_the_name(self, client, authority):
        with hosting([ok()], context=authority.server("hook.example")) as host:
            for _ in range(2):
                assert client.send("POST", host.url(host="hook.example"), body=b"{}").status == 200
            assert host.connections == 1

    @pytest.mark.parametrize(
        ("name", "days", "words"),
        [("other.example", 1, "hostname mismatch"), ("hook.example", -1, "certificate has expired")],
    )
    def test_a_wrong_certificate(self, client, authority, name, days, words):
        with hosting([ok()], context=authority.server(name, days)) as host:
            with pytest.raises(outbound.Failed) as caught:
                client.send("POST", host.url(host="hook.example"))
            assert caught.value.kind == "tls"
            assert words in str(caught.value).lower()
            assert host.seen == []

    def test_a_certificate_of_another_authority(self, open_client, authority):
        client = open_client(ssl_context=None)
        words = "is not accepted: unable to get local issuer certificate"
        with hosting([ok()], context=authority.server("hook.example")) as host:
            with pytest.raises(outbound.Failed, match=words) as caught:
                client.send("POST", host.url(host="hook.example"))
            assert caught.value.kind == "tls"

    def test_a_host_without_tls(self, client):
        with hosting([ok()], greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as host:
            with pytest.raises(outbound.Failed, match="does not speak TLS as it should") as caught:
                client.send("POST", f"https://127.0.0.1:{host.port}/")
            assert caught.value.kind == "tls"

    def test_a_host_with_tls_that_is_asked_without(self, client, authority):
        with hosting([ok()], context=authority.server("hook.example")) as host, pytest.raises(outbound.Failed):
            client.send("POST", f"http://127.0.0.1:{host.port}/")


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


def test_the_system_trust_store_is_asked():
    context = outbound.Client()._context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
