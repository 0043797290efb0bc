"""Content codings of request bodies (RFC 9110 section 8.4): gzip and deflate, decoded within a limit."""

from __future__ import annotations

import zlib

from ..errors import BadRequest, UnsupportedMediaType
from .path import quote

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
#: What a body may be encoded with, for the Accept-Encoding header of an answer 415.
ACCEPTED = "gzip, deflate"
#: Each decoding may take as long as the largest body does; clients encode once.
_MOST_CODINGS = 3
#: The members of one gzip body: a file may have several (RFC 1952 section 2.2), and each costs a copy of the rest.
_MOST_MEMBERS = 100


def decoded(raw: bytes, content_encoding: str, limit: int) -> bytes:
    """The body without its codings; more than `limit` bytes are cut off after one byte more than the limit.

    In: the Content-Encoding header, the last coding of which was applied last. Raises UnsupportedMediaType for a coding
    that is not gzip, deflate or identity, BadRequest when the body is not encoded like that or is not complete.
    """
    names = [name.strip().lower().removeprefix("x-") for name in content_encoding.split(",")]
    codings = [name for name in names if name not in ("", "identity")]
    unknown = [name for name in codings if name not in ("gzip", "deflate")]
    if unknown or len(codings) > _MOST_CODINGS:
        problem = f"The content coding {quote(unknown[0])} is unknown" if unknown else "The body is encoded too often"
        raise UnsupportedMediaType(
            f"{problem}; send gzip, deflate, or a body without coding.", headers={"Accept-Encoding": ACCEPTED}
        )
    for coding in reversed(codings):
        try:
            raw = _gunzipped(raw, limit) if coding == "gzip" else _inflated(raw, limit)
        except (zlib.error, EOFError):
            raise BadRequest(f"The body is not {coding}, as Content-Encoding says, or is not complete.") from None
        if len(raw) > limit:
            break
    return raw


def _gunzipped(raw: bytes, limit: int) -> bytes:
    """Gzip without its coding; raises zlib.error, or EOFError when the end is missing."""
    whole = b""
    for _ in range(_MOST_MEMBERS):
        part, raw = _part(raw, _GZIP, limit - len(whole))
        whole += part
        if not raw or len(whole) > limit:
            return whole
    raise zlib.error("too many members")


def _inflated(raw: bytes, limit: int) -> bytes:
    """Deflate without its coding; raises zlib.error, or EOFError when the end is missing.

    RFC 9110 section 8.4.1.2 means the zlib format, and notes that some clients send deflate without it.
    """
    try:
        whole, rest = _part(raw, _ZLIB, limit)
    except zlib.error:
        whole, rest = _part(raw, _RAW_DEFLATE, limit)
    if rest and len(whole) <= limit:
        raise zlib.error("trailing bytes")
    return whole


def _part(raw: bytes, window: int, limit: int) -> tuple[bytes, bytes]:
    """One compressed stream, at most one byte more than the limit of it, and the bytes that follow the stream."""
    stream = zlib.decompressobj(window)
    whole = stream.decompress(raw, limit + 1)
    if len(whole) <= limit and not stream.eof:
        raise EOFError
    return whole, stream.unused_data
