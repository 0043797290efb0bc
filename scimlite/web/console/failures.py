"""Every error at the console as a page, or as the way to sign in."""

from __future__ import annotations

from flask import Response, url_for
from werkzeug.exceptions import HTTPException

from ...apps import AppError
from ...errors import BadRequest, OperatorError, RefusedByRule, ScimError, Unavailable, as_scim_error
from ...operators.attempts import TooManyAttempts
from ...operators.roles import NotAllowed, NotFresh
from ...operators.single_sign_on import SignOnError
from ...redaction import error_log
from ..scim.call import current_call
from ..scim.outage import outage
from .routing import current_visit
from .visit import Forged, Insecure, SignedOut

_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (Forged, 400),
    (Insecure, 403),
    (NotAllowed, 403),
    (SignOnError, 403),
    (AppError, 404),
    (TooManyAttempts, 429),
    (OperatorError, 400),
)


def error_page(error: Exception) -> Response:
    """Returns the page for any error: what happened, and the request's id to look for in the log."""
    visit = current_visit()
    if isinstance(error, SignedOut):
        return visit.go_to(url_for("console.sign_in", next=visit.here()))
    if isinstance(error, NotFresh):
        return visit.go_to(url_for("console.prove", next=visit.here()))
    status, text, headers = _told(error)
    page = visit.render("error.html", status, text=text, code=status, request_id=current_call().id)
    page.headers.extend(headers)
    return page


def _told(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Returns the status, the sentence and the headers for an error."""
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status, str(error), {}
    if isinstance(error, HTTPException):
        code = error.code or 500
        if code == 404:
            return 404, "There is nothing at this address.", {}
        if code < 500:
            return code, f"The request cannot be understood ({error.name}).", {}
    found: ScimError = as_scim_error(error)
    call = current_call()
    call.hindrance = found.hindrance
    if isinstance(found, Unavailable):
        outage.note_failure(call.id, found.reason or type(error.__cause__ or error).__name__)
    elif isinstance(found, RefusedByRule):
        error_log.warning("request=%s refused by a rule of the database: %s", call.id, found.rule)
        return found.status, f"{found.detail} It says: {found.reason}", found.headers
    elif found.status >= 500 or not isinstance(found, BadRequest):
        error_log.error("request=%s failed", call.id, exc_info=error)
    return found.status, found.detail, found.headers
