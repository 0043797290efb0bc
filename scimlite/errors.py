"""The errors of this project: `ScimError` is an answer to a SCIM client, `OperatorError` one to the operator.

OperatorError           an operator asked for something that cannot be done; ConfigError: a setting cannot be used
ScimError               an answer that is not a success; one class per status and scimType (RFC 7644 section 3.12)
├── BadRequest          400
│   ├── InvalidFilter, TooMany, InvalidSyntax, InvalidPath, NoTarget, InvalidValue, Mutability
│   ├── InvalidCursor, InvalidCount (RFC 9865)
│   └── RefusedByRule: a trigger or constraint of the operator's own in the database
├── Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405, RequestTimeout 408, Conflict 409,
│   Uniqueness 409, CursorExpired 410, PreconditionFailed 412, PayloadTooLarge 413, UnsupportedMediaType 415,
│   TooManyRequests 429
└── InternalError 500, NotImplementedHere 501, Unavailable 503 (DeadlinePassed, Unconfirmed)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import orjson

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"


class OperatorError(Exception):
    """What an operator asked for cannot be done; the text says why and what to do instead."""


class ConfigError(OperatorError):
    """A setting cannot be used; `variable` is the variable or file at fault, `problem` says what to give instead.

    The text holds no secret, so that it can be printed and logged.
    """

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable} {problem}")
        self.variable = variable
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A change by the operator that would have a refused request accepted; `remedies.wording` makes it a command.

    Exactly one of `feature`, `setting`, `optional_target`, `release` and `free_value` is set.
    """

    #: The feature of the app that is to be set to `value`.
    feature: str | None = None
    value: str | None = None
    #: True when the attribute can be declared in place of setting the feature.
    declare: bool = False
    #: The variable (SCIMLITE_…) that is to be set to a larger number.
    setting: str | None = None
    #: The target of the mapping's row that is to become optional.
    optional_target: str | None = None
    #: True when the app's brake is to be released.
    release: bool = False
    #: True when the resource that has the unique value now is to be renamed or deleted.
    free_value: bool = False
    #: The slug of the app; filled in when the refusal is kept.
    app: str | None = None

    def to_json(self) -> str:
        """The text that `from_json` takes."""
        return orjson.dumps({name: value for name, value in asdict(self).items() if value}).decode()

    @classmethod
    def from_json(cls, text: str) -> Remedy:
        """The remedy stored as this text."""
        return cls(**orjson.loads(text))


#: The remedy for a body that is too large.
LARGER_BODIES = Remedy(setting="SCIMLITE_MAX_BODY")


class ScimError(Exception):
    """An answer that is not a success; raised where the reason is known, rendered once by the provider.

    `detail` names what is wrong, for the person who reads the client's log. `headers` are sent with the answer
    (Retry-After, Allow, WWW-Authenticate …). `remedy` is for the operator only: clients never get it.
    """

    status = 500
    scim_type: str | None = None
    #: What keeps the service from answering now, in a few words for figures; empty for all other errors.
    hindrance = ""

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, remedy: Remedy | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.remedy = remedy

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """The error message of RFC 7644 section 3.12: only the four members that strict clients allow."""
        body: dict[str, Any] = {"schemas": [ERROR_URN], "status": str(self.status)}
        if self.scim_type:
            body["scimType"] = self.scim_type
        body["detail"] = f"{self.detail} (request {request_id})" if request_id else self.detail
        return body


def as_scim_error(error: Exception) -> ScimError:
    """The error that a client gets for an exception; it never repeats the text of a library."""
    if isinstance(error, ScimError):
        return error
    if isinstance(error, RecursionError):
        return InvalidSyntax("The request is nested too deeply.")
    if isinstance(error, MemoryError):
        return Unavailable("The server has too little memory; try again later.", reason="there is not enough memory")
    return InternalError("Something went wrong on our side; the server's log has the details.")


class BadRequest(ScimError):
    """An error that is answered with 400 and no scimType, such as for a feature that is off."""

    status = 400


class RefusedByRule(BadRequest):
    """A trigger or constraint that the operator has added to the database refuses the change.

    It is 400, like a feature that is off: the same request will not succeed later, and Entra ID quarantines a whole job
    on 403. `reason` is what the rule says, for the journal and the commands; `rule` is its code and name, for the log.
    """

    def __init__(self, reason: str, rule: str) -> None:
        super().__init__("The database of this service has a rule of its operator's own, which refuses this.")
        self.reason = reason
        self.rule = rule


