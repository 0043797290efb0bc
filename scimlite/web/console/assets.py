"""The console's own stylesheets and scripts: read once, compressed once, and kept by browsers for good."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from flask import Response, abort, request

_FOLDER = Path(__file__).parent / "static"
#: A year; the address has a part that changes with the content.
_CACHED = "public, max-age=31536000, immutable"
#: The version in the address and in the ETag: characters of a SHA-256.
_DIGITS = 12
_IMPORT = re.compile(rb'@import url\("([^"?]+)"\)')


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    compressed: bytes
    media_type: str
    version: str


@cache
def assets() -> dict[str, Asset]:
    """The files of static/ that browsers need, by their path below it."""
    return {
        path.relative_to(_FOLDER).as_posix(): _read(path)
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in (".css", ".js", ".svg", ".ico", ".png")
    }


def _read(path: Path) -> Asset:
    content = _IMPORT.sub(partial(_with_version, path.parent), path.read_bytes())
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    media_type += "; charset=utf-8" if media_type.startswith("text/") else ""
    return Asset(content, gzip.compress(content, 9, mtime=0), media_type, hashlib.sha256(content).hexdigest()[:_DIGITS])


def _with_version(folder: Path, imported: re.Match[bytes]) -> bytes:
    """Returns the address of a stylesheet that another one imports as pages have it, so that it is loaded once."""
    version = hashlib.sha256((folder / imported[1].decode()).read_bytes()).hexdigest()[:_DIGITS]
    return b'@import url("%s?v=%s")' % (imported[1], version.encode())


def asset(filename: str) -> Response:
    """Answers with a file; anybody may have it. Browsers keep it when they asked for the present version."""
    found = assets().get(filename)
    if found is None:
        abort(404)
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    response = Response(found.compressed if packed else found.content, content_type=found.media_type)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = _CACHED if request.args.get("v") == found.version else "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.set_etag(found.version)
    response.make_conditional(request)
    return response
