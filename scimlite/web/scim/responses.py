"""HTTP responses of the SCIM endpoint, with a SCIM body or without a body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response

from ...scim.messages import MEDIA_TYPE
from ..headers import PlainHeaders

_WITHOUT_BODY = (204, 304)


class _CompleteResponse(Response):
    """A response that is complete: Location is an absolute URI, and Content-Length is set.

    For each response Werkzeug would copy all headers, compute both again, and wrap the body to close it at the end. All
    that costs a tenth of a GET.
    """

    default_mimetype = None
    #: The body that the response began with. An application around the blueprint may have put another one in its place.
    whole: Sequence[bytes] = ()

    def get_wsgi_response(self, environ: Any) -> Any:
        """Returns body, status and headers for the server; as Werkzeug does where an application changed the response.

        In: the WSGI environment, whose request may be a HEAD.
        """
        if self.response is not self.whole or self._on_close:
            return super().get_wsgi_response(environ)
        without_body = environ["REQUEST_METHOD"] == "HEAD" or self.status_code in _WITHOUT_BODY
        return () if without_body else self.whole, self.status, self.headers.to_wsgi_list()


def scim_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Returns a response with the content type `application/scim+json` (RFC 7644 section 3.1).

    In: `headers` whose values hold no line ends.
    """
    pairs = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), *(headers or {}).items()]
    return complete_response([body], status, pairs)


def empty_response(status: int = 204, headers: dict[str, str] | None = None) -> Response:
    """Returns a response without body and content type, for 204 and 304; `headers` as for `scim_response`."""
    return complete_response((), status, (headers or {}).items())


def complete_response(whole: Sequence[bytes], status: int, headers: Any) -> Response:
    """Returns a response with this body; `headers` are pairs whose values hold no line ends."""
    response = _CompleteResponse(whole, status, PlainHeaders(headers))
    response.whole = whole
    return response
