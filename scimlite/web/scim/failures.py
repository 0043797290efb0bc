"""Turns every error into a SCIM error response, and logs internal and database errors."""

from __future__ import annotations

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ... import errors
from ...errors import ScimError
from ...redaction import error_log
from .call import Call, current_call
from .outage import outage
from .responses import scim_response
from .view import METHODS


def error_response(error: Exception) -> Response:
    """Returns the SCIM error response for any error (RFC 7644 section 3.12)."""
    call = current_call()
    if isinstance(error, HTTPException) and isinstance(error.response, Response):
        # The application's own answer, as `abort(response)` gives it.
        return error.response
    scim_error = to_scim_error(error, call)
    response = scim_response(orjson.dumps(scim_error.body(call.id)), scim_error.status)
    # Werkzeug looks at their values, which an application around the blueprint may have made.
    response.headers.extend(scim_error.headers)
    return response


def to_scim_error(error: Exception, call: Call) -> ScimError:
    """Returns the ScimError that the client gets for any error; logs what is for the operator."""
    scim_error = _from_http_error(error, call) if isinstance(error, HTTPException) else errors.as_scim_error(error)
    call.hindrance = scim_error.hindrance
    if isinstance(scim_error, errors.InternalError):
        error_log.error("request=%s failed", call.id, exc_info=error)
    elif isinstance(scim_error, errors.Unavailable):
        # Without a reason only the error's class, because its text may quote stored values.
        outage.note_failure(call.id, scim_error.reason or type(error.__cause__ or error).__name__)
    elif isinstance(scim_error, errors.RefusedByRule):
        # Without what the rule says, which may quote stored values.
        error_log.warning("request=%s refused by a rule of the database: %s", call.id, scim_error.rule)
    return scim_error


def _from_http_error(error: HTTPException, call: Call) -> ScimError:
    """Returns the ScimError for an error that Flask or Werkzeug raised."""
    code = error.code or 500
    if isinstance(error, RequestRedirect) or code == 404:
        return errors.NotFound("There is nothing at this URL.")
    if code == 405 and call.request.method not in METHODS:
        return errors.NotImplementedHere(f"{call.request.method[:20]} is not a method of SCIM.")
    if code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        headers = {"Allow": allowed} if allowed else None
        return errors.MethodNotAllowed(f"{call.request.method} is not supported here.", headers=headers)
    if code == 400:
        return errors.BadRequest(f"The request cannot be understood ({error.name}).")
    if code == 500:
        return errors.as_scim_error(error)
    return _refusal_of_the_application(error, code)


def _refusal_of_the_application(error: HTTPException, code: int) -> ScimError:
    """Returns the error for a status that the application around the blueprint chose, such as `abort(429)`.

    It keeps the status, the text and the headers, which may say when to try again or how to sign in.
    """
    headers = {name: value for name, value in error.get_headers() if not name.lower().startswith("content-")}
    kept = ScimError(error.description or error.name, headers=headers)
    kept.status = code
    return kept
