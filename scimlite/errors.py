"""The errors a SCIM client can be told: one class per status and scimType (RFC 7644 section 3.12)."""

from __future__ import annotations

from typing import Any

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimError(Exception):
    """An answer that is not a success; raised where it is known, rendered once by the provider.

    `detail` is written for the person who reads the client's log and names what was wrong.
    `headers` are sent along (Retry-After, Allow, WWW-Authenticate …). `remedy` is for the operator alone: which
    setting or command would have this accepted.
    """

    status = 500
    scim_type: str | None = None

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, remedy: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.remedy = remedy

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """The error message of RFC 7644 section 3.12: only the four members strict clients allow."""
        body: dict[str, Any] = {"schemas": [ERROR_URN], "status": str(self.status)}
        if self.scim_type:
            body["scimType"] = self.scim_type
        body["detail"] = f"{self.detail} (request {request_id})" if request_id else self.detail
        return body


class BadRequest(ScimError):
    """400 without a scimType of its own, such as a feature that the operator switched off."""

    status = 400


class InvalidFilter(BadRequest):
    """The filter does not parse, or compares what cannot be compared."""

    scim_type = "invalidFilter"


class InvalidSyntax(BadRequest):
    """The body is not JSON, or not the message the endpoint takes."""

    scim_type = "invalidSyntax"


class InvalidPath(BadRequest):
    """A PATCH path, or a key standing for one, names nothing that exists."""

    scim_type = "invalidPath"


class NoTarget(BadRequest):
    """A PATCH path with a filter matched no value that could be changed."""

    scim_type = "noTarget"


class InvalidValue(BadRequest):
    """A value is missing, of the wrong type, or not allowed."""

    scim_type = "invalidValue"


class Mutability(BadRequest):
    """The change would touch a readOnly or immutable attribute."""

    scim_type = "mutability"


class InvalidCursor(BadRequest):
    """The cursor is none of ours, or of another query (RFC 9865 section 2.1)."""

    scim_type = "invalidCursor"


class InvalidCount(BadRequest):
    """The count does not fit the cursor (RFC 9865 section 2.1)."""

    scim_type = "invalidCount"


class Unauthorized(ScimError):
    """401: one answer for every reason, so that nobody learns which apps or tokens exist."""

    status = 401

    def __init__(self, detail: str = "The bearer token is missing or not valid here.") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="scimlite"'})


class Forbidden(ScimError):
    """403: asked for something that is never allowed here."""

    status = 403


class NotFound(ScimError):
    """404: no such resource or route."""

    status = 404


class MethodNotAllowed(ScimError):
    """405: the route exists, the method does not."""

    status = 405


class Conflict(ScimError):
    """409: the request needs something that is not so."""

    status = 409


class Uniqueness(ScimError):
    """409: another resource of the app already has this value."""

    status = 409
    scim_type = "uniqueness"


class PreconditionFailed(ScimError):
    """412: If-Match names a version that is no longer current."""

    status = 412


#: What would have a larger body accepted.
LARGER_BODIES = "the setting SCIMLITE_MAX_BODY"


class PayloadTooLarge(ScimError):
    """413: the body is larger than the limit."""

    status = 413


class UnsupportedMediaType(ScimError):
    """415: a write with a content type that is not JSON."""

    status = 415


class TooManyRequests(ScimError):
    """429: a brake holds this until an operator releases it; everything else goes on."""

    status = 429

    def __init__(self, detail: str, *, retry_after: int, remedy: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)}, remedy=remedy)


class InternalError(ScimError):
    """500: our fault; the log has the traceback under the request id."""

    status = 500


class NotImplementedHere(ScimError):
    """501: part of the protocol that this endpoint does not offer."""

    status = 501


class Unavailable(ScimError):
    """503: the database is locked or cannot be reached; the same request may work in a moment."""

    status = 503

    def __init__(self, detail: str, *, retry_after: int = 5) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})
