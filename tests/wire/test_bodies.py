"""Bodies that are encoded, begin with a byte-order mark, or are no UTF-8, at every endpoint that takes one."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from typing import Any

import pytest

from installation import Connected
from scim_client import Answer, assert_scim_error

MAX_BODY = 65_536
SETTINGS = {"MAX_BODY": str(MAX_BODY)}
PATCH = {"Operations": [{"op": "replace", "path": "externalId", "value": "x"}]}


def _raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body)[2:-4]


def _requests(app: Connected) -> list[tuple[str, str, Any]]:
    """One request to each kind of endpoint with a body."""
    user, group = app.client.user("held").ok(201), app.client.group("held").ok(201)
    bulk = {"Operations": [{"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bulk"}}]}
    return [
        ("POST", "/Users", {"userName": "made"}),
        ("PUT", f"/Users/{user.id}", {"userName": "held", "title": "é"}),
        ("PATCH", f"/Users/{user.id}", PATCH),
        ("POST", "/Groups", {"displayName": "made"}),
        ("PATCH", f"/Groups/{group.id}", PATCH),
        ("POST", "/.search", {"filter": "userName pr"}),
        ("POST", "/Users/.search", {"filter": "userName pr"}),
        ("POST", "/Bulk", bulk),
    ]


def _send(app: Connected, request: tuple[str, str, Any], raw: bytes, coding: str | None) -> Answer:
    return app.client.request(request[0], request[1], raw=raw, headers={"Content-Encoding": coding})


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "raw deflate", "deflate, gzip"])
def test_every_endpoint_takes_encoded_bodies(app: Connected, coding: str) -> None:
    for request in _requests(app):
        body = json.dumps(request[2], ensure_ascii=False).encode()
        raw = {
            "deflate": zlib.compress(body),
            "raw deflate": _raw_deflate(body),
            "deflate, gzip": gzip.compress(zlib.compress(body)),
        }.get(coding, gzip.compress(body))
        answer = _send(app, request, raw, coding.removeprefix("raw ")).ok()
        if request[1] == "/Bulk":
            assert answer.json["Operations"][0]["status"] == "201"
    assert app.client.find("Users", filter='title eq "é"')["totalResults"] == 1


def test_what_cannot_be_decoded_changes_nothing(app: Connected) -> None:
    requests = _requests(app)
    before = app.client.get("").content
    for request in requests:
        body = json.dumps(request[2]).encode()
        for raw in (gzip.compress(body)[:-1], body, b"\x1f\x8b", gzip.compress(body) + b"x"):
            assert_scim_error(_send(app, request, raw, "gzip"), 400, detail="Content-Encoding")
        for coding in ("br", "zstd", "gzip, br"):
            refused = _send(app, request, body, coding)
            assert_scim_error(refused, 415, detail="gzip, deflate")
            assert refused.headers["accept-encoding"] == "gzip, deflate"
        assert_scim_error(_send(app, request, gzip.compress(body), None), 400, "invalidSyntax", "not JSON")
        assert_scim_error(_send(app, request, gzip.compress(b"\0" * 50_000_000), "gzip"), 413)
    assert app.client.get("").content == before


def test_the_limit_is_that_of_the_decoded_body(app: Connected) -> None:
    start, end = b'{"userName": "padded", "nickName": "', b'"}'
    body = start + b"x" * (MAX_BODY - len(start) - len(end)) + end
    for coding, encode in (("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", _raw_deflate)):
        request = ("POST", "/Users", None)
        made = _send(app, request, encode(body), coding).ok(201)
        assert_scim_error(_send(app, request, encode(body + b" "), coding), 413)
        app.client.delete(f"/Users/{made.id}").ok(204)


def test_a_byte_order_mark_is_skipped(app: Connected) -> None:
    for request in _requests(app):
        body = codecs.BOM_UTF8 + json.dumps(request[2], ensure_ascii=False).encode()
        _send(app, request, body, None).ok()
    app.client.post("/Users", raw=codecs.BOM_UTF8 + b'\r\n {"userName": "spaced"}').ok(201)
    body = codecs.BOM_UTF8 + b'{"userName": "zipped"}'
    app.client.post("/Users", raw=gzip.compress(body), headers={"Content-Encoding": "gzip"}).ok(201)
    twice = codecs.BOM_UTF8 * 2 + b"{}"
    assert_scim_error(app.client.post("/Users", raw=twice), 400, "invalidSyntax")
    for raw in (codecs.BOM_UTF8, codecs.BOM_UTF8 + b'{"userName": "a", "userName": "b"}'):
        assert_scim_error(app.client.post("/Users", raw=raw), 400, "invalidSyntax")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_in_so_many_words(app: Connected, encoding: str) -> None:
    for request in _requests(app):
        raw = json.dumps(request[2]).encode(encoding)
        assert_scim_error(_send(app, request, raw, None), 400, "invalidSyntax", "UTF-8")


@pytest.mark.parametrize("value", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\\ud800"])
def test_text_that_is_no_utf_8_is_refused(app: Connected, value: bytes) -> None:
    for path, raw in (
        ("/Users", b'{"userName": "a%b"}'),
        ("/.search", b'{"filter": "userName eq \\"a%b\\""}'),
        ("/Users/.search", b'{"attributes": ["%b"]}'),
        ("/Bulk", b'{"Operations": [{"method": "DELETE", "path": "/Users/%b"}]}'),
    ):
        assert_scim_error(app.client.post(path, raw=raw.replace(b"%b", value)), 400, "invalidSyntax")
