"""Explains a refused request: the request as received, how it was read, the rule that refused it, and the remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..db import Database
from ..errors import OperatorError, Remedy
from ..journal import Outcome, paging, refusals, report
from ..journal.refusals import LONGEST_BODY, Refusal
from ..journal.report import Record
from ..journal.selection import Selection

#: A request id of this service; any other text may be the client's own.
_REQUEST_ID = re.compile(r"[0-9a-f]{16}")
#: Of a client's own id: how near its other requests are (microseconds), and entries that are looked at for it.
_NEAR, _MOST_LOOKED_AT = 60_000_000, 10_000
#: What surrounds the id when it is copied out of an error's text: `(request 7f3a9c1e5b2d4a60)`.
_AROUND_ID = re.compile(r"^\(?(request )?|\)$")
#: The rule behind a scimType or status.
_RULES = {
    "invalidFilter": "RFC 7644 section 3.4.2.2: a filter that does not parse, or compares what cannot be compared.",
    "invalidSyntax": "RFC 7644 section 3.12: the body is not JSON, or not the message that this endpoint takes.",
    "invalidPath": "RFC 7644 section 3.5.2: the path of a PATCH operation names nothing in the app's schemas.",
    "noTarget": "RFC 7644 section 3.5.2: the filter in the path of a PATCH operation matches no value.",
    "invalidValue": "RFC 7644 section 3.12: a value is missing, of another type, or not allowed here.",
    "mutability": "RFC 7643 section 2.2: the attribute is readOnly, or immutable and has a value.",
    "uniqueness": "RFC 7643 section 2.2: the attribute is unique, and another resource of the app has the value.",
    "invalidCursor": "RFC 9865 section 2.1: the cursor is not from this service, or belongs to another query.",
    "invalidCount": "RFC 9865 section 2.1: the count does not fit the cursor.",
    "tooMany": "RFC 7644 section 3.4.2: more results than this service computes.",
    "400": "The operator or the service does not allow this.",
    "403": "The token is not meant for this.",
    "409": "RFC 7644 section 3.3: the request contradicts what is stored.",
    "412": "RFC 9110 section 13: If-Match, If-None-Match or If-Unmodified-Since does not fit the current version.",
    "413": "RFC 7644 section 3.7.4: larger than the service takes.",
    "415": "RFC 7644 section 8.1: the content type is not JSON.",
    "429": "A brake of the app is on: too many users were disabled, deleted, or taken out of groups.",
    "500": "A fault of this service: its log has the traceback under the request id.",
    "501": "A part of SCIM that this service does not offer.",
}
_OTHER_RULE = "A rule of this service."


class UnknownRequestError(OperatorError):
    """Neither the journal nor the kept requests have this request id."""


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A refused request, or a refused operation of a bulk request, as it is kept."""

    #: Microseconds since 1970 UTC.
    at: int
    method: str
    path: str
    #: Bytes of the body as received; None without one.
    size: int | None
    #: The masked body as JSON; a text when it was cut; None when it was not kept.
    body: Any
    #: True when only the beginning of the body was kept.
    cut: bool
    #: The request in words, an operation a line, as far as its body is kept and whole.
    understood: list[str]
    status: int | None
    scim_type: str | None
    detail: str | None
    #: The rule that refused it, with the section of its RFC.
    rule: str
    #: The change after which it would be accepted; a text in a row that an older version wrote.
    remedy: Remedy | str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One request with its journal entries and its kept refusals."""

    request_id: str
    entries: list[Record]
    refused: list[RefusedRequest]

    @property
    def first(self) -> Record | None:
        """The first entry, which names app, client and token."""
        return self.entries[0] if self.entries else None

    @property
    def refusals(self) -> list[Record]:
        """The entries whose outcome is refused or failed."""
        return [entry for entry in self.entries if entry.outcome != Outcome.OK]

    @property
    def changes(self) -> list[Record]:
        """The entries whose outcome is ok."""
        return [entry for entry in self.entries if entry.outcome == Outcome.OK]


def explain(
    db: Database, request_id: str, seen: Collection[int] | None = None, *, whole_journal: bool = True
) -> list[Explanation]:
    """Explains the request with this id, or all requests with this id of the client's own.

    Takes the id also as an error's text has it, `(request …)`. In: the ids of the apps that the asker sees, None for
    all; whether the whole journal is read for a client's own id, which takes seconds for millions of entries, or the
    newest entries alone. Raises UnknownRequestError.
    """
    wanted = _AROUND_ID.sub("", request_id.strip())
    records = [] if "\0" in wanted else _records(db, wanted, seen, whole_journal)
    ids = list(dict.fromkeys(record.request_id for record in records if record.request_id)) or [wanted]
    explanations = [_explanation(db, id, records, seen) for id in ids if "\0" not in id]
    if not records and not any(explanation.refused for explanation in explanations):
        place = "" if whole_journal else " A client's own id is looked for in the newest entries alone."
        raise UnknownRequestError(
            f"There is no trace of a request {wanted!r}: it changed nothing and was not refused, or its entries were "
            f"pruned. Compare the id with the one in the error's text or in X-Request-Id.{place}"
        )
    return explanations


def neighbours(db: Database, explanation: Explanation, seen: Collection[int] | None = None) -> list[Record]:
    """Returns entries of other requests with the same id of the client's own, from a minute before to a minute after.

    The newest entry of each request, oldest first.
    """
    first = explanation.first
    if first is None or not first.client_request_id:
        return []
    near = report.of_client(db, first.client_request_id, first.at - _NEAR, first.at + _NEAR)
    others = [record for record in near if record.request_id != explanation.request_id and _sees(seen, record.app_id)]
    return list({record.request_id: record for record in others}.values())


def _sees(seen: Collection[int] | None, app_id: int | None) -> bool:
    return seen is None or app_id in seen


def _records(db: Database, wanted: str, seen: Collection[int] | None, whole_journal: bool) -> list[Record]:
    """Returns the entries of a request by our id, else by the client's: of the requests kept, else of the journal."""
    ours = [wanted] if _REQUEST_ID.fullmatch(wanted) else []
    for id in [*ours, *refusals.ids_of_client(db, wanted)]:
        records = [record for record in report.of_request(db, id) if _sees(seen, record.app_id)]
        if records:
            return records
    end = None if whole_journal else paging.last_looked_at(db, Selection(), _MOST_LOOKED_AT)
    found = report.of_client(db, wanted, end.at if end is not None else None)
    return [record for record in found if _sees(seen, record.app_id)]


