"""What every endpoint has: who may use it, its methods, its routes, and the JSON of a body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Blueprint
from flask.views import MethodView
from werkzeug.exceptions import RequestEntityTooLarge

from ... import errors
from ...scim import messages
from .call import Call, Service, current_call

#: Every method there is, so that each answer is SCIM and 405 is for the endpoint to give.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
_JSON_TYPES = ("application/scim+json", "application/json")


class View(MethodView):
    """An endpoint: its methods get the call; those that it lacks are 405 with what it has."""

    #: Whether it answers without a token.
    public = False
    #: Whether a token that was issued for a user may use it; a new endpoint is closed to it.
    for_subjects = False

    init_every_request = False

    def __init__(self, service: Service) -> None:
        self.service = service

    def dispatch_request(self, **arguments: Any) -> Any:
        """Let the caller in, and answer with the method of the request."""
        call = current_call()
        if not self.public:
            call.admit(for_subjects=self.for_subjects)
        if "\0" in call.request.path:
            raise errors.NotFound("There is nothing at this URL.")
        return self.handle(call, **arguments)

    def handle(self, call: Call, **arguments: Any) -> Any:
        """Answer an admitted call."""
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
        request, length, limit = call.request, call.request.content_length, call.limits.max_body
        try:
            if length is None or length > limit or "stream" in vars(request):
                raw = request.get_data(cache=False)
            else:
                # Nothing of it was read, and its length is known: Werkzeug would look for the end.
                raw = _read(request.environ["wsgi.input"], length)
        except RequestEntityTooLarge:
            raise self.too_large(call) from None
        except Exception:  # the web server's own, for a malformed chunk or a client that went away
            raise errors.BadRequest("The body did not arrive whole.") from None
        if len(raw) < (length or 0):
            raise errors.BadRequest("The body did not arrive whole.")
        if len(raw) > limit:
            raise self.too_large(call)
        return raw

    def too_large(self, call: Call) -> errors.PayloadTooLarge:
        """The error for a body above the limit."""
        return errors.PayloadTooLarge("The body is larger than this service accepts.", remedy=errors.LARGER_BODIES)


def _read(stream: Any, length: int) -> bytes:
    """So many bytes of a stream, fewer when it ends; it may give them in pieces."""
    raw: bytes = stream.read(length)
    while len(raw) < length and (more := stream.read(length - len(raw))):
        raw += more
    return raw


def add_routes(blueprint: Blueprint, service: Service, routes: Iterable[tuple[str, type[View], str]]) -> None:
    """Register views: rule, class and the endpoint's name. A trailing slash is the same route."""
    for rule, view, name in routes:
        blueprint.add_url_rule(
            rule,
            view_func=view.as_view(name, service),
            methods=METHODS,
            strict_slashes=False,
            merge_slashes=False,
            provide_automatic_options=False,
        )
