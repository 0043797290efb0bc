"""HTTP responses of the SCIM endpoint, with a SCIM body or without a body."""

from __future__ import annotations

from typing import Any

from flask import Response

from ...scim.messages import MEDIA_TYPE


class _CompleteResponse(Response):
    """A response whose headers are complete: Location is an absolute URI, and Content-Length is set.

    Werkzeug would copy all headers and compute both again for each response.
    """

    def get_wsgi_headers(self, environ: Any) -> Any:
        return self.headers


def scim_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Returns a response with the content type `application/scim+json` (RFC 7644 section 3.1)."""
    return _CompleteResponse(body, status, headers, content_type=MEDIA_TYPE)


def empty_response(status: int = 204, headers: dict[str, str] | None = None) -> Response:
    """Returns a response without a body and without a content type."""
    response = Response(b"", status, headers)
    del response.headers["Content-Type"]
    return response