def _explanation(db: Database, id: str, records: list[Record], seen: Collection[int] | None) -> Explanation:
    kept = [refusal for refusal in refusals.of_request(db, id) if _sees(seen, refusal.app_id)]
    refused = [_refused(refusal, records) for refusal in kept]
    return Explanation(id, [record for record in records if record.request_id == id], refused)


def rule_of(scim_type: str | None, status: int | None) -> str:
    """Returns the rule behind a refusal with this scimType and status, with the section of its RFC."""
    return _RULES.get(scim_type or "") or _RULES.get(str(status), _OTHER_RULE)


def _refused(refusal: Refusal, records: list[Record]) -> RefusedRequest:
    status = _status(refusal, records)
    body = _parsed(refusal.body)
    return RefusedRequest(
        at=refusal.at,
        method=refusal.method,
        path=refusal.path,
        size=refusal.size,
        body=body,
        cut=refusal.body is not None and len(refusal.body.encode()) >= LONGEST_BODY - 4,
        understood=_understood(refusal, body),
        status=status,
        scim_type=refusal.scim_type,
        detail=refusal.detail,
        rule=rule_of(refusal.scim_type, status),
        remedy=refusal.remedy,
    )


def _status(refusal: Refusal, records: list[Record]) -> int | None:
    """Returns the status of a refusal, which its journal entry has."""
    bad = [record for record in records if record.outcome != Outcome.OK]
    same = [record for record in bad if (refusal.detail or "") in (record.detail or "")]
    return next((record.status for record in same or bad), None)


def _parsed(body: str | None) -> Any:
    """Returns the masked body as JSON; as text when it was cut."""
    if body is None:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body


def _understood(refusal: Refusal, body: Any) -> list[str]:
    if not isinstance(body, dict):
        return []
    members = {name.lower(): value for name, value in body.items()}
    if refusal.method == "PATCH" and isinstance(members.get("operations"), list):
        return [_operation(number, operation) for number, operation in enumerate(members["operations"], start=1)]
    verb = {"POST": "create with", "PUT": "replace by"}.get(refusal.method, refusal.method)
    if refusal.path.split("?")[0].endswith("/.search"):
        verb = "search by"
    return [f"{verb} {', '.join(name for name in body if name.lower() != 'schemas')}"]


def _operation(number: int, operation: Any) -> str:
    if not isinstance(operation, dict):
        return f"{number}. not an operation"
    members = {name.lower(): value for name, value in operation.items()}
    value = members.get("value")
    path = members.get("path") or (", ".join(value) if isinstance(value, dict) else "the resource")
    return f"{number}. {str(members.get('op', 'nothing')).lower()} {path}"
