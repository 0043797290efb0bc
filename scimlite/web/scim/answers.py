"""Answers: responses with a SCIM body, and without one."""

from __future__ import annotations

from typing import Any

from flask import Response

from ...scim.messages import MEDIA_TYPE


class _Answer(Response):
    """A response whose headers are final: its Location is an absolute URI, its length is known.

    Werkzeug would copy all headers and work both out again for each one.
    """

    def get_wsgi_headers(self, environ: Any) -> Any:
        return self.headers


def respond(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer with a SCIM body."""
    return _Answer(body, status, headers, content_type=MEDIA_TYPE)


def empty(status: int = 204, headers: dict[str, str] | None = None) -> Response:
    """An answer without a body, and so without a content type."""
    response = Response(b"", status, headers)
    del response.headers["Content-Type"]
    return response
