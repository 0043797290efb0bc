"""What every endpoint has: its methods get the call, a method that it lacks is 405, a body is JSON."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from werkzeug.exceptions import HTTPException

from ... import errors
from ...scim import messages
from .provider import METHODS, Call, Service, begin

_JSON_TYPES = ("application/scim+json", "application/json")


class View(MethodView):
    """An endpoint: its methods get the call; those that it lacks are 405 with what it has."""

    init_every_request = False

    def __init__(self, service: Service) -> None:
        self.service = service

    def dispatch_request(self, **arguments: Any) -> Any:
        call = begin()
        method = call.request.method
        handler = getattr(self, "get" if method == "HEAD" else method.lower(), None)
        if handler is None:
            known = [name for name in METHODS if hasattr(self, "get" if name == "HEAD" else name.lower())]
            raise errors.MethodNotAllowed(
                f"{method} is not possible here; {', '.join(known)} is.", headers={"Allow": ", ".join(known)}
            )
        return handler(call, **arguments)

    def body(self, call: Call) -> Any:
        """The JSON of a write; a content type that is not JSON is refused, none at all is accepted."""
        request = call.request
        given = request.content_type
        if given and given not in _JSON_TYPES and request.mimetype not in _JSON_TYPES:
            raise errors.UnsupportedMediaType(
                f"The content type {request.mimetype[:100]!r} is not JSON; send application/scim+json."
            )
        raw = self._raw(call)
        call.size = len(raw)
        call.content = messages.load_json(raw)
        call.parsed = True
        return call.content

    def _raw(self, call: Call) -> bytes:
        request, length = call.request, call.request.content_length
        try:
            if length is None or length > self.service.max_body or "stream" in vars(request):
                raw = request.get_data(cache=False)
            else:
                # Nobody has begun to read it, and its length is known: Werkzeug would look for the end.
                raw = _read(request.environ["wsgi.input"], length)
        except HTTPException:
            raise
        except Exception:  # the web server's own, for a malformed chunk or a client that went away
            raise errors.BadRequest("The body did not arrive whole.") from None
        if len(raw) < (length or 0):
            raise errors.BadRequest("The body did not arrive whole.")
        if len(raw) > self.service.max_body:
            raise errors.PayloadTooLarge("The body is larger than this service accepts.", remedy=errors.LARGER_BODIES)
        return raw


def _read(stream: Any, length: int) -> bytes:
    """So many bytes of a stream, fewer when it ends; it may give them in pieces."""
    raw: bytes = stream.read(length)
    while len(raw) < length and (more := stream.read(length - len(raw))):
        raw += more
    return raw
