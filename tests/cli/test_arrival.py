"""When a request has arrived whole, however its bytes are cut."""

from __future__ import annotations

import pytest

from scimlite_cli.server.arrival import Arrival

MOST_BODY = 100
GET = b"GET /scim/v2/entra/Users?filter=x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /scim/v2/entra/Users HTTP/1.1\r\nHost: a\r\n"

WHOLE = {
    "no body": GET,
    "an empty line before": b"\r\n" + GET,
    "a length": POST + b"Content-Length: 5\r\n\r\nabcde",
    "a length in lower case": POST + b"content-length:5\r\n\r\nabcde",
    "a length of nothing": POST + b"Content-Length: 0\r\n\r\n",
    "the largest": POST + b"Content-Length: 100\r\n\r\n" + b"x" * 100,
    "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nA;a=b\r\n0123456789\r\n0\r\n\r\n",
    "no chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "trailers": POST + b"Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\nZ: z\r\n\r\n",
    "a chunk that looks like the end": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", WHOLE.values(), ids=WHOLE)
def test_a_request_is_whole_with_its_last_byte(request_bytes: bytes) -> None:
    arrival = Arrival(MOST_BODY)
    fed = [arrival.feed(request_bytes[at : at + 1]) for at in range(len(request_bytes))]
    assert fed == [False] * (len(request_bytes) - 1) + [True]
    assert (b"".join(arrival.pieces()), arrival.cut, arrival.app) == (request_bytes, False, b"entra")


@pytest.mark.parametrize("request_bytes", WHOLE.values(), ids=WHOLE)
def test_what_follows_is_the_next_request(request_bytes: bytes) -> None:
    arrival = Arrival(MOST_BODY)
    assert arrival.feed(request_bytes + GET + b"POST")
    assert b"".join(arrival.pieces()) == request_bytes
    second = arrival.following()
    assert second.feed(b"")
    assert b"".join(second.pieces()) == GET
    third = second.following()
    assert (third.feed(b" /"), bytes(third.data)) == (False, b"POST /")


#: What is not waited for: the parser refuses it, or the application does.
CUT = {
    "above the limit": POST + b"Content-Length: 101\r\n\r\n",
    "a huge length": POST + b"Content-Length: 99999999999999999999999999\r\n\r\n",
    "no number as a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n",
    "a line without its end": b"GET /" + b"a" * 9000,
    "a bare line feed": b"GET / HTTP/1.1\nHost",
    "a head without its end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200_000,
}


@pytest.mark.parametrize("request_bytes", CUT.values(), ids=CUT)
def test_what_is_malformed_or_too_large_is_not_waited_for(request_bytes: bytes) -> None:
    arrival = Arrival(MOST_BODY)
    assert arrival.feed(request_bytes)
    assert arrival.cut
    assert b"".join(arrival.pieces()) == request_bytes


def test_too_many_chunks() -> None:
    arrival = Arrival(MOST_BODY)
    assert not arrival.feed(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    fed = 0
    while not arrival.feed(b"40\r\n" + b"x" * 64 + b"\r\n"):
        fed += 1
        assert fed < 20_000
    assert arrival.cut


@pytest.mark.parametrize(
    ("path", "app"),
    [
        (b"/scim/v2/entra/Users", b"entra"),
        (b"/scim/v2/%65ntra/Users", b"entra"),
        (b"http://host.example:8000/scim/v2/entra/Users", b"entra"),
        (b"/scim/v2/entra?filter=a/b", b"entra"),
        (b"/scim/v2/", b""),
        (b"/healthz", b""),
        (b"/other/scim/v2/entra", b""),
        (b"*", b""),
    ],
)
def test_the_app_in_the_url(path: bytes, app: bytes) -> None:
    arrival = Arrival(MOST_BODY)
    assert arrival.feed(b"GET " + path + b" HTTP/1.1\r\n\r\n")
    assert arrival.app == app


def test_who_waits_for_100_continue() -> None:
    arrival = Arrival(MOST_BODY)
    assert not arrival.feed(POST + b"Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n")
    assert arrival.expects
