"""Compares the columns of one row with each other and with what they refer to, table by table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..apps.refused_tokens import Cause
from ..db import tables
from ..db.feed_tables import (
    ReadingRow,
    SetStreamRow,
    WebhookRow,
    WebhookSecretRow,
)
from ..db.operator_tables import (
    InvitationRow,
    OperatorAppRow,
    OperatorRow,
    SessionRow,
    SignInLinkRow,
)
from ..db.sync_tables import SourceRow, SourceRunRow
from ..db.target_tables import TargetRow, TargetRunRow
from ..errors import Remedy
from ..journal.refusals import LONGEST_BODY
from ..operators.invitations import LONGEST
from ..scim.names import fold
from .check_columns import SKEW

#: A column, and what is wrong with it in words.
Fault = tuple[str, str]

_CAUSES = frozenset(map(str, Cause))
#: What parsing a stored text raises that no write of ours has stored.
_MALFORMED = (TypeError, ValueError)


@dataclass(slots=True)
class Facts:
    """What rows refer to."""

    now: int
    #: The slugs and versions of all apps that ever were.
    slugs: Mapping[int, str] = field(default_factory=dict)
    versions: Mapping[int, int] = field(default_factory=dict)
    #: Fingerprints of the keys that ever signed here, and of those that are given now; None when none is known.
    used_keys: Collection[str] = ()
    given_keys: Collection[str] | None = None
    #: Operators who are disabled, and those who see every app.
    disabled: Collection[int] = ()
    unbound: Collection[int] = ()
    #: The apps of tokens by the token's row.
    token_apps: Mapping[int, int] = field(default_factory=dict)


def _later(row: Any, first: str, *then: str, by: int = 0) -> Iterator[Fault]:
    """Times that are before another one of the row; `by` is how much clocks may differ, in microseconds."""
    for name in then:
        time = getattr(row, name)
        if time is not None and time < getattr(row, first) - by:
            yield name, f"it is before {first}"


def _together(row: Any, first: str, *others: str) -> Iterator[Fault]:
    """Columns that are NULL where another one is not, or the other way round."""
    for name in others:
        if (getattr(row, first) is None) != (getattr(row, name) is None):
            yield name, f"it does not go with {first}"


def _app(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "created_at", "deleted_at")
    if row.deleted_at is not None and row.enabled:
        yield "enabled", "the app is deleted"


def _token(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "issued_at", "expires_at", "revoked_at")
    yield from _later(row, "issued_at", "last_used_at", by=SKEW)
    ends = [end for end in (row.expires_at, row.revoked_at) if end is not None]
    if row.key_id not in facts.used_keys:
        yield "key_id", f"the secret key {row.key_id} never signed here"
    elif facts.given_keys is not None and row.key_id not in facts.given_keys and all(end > facts.now for end in ends):
        yield "key_id", f"the secret key {row.key_id}, which signed it, is not given"
    noted = orjson.loads(row.refusals) if row.refusals is not None else {}
    if not noted.keys() <= _CAUSES or not all(type(at) is int and 0 < at <= facts.now + SKEW for at in noted.values()):
        yield "refusals", "it notes no times of refusals by their causes"


def _brake(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _together(row, "tripped_at", "detail")
    if row.tripped_at is not None:
        if row.released_at is not None and row.released_at >= row.tripped_at:
            yield "tripped_at", "it is before the release"
        if row.spare is not None:
            yield "spare", "the brake is on, and nobody may go"
    if row.spare is not None:
        missing = [name for name in ("spare_version", "spare_from", "spare_until") if getattr(row, name) is None]
        yield from ((name, "it is NULL, and spare is not") for name in missing)
        if not missing and row.spare_from > row.spare_until:
            yield "spare_until", "it is before spare_from"
    if row.spare_version is not None and row.spare_version > facts.versions.get(row.app_id, row.spare_version):
        yield "spare_version", "the app has no such version yet"


def _departure(row: Any, facts: Facts) -> Iterator[Fault]:
    if row.active_since is not None and row.active_since > row.at + SKEW:
        yield "active_since", "it is after the departure"


def _refusal(row: Any, facts: Facts) -> Iterator[Fault]:
    if row.remedy is not None and row.remedy.startswith("{"):
        try:
            Remedy.from_json(row.remedy)
        except _MALFORMED:
            yield "remedy", "it is no remedy as JSON"
    # A long one is cut, within the last character at most.
    if row.body is not None and len(row.body.encode()) < LONGEST_BODY - 3:
        try:
            orjson.loads(row.body)
        except _MALFORMED:
            yield "body", "it is no JSON"


def _operator(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "created_at", "disabled_at", "signed_in_at")
    yield from _together(row, "issuer", "subject")
    if row.name_key != fold(row.name):
        yield "name_key", "it is not the name without case"


def _operator_app(row: Any, facts: Facts) -> Iterator[Fault]:
    if row.operator_id in facts.unbound:
        yield "operator_id", "this operator sees every app"


def _way_in(row: Any, facts: Facts) -> Iterator[Fault]:
    if row.operator_id in facts.disabled:
        yield "operator_id", "this operator is disabled"


def _session(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _way_in(row, facts)
    yield from _later(row, "created_at", "proved_at", "seen_at")


def _invitation(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "created_at", "expires_at", "revoked_at", "opened_at")
    if row.expires_at > row.created_at + LONGEST:
        yield "expires_at", "no link is good for so long"


def _of_token(row: Any, facts: Facts) -> Iterator[Fault]:
    if facts.token_apps.get(row.token_id, row.app_id) != row.app_id:
        yield "token_id", "the token is of another app"


def _webhook(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "created_at", "removed_at")
    yield from _later(row, "created_at", "failing_since", "last_ok_at", "last_failed_at", by=SKEW)


def _webhook_secret(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "created_at", "expires_at")


def _source(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "created_at", "removed_at")
    yield from _later(row, "created_at", "last_ok_at", "last_full_at", by=SKEW)


def _source_run(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "started_at", "beat_at", "ended_at", by=SKEW)


def _target(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "created_at", "removed_at")
    yield from _later(row, "created_at", "last_run_at", "last_ok_at", "failing_since", by=SKEW)


def _target_run(row: Any, facts: Facts) -> Iterator[Fault]:
    yield from _later(row, "started_at", "ended_at", by=SKEW)


#: By table; a row gets here only when each of its columns holds what it may.
RELATIONS: dict[Any, Callable[[Any, Facts], Iterator[Fault]]] = {
    tables.AppRow: _app,
    tables.TokenRow: _token,
    tables.BrakeRow: _brake,
    tables.DepartureRow: _departure,
    tables.RefusalRow: _refusal,
    OperatorRow: _operator,
    OperatorAppRow: _operator_app,
    SignInLinkRow: _way_in,
    SessionRow: _session,
    InvitationRow: _invitation,
    ReadingRow: _of_token,
    SetStreamRow: _of_token,
    WebhookRow: _webhook,
    WebhookSecretRow: _webhook_secret,
    SourceRow: _source,
    SourceRunRow: _source_run,
    TargetRow: _target,
    TargetRunRow: _target_run,
}
