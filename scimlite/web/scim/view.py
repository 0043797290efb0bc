"""The base class of all endpoints: authentication, dispatch by method, the JSON body, and routes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from flask import Blueprint
from werkzeug.exceptions import RequestEntityTooLarge

from ... import errors
from ...apps.keyring import TokenKind
from ...journal import Action
from ...scim import content_coding, core, leniency, messages
from ...scim.leniency import Leniency
from .call import ACTIONS, Call, Service, current_call
from .conditions import conditions_of
from .responses import empty_response

#: Every route takes every method, so that the view answers 405 in SCIM's form.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
#: The argument for the part of a URL that stands in another case than the route's, and the routes' fixed parts.
ANY_CASE = "any_case"
_FIXED_PART = re.compile(r"/([A-Za-z.]+)(?=/|$)")
#: The part of a rule that names a resource type's endpoint, and the endpoints that every app has.
_ENDPOINT = "<endpoint>"
_USUAL_ENDPOINTS = (core.USER.endpoint, core.GROUP.endpoint)
_USUAL_PART = re.compile(rf"(?<=/)(?:{'|'.join(_USUAL_ENDPOINTS)})(?=/|$)")
_FOLDED_PART = re.compile(rf"<anycase\('([^']+)'\):{ANY_CASE}>")
_JSON_TYPES = ("application/scim+json", "application/json")


class View:
    """An endpoint: a subclass has one function for each HTTP method that it supports, such as `get` or `patch`."""

    #: True when the endpoint needs no token.
    public = False
    #: True when the endpoint accepts a token that was issued for a user; new endpoints refuse such a token.
    for_subjects = False
    #: Whose tokens the endpoint is for.
    token_kind = TokenKind.SCIM
    #: True when the URL names one resource, whose version the functions compare with the conditions of the request.
    versioned = False
    #: What a POST attempts, for the journal.
    post_action = ACTIONS["POST"]

    def __init__(self, service: Service) -> None:
        self.service = service

    def dispatch_request(self, **arguments: Any) -> Any:
        """Authenticates the caller unless the endpoint is public, and handles the request.

        Raises Unauthorized, Forbidden, InvalidValue for a path or header that is no text, NotFound for a NUL in the
        path, and the errors of `handle`.
        """
        call = current_call()
        if not self.public:
            call.admit(for_subjects=self.for_subjects, kind=self.token_kind)
        self._check_text(call)
        if arguments.pop(ANY_CASE, None) is not None:
            leniency.note(Leniency.ENDPOINT_CASE)
        if "\0" in call.request.path:
            raise errors.NotFound("There is nothing at this URL.")
        return self.handle(call, **arguments)

    def _check_text(self, call: Call) -> None:
        """Raises InvalidValue for a path or header that is no text; the journal records it of an authenticated caller.

        The entry names no resource, because the request may not name one either.
        """
        try:
            call.check_text()
        except errors.InvalidValue:
            if call.caller is None:
                raise
            method = call.request.method
            with call.attempt(self.post_action if method == "POST" else ACTIONS.get(method, Action.SEARCHED)):
                raise

    def handle(self, call: Call, **arguments: Any) -> Any:
        """Calls the function for the request's method.

        Raises MethodNotAllowed when the endpoint lacks one, PreconditionFailed when a list or a declaration is read
        with If-Match and a version: these have none.
        """
        method = call.request.method
        handler = getattr(self, "get" if method == "HEAD" else method.lower(), None)
        if handler is None:
            supported = [name for name in METHODS if hasattr(self, "get" if name == "HEAD" else name.lower())]
            methods = ", ".join(supported)
            raise errors.MethodNotAllowed(
                f"{method} is not supported here; supported methods: {methods}.", headers={"Allow": methods}
            )
        response = handler(call, **arguments)
        if method in ("GET", "HEAD") and not self.versioned:
            conditions = conditions_of(call.request.environ)
            conditions.require_unversioned("What this URL answers")
            if conditions.excludes_any:
                return empty_response(304)
        return response

    def read_json(self, call: Call) -> Any:
        """Returns the JSON value of the request's body, and keeps it in the call for the journal.

        A request without a content type is accepted. Raises UnsupportedMediaType for a content type that is not JSON
        and for an unknown content coding, BadRequest for an incomplete body, PayloadTooLarge, and InvalidSyntax for a
        body that is not JSON.
        """
        request = call.request
        content_type = request.content_type
        if not content_type:
            leniency.note(Leniency.NO_CONTENT_TYPE)
        elif content_type not in _JSON_TYPES and request.mimetype not in _JSON_TYPES:
            raise errors.UnsupportedMediaType(
                f"The content type {request.mimetype[:100]!r} is not JSON; send application/scim+json."
            )
        raw = self._read_body(call)
        content_encoding = request.environ.get("HTTP_CONTENT_ENCODING")
        if content_encoding:
            raw = content_coding.decoded(raw, content_encoding, call.limits.max_body)
            if len(raw) > call.limits.max_body:
                raise self.too_large(call)
        call.body_size = len(raw)
        call.body = messages.load_json(raw)
        call.body_is_json = True
        return call.body

    def _read_body(self, call: Call) -> bytes:
        request, length, limit = call.request, call.request.content_length, call.limits.max_body
        if length is not None and length > limit:
            # Not read at all, and `scimlite serve` does not wait for it.
            raise self.too_large(call)
        try:
            if length is None or "stream" in vars(request):
                raw = request.get_data(cache=False)
            else:
                # The length is known and nothing is read yet, so Werkzeug's search for the end is not needed.
                raw = _read_stream(request.environ["wsgi.input"], length)
        except RequestEntityTooLarge:
            raise self.too_large(call) from None
        except Exception:  # the web server's own error, for a malformed chunk or a lost connection
            raise errors.BadRequest("The request body is incomplete or malformed.") from None
        if len(raw) < (length or 0):
            raise errors.BadRequest("The request body is shorter than its Content-Length.")
        if len(raw) > limit:
            raise self.too_large(call)
        return raw

    def too_large(self, call: Call) -> errors.PayloadTooLarge:
        """Returns the error for a body above the limit."""
        return errors.PayloadTooLarge(
            f"The request body is larger than the limit of {call.limits.max_body} bytes.",
            remedy=errors.LARGER_BODIES,
        )


def _read_stream(stream: Any, length: int) -> bytes:
    """Reads up to `length` bytes; a stream may return them in several pieces, and may end early."""
    raw: bytes = stream.read(length)
    while len(raw) < length and (piece := stream.read(length - len(raw))):
        raw += piece
    return raw


def add_routes(blueprint: Blueprint, service: Service, routes: Iterable[tuple[str, type[View], str]]) -> None:
    """Registers views at a blueprint; a URL with a trailing slash, or in another case, is the same route.

    In: `routes`, each the URL rule, the view class and the endpoint's name.
    """
    for rule, view, name in routes:
        # The function itself: a view of Flask would look up the application for each request, and make a class of this.
        view_func = view(service).dispatch_request
        # The rule in any case is one more, because Werkzeug finds fixed parts in a dictionary.
        folded = _FIXED_PART.sub(rf"/<anycase('\1'):{ANY_CASE}>", rule)
        forms: dict[str, dict[str, str]] = {rule: {}, folded: {}}
        if _ENDPOINT in rule:
            # So do the usual endpoints; else each request would be tried with all parts in any case before.
            forms |= {
                form.replace(_ENDPOINT, usual): {"endpoint": usual}
                for form in (rule, folded)
                for usual in _USUAL_ENDPOINTS
            }
        for number, (form, defaults) in enumerate(forms.items()):
            blueprint.add_url_rule(
                form,
                # Each its own name: Werkzeug looks for redirects among all rules of one name, for each request.
                f"{name}-{number}" if number else name,
                view_func=view_func,
                defaults=defaults,
                methods=METHODS,
                strict_slashes=False,
                merge_slashes=False,
                provide_automatic_options=False,
            )


@lru_cache(maxsize=256)
def route_of(rule: str) -> str:
    """Returns a URL rule as `add_routes` got it, for the log."""
    return _USUAL_PART.sub(_ENDPOINT, _FOLDED_PART.sub(r"\1", rule))
