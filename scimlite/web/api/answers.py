"""Answers of the application's endpoint: JSON, and errors as `{"error": …, "detail": …}`."""

from __future__ import annotations

import re
from typing import Any

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException

from ... import errors
from ...errors import NotFound, ScimError
from ..scim.call import current_call
from ..scim.failures import to_scim_error
from ..scim.responses import complete_response

Json = Any

MEDIA_TYPE = "application/json"
#: The codes of RFC 8935 section 2.4 for errors of those who poll security event tokens.
_SET_CODES = {400: "invalid_request", 401: "authentication_failed", 403: "access_denied"}
_WORDS = re.compile(r"(?<!^)(?=[A-Z])")


class Ended(NotFound):
    """404: the user or group has ended; `ended` says how, in a word."""

    def __init__(self, what: str, ended: str) -> None:
        super().__init__(f"This {what} has ended: {ended}.")
        self.ended = ended


def json_response(value: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer of a value, or of a text of JSON; `headers` whose values hold no line ends."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    pairs = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), *(headers or {}).items()]
    return complete_response([body], status, pairs)


def error_response(error: Exception) -> Response:
    """The answer for any error: its name in snake case, what is wrong in words, and the request's id."""
    call = current_call()
    if isinstance(error, HTTPException) and isinstance(error.response, Response):
        return error.response
    found = to_scim_error(error, call)
    body = {"error": _name(found), "detail": found.detail, "request_id": call.id}
    if isinstance(found, Ended):
        body["ended"] = found.ended
    return json_response(body, found.status, found.headers)


def set_error_response(error: Exception) -> Response:
    """The answer for any error of the poll for security event tokens, in the form of RFC 8935."""
    if isinstance(error, HTTPException) and isinstance(error.response, Response):
        return error.response
    found = to_scim_error(error, current_call())
    body = {"err": _SET_CODES.get(found.status) or _name(found), "description": found.detail}
    return json_response(body, found.status, {**found.headers, "Content-Language": "en"})


def _name(error: ScimError) -> str:
    """The error's name for programs, such as `cursor_expired`."""
    public = next(each for each in type(error).__mro__ if each.__module__ == errors.__name__)
    return _WORDS.sub("_", public.__name__).lower()
