"""Why an app's last requests were refused, in the words of the standard: nothing in it comes from a request."""

from __future__ import annotations

from dataclasses import dataclass

from .. import clock
from ..apps import App
from ..db import Database
from ..journal import Action, Actor, Outcome, refusals, report
from ..journal.selection import Selection
from .explain import rule_of

#: The newest refusals that are looked at.
_MOST = 5


@dataclass(frozen=True, slots=True)
class RefusedReason:
    """When a request was refused, in microseconds since 1970 UTC, with which status, and the rule behind it."""

    at: int
    status: int | None
    rule: str


def refused_reasons(db: Database, app: App) -> list[RefusedReason]:
    """Returns why the client's newest requests of the last week were refused, the newest first."""
    since = clock.now() - refusals.KEPT
    records = [
        record
        for outcome in (Outcome.REFUSED, Outcome.FAILED)
        for record in report.read(
            db, Selection(app_id=app.id, outcome=outcome.value, since=since, actor=Actor.SCIM.value), limit=_MOST
        )
        # Refused tokens are told apart, by their causes.
        if record.action != Action.AUTHENTICATED
    ]
    records.sort(key=lambda record: (record.at, record.id), reverse=True)
    found = []
    for record in records[:_MOST]:
        kept = refusals.of_request(db, record.request_id) if record.request_id else []
        scim_type = next((each.scim_type for each in kept if each.detail == record.detail), None)
        found.append(RefusedReason(record.at, record.status, rule_of(scim_type, record.status)))
    return found
