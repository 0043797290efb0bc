"""Encoded bodies: what is decoded, within which limit, and what is refused."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest

from scimlite.errors import BadRequest, UnsupportedMediaType
from scimlite.scim.content_coding import decoded

BODY = b'{"userName": "ann"}' * 50
LIMIT = 10_000


def gzipped(body: bytes) -> bytes:
    # Without the time, which would be another one in each process that collects the tests.
    return gzip.compress(body, mtime=0)


def raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


@pytest.mark.parametrize(
    ("coding", "raw"),
    [
        ("gzip", gzipped(BODY)),
        ("x-gzip", gzipped(BODY)),
        ("GZIP", gzipped(BODY)),
        ("gzip", gzipped(BODY[:100]) + gzipped(BODY[100:])),
        ("gzip", gzipped(b"") + gzipped(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("Deflate", zlib.compress(BODY, 1)),
        ("deflate", raw_deflate(BODY)),
        ("identity", BODY),
        (" identity , ", BODY),
        ("deflate, gzip", gzipped(zlib.compress(BODY))),
        ("gzip,identity, deflate", zlib.compress(gzipped(BODY))),
    ],
)
def test_decoded(coding: str, raw: bytes) -> None:
    assert decoded(raw, coding, LIMIT) == BODY
    assert decoded(raw, coding, len(BODY)) == BODY
    if coding.strip(" ,").lower() != "identity":
        assert len(decoded(raw, coding, len(BODY) - 1)) == len(BODY)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_truncated_garbled_or_followed_by_more(coding: str) -> None:
    whole = gzipped(BODY) if coding == "gzip" else zlib.compress(BODY)
    for cut in range(1, len(whole)):
        with pytest.raises(BadRequest, match=f"not {coding}"):
            decoded(whole[:cut], coding, LIMIT)
    for raw in (BODY, b"\x1f\x8b", b"\x00" * 50, whole + b"x", whole[:10] + b"\xff\xff\xff" + whole[13:]):
        with pytest.raises(BadRequest, match=f"not {coding}"):
            decoded(raw, coding, LIMIT)


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br", "aws-chunked", "*", "gzip;q=1", "gzip," * 4])
def test_unknown_codings(coding: str) -> None:
    with pytest.raises(UnsupportedMediaType) as refused:
        decoded(BODY, coding, LIMIT)
    assert refused.value.headers == {"Accept-Encoding": "gzip, deflate"}


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compress(b"\0" * 200_000_000, 9)
    started = time.perf_counter()
    assert len(decoded(bomb, "deflate", LIMIT)) == LIMIT + 1
    assert len(decoded(gzipped(bomb), "deflate, gzip", len(bomb))) == len(bomb) + 1
    assert time.perf_counter() - started < 0.5
    with pytest.raises(BadRequest):
        decoded(gzipped(b"") * 50_000, "gzip", LIMIT * 1000)