class InvalidFilter(BadRequest):
    """The filter does not parse, or compares an attribute in a way that its type does not allow."""

    scim_type = "invalidFilter"


class TooMany(BadRequest):
    """The query needs more work than the server is willing to do (RFC 7644 section 3.12)."""

    scim_type = "tooMany"


class InvalidSyntax(BadRequest):
    """The body is not JSON, or not the message that the endpoint takes."""

    scim_type = "invalidSyntax"


class InvalidPath(BadRequest):
    """A PATCH path, or a key that is used as one, is malformed or names no attribute."""

    scim_type = "invalidPath"


class NoTarget(BadRequest):
    """The filter in a PATCH path matches no value that could be changed."""

    scim_type = "noTarget"


class InvalidValue(BadRequest):
    """A value is missing, of the wrong type, or not allowed."""

    scim_type = "invalidValue"


class Mutability(BadRequest):
    """The request would change a readOnly or immutable attribute."""

    scim_type = "mutability"


class InvalidCursor(BadRequest):
    """The cursor is not from this service, or from another query (RFC 9865 section 2.1)."""

    scim_type = "invalidCursor"


class InvalidCount(BadRequest):
    """The count does not fit the cursor (RFC 9865 section 2.1)."""

    scim_type = "invalidCount"


class Unauthorized(ScimError):
    """401 with the same text for every reason, so that clients cannot learn which apps or tokens exist."""

    status = 401

    def __init__(self) -> None:
        super().__init__(
            "The bearer token is missing or not valid here.", headers={"WWW-Authenticate": 'Bearer realm="scimlite"'}
        )


class Forbidden(ScimError):
    """403: the request is never allowed here."""

    status = 403


class NotFound(ScimError):
    """404: there is no such resource or route."""

    status = 404


class MethodNotAllowed(ScimError):
    """405: the route exists, but not with this method."""

    status = 405


class RequestTimeout(ScimError):
    """408: the request did not arrive whole in its time."""

    status = 408


class Conflict(ScimError):
    """409: the stored data contradict the request."""

    status = 409


class Uniqueness(ScimError):
    """409: another resource of the app already has this value."""

    status = 409
    scim_type = "uniqueness"


class CursorExpired(ScimError):
    """410: a cursor of the feed leads to events that are not kept any more."""

    status = 410

    def __init__(self) -> None:
        super().__init__(
            "The events behind this cursor are not kept any more: read /profiles, and go on with the cursor there."
        )


class PreconditionFailed(ScimError):
    """412: the resource does not satisfy If-Match, If-None-Match or If-Unmodified-Since."""

    status = 412


class PayloadTooLarge(ScimError):
    """413: the body is larger than the limit."""

    status = 413


class UnsupportedMediaType(ScimError):
    """415: the content type of a write is not JSON."""

    status = 415


class TooManyRequests(ScimError):
    """429: the brake of the app refuses the write until an operator releases it, or the app has too many requests."""

    status = 429

    def __init__(self, detail: str, *, retry_after: int, remedy: Remedy | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)}, remedy=remedy)
        self.hindrance = "brake" if remedy is not None and remedy.release else "threads of the app"


class InternalError(ScimError):
    """500: a fault of this service; the log has the traceback under the request id."""

    status = 500


class NotImplementedHere(ScimError):
    """501: a part of the protocol that this endpoint does not offer."""

    status = 501


class Unavailable(ScimError):
    """503: the database is locked or cannot be used; the same request may work later.

    `reason` says what is wrong, for the log and the commands; clients never get it. `summary` says it in a few words
    without details, for the health check.
    """

    status = 503
    hindrance = "it is busy"

    def __init__(
        self, detail: str, *, retry_after: int = 5, reason: str | None = None, summary: str | None = None
    ) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})
        self.reason = reason
        self.summary = summary
        self.hindrance = summary or self.hindrance


class DeadlinePassed(Unavailable):
    """503: the request could not be answered in its time (SCIMLITE_REQUEST_TIMEOUT)."""

    def __init__(self, reason: str | None = None) -> None:
        passed = "the deadline of the request passed"
        reason = f"{passed}: {reason}" if reason else passed
        super().__init__("This could not be answered in time; try again in a moment.", reason=reason)


class Unconfirmed(Unavailable):
    """503: the database was asked to commit and did not answer, so that nobody knows whether the change was made."""

    def __init__(self, reason: str | None = None) -> None:
        detail = "The database did not confirm this change, which may have been made: look before you try again."
        super().__init__(detail, reason=f"the answer to COMMIT is missing ({reason})")
