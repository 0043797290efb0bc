"""Errors of every kind as SCIM answers, and as lines of the log where the fault is ours."""

from __future__ import annotations

import logging

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ... import errors
from ...errors import ScimError
from .answers import respond
from .call import Call, current_call
from .view import METHODS

error_log = logging.getLogger("scimlite.error")


def handle(error: Exception) -> Response:
    """Turn any error into its SCIM answer."""
    call = current_call()
    refusal = failure(error, call)
    return respond(orjson.dumps(refusal.body(call.id)), refusal.status, refusal.headers)


def failure(error: Exception, call: Call) -> ScimError:
    """What a client is told about any error; a fault of ours is logged."""
    refusal = _http_error(error, call) if isinstance(error, HTTPException) else errors.as_scim_error(error)
    if isinstance(refusal, errors.InternalError):
        error_log.error("request=%s failed", call.id, exc_info=error)
    elif isinstance(refusal, errors.Unavailable):
        # The kind of error only: its text may quote what was being written.
        error_log.error("request=%s database unavailable: %s", call.id, type(error.__cause__ or error).__name__)
    return refusal


def _http_error(error: HTTPException, call: Call) -> ScimError:
    """What a client is told about an error of Flask's own."""
    code = error.code or 500
    if isinstance(error, RequestRedirect) or code == 404:
        return errors.NotFound("There is nothing at this URL.")
    if code == 405 and call.request.method not in METHODS:
        return errors.NotImplementedHere(f"{call.request.method[:20]} is not a method of SCIM.")
    if code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        headers = {"Allow": allowed} if allowed else None
        return errors.MethodNotAllowed(f"{call.request.method} is not possible here.", headers=headers)
    if code < 500:
        return errors.BadRequest(f"The request cannot be understood ({error.name}).")
    return errors.as_scim_error(error)
