"""What each column of each table may hold, by itself: data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple

import orjson

from ..apps import app_profile
from ..clock import DAY
from ..db import tables
from ..db.feed_tables import (
    DeliveryRow,
    FeedRow,
    ReadingRow,
    ReceiptRow,
    SetStreamRow,
    WebhookRow,
    WebhookSecretRow,
)
from ..db.operator_tables import (
    InvitationRow,
    OperatorRow,
    SessionRow,
    SignInAttemptRow,
    SignInLinkRow,
)
from ..db.sync_tables import SourceLinkRow, SourceRow, SourceRunRow
from ..directory import brakes, tombstones
from ..journal import Action, Actor, Outcome
from ..operators.roles import Role
from ..operators.sessions import Way
from ..sync.history import Outcome as RunOutcome
from ..sync.links import Linked
from ..sync.sources import State

#: Microseconds by which clocks of several servers may differ.
SKEW = DAY
#: The end of the year 9999, in microseconds.
_LAST_TIME = 253_402_300_800_000_000

Test = Callable[[Any], bool]


class Column(NamedTuple):
    """What a column holds, as a test and in words; NULL is judged by the model."""

    holds: Test
    words: str


def matching(pattern: str, words: str) -> Column:
    """A text that matches a pattern as a whole."""
    compiled = re.compile(pattern)
    return Column(lambda text: compiled.fullmatch(text) is not None, words)


def one_of(names: Iterable[object], words: str) -> Column:
    """One of some texts."""
    known = frozenset(map(str, names))
    return Column(known.__contains__, words)


def _json(kind: type, words: str) -> Column:
    return Column(lambda text: isinstance(_parsed(text), kind), words)


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def is_address(text: str) -> bool:
    """True for an address as the log and the journal write it; `-` stands for a client without one."""
    try:
        return text == "-" or str(ip_address(text)) == text
    except ValueError:
        return False


def _is_change(text: str) -> bool:
    changes = _parsed(text)
    return isinstance(changes, dict) and all(isinstance(pair, list) and len(pair) == 2 for pair in changes.values())


def _is_plain(text: str) -> bool:
    return bool(text) and text == text.strip() and text.isprintable()


ANY = Column(lambda value: True, "")
#: A time that has come; `check_values` gives it its end.
PAST = Column(lambda time: time > 0, "it is a time that cannot be")
_TIME = Column(lambda time: 0 < time <= _LAST_TIME, "it is a time that cannot be")
TIME_OR_0 = Column(lambda time: 0 <= time <= _LAST_TIME, "it is a time that cannot be")
KEY = Column(lambda number: number > 0, "it is no key of a row")
FLAG = Column(lambda number: number in (0, 1), "it is neither 0 nor 1")
COUNT = Column(lambda number: number >= 0, "it is negative")
POSITIVE = Column(lambda number: number > 0, "it is below 1")
_STATUS = Column(lambda status: 100 <= status <= 599, "it is no status of HTTP")
_PLAIN = Column(_is_plain, "it is no name: empty, with blanks at its ends, or not printable")
FULL = Column(bool, "it is empty")
UUID = matching(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "it is no id")
RANDOM = matching(r"[A-Za-z0-9_-]{22}", "it is no 128 random bits: malformed")
_FINGERPRINT = matching(r"[0-9a-f]{12}", "it is no fingerprint of a secret key: malformed")
_DIGEST = matching(r"[0-9a-f]{64}", "it is no SHA-256")
_HASH = matching(
    r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+", "what is stored is no hash of argon2"
)
_ADDRESS = Column(is_address, "it is no address")
URL = matching(r"https?://\S+", "it is no address of http or https")
OBJECT = _json(dict, "it is no JSON object")
LIST = _json(list, "it is no JSON array")
_SCIM_TYPES = (
    "invalidFilter tooMany invalidSyntax invalidPath noTarget invalidValue mutability invalidCursor invalidCount "
    "uniqueness"
)

#: By table, the columns that may not hold just any text or number. A column that is missing may.
COLUMNS: dict[Any, dict[str, Column]] = {
    tables.AppRow: {
        "id": KEY,
        "slug": matching(r"[a-z0-9][a-z0-9-]{0,62}", "it is no slug"),
        "name": _PLAIN,
        "enabled": FLAG,
        "settings": OBJECT,
        "profile": one_of(app_profile.PROFILES, "there is no such profile"),
        "declared": OBJECT,
        "mapping": OBJECT,
        "sourced": FLAG,
        "mapping_version": POSITIVE,
        "version": POSITIVE,
        "created_at": PAST,
        "deleted_at": PAST,
    },
    tables.TokenRow: {
        "id": KEY,
        "token_id": RANDOM,
        "key_id": _FINGERPRINT,
        "label": _PLAIN,
        "issued_at": PAST,
        "expires_at": _TIME,
        "revoked_at": _TIME,
        "last_used_at": PAST,
        "refusals": OBJECT,
        "subject": UUID,
        "kind": one_of(("scim", "reader"), "there is no such kind of token"),
    },
    tables.ResourceRow: {
        "id": KEY,
        "uuid": UUID,
        "active": FLAG,
        "version": POSITIVE,
        "created_at": PAST,
        "modified_at": PAST,
        "deleted_at": PAST,
        "active_since": PAST,
        "ended": one_of(
            (tombstones.DELETED, tombstones.DEPROVISIONED, tombstones.DEACTIVATED), "nothing is deleted in this way"
        ),
        "profile_version": COUNT,
    },
    tables.ValueRow: {"item": COUNT, "nth": COUNT, "sought": FLAG},
    tables.PasswordRow: {"hash": _HASH, "changed_at": PAST},
    tables.BrakeRow: {
        "kind": one_of(brakes.KINDS, "there is no such brake"),
        "tripped_at": PAST,
        "released_at": PAST,
        "detail": FULL,
        "spare": COUNT,
        "spare_version": POSITIVE,
        "spare_from": COUNT,
        "spare_until": COUNT,
    },
    tables.DepartureRow: {"kind": one_of(brakes.KINDS, "there is no such brake"), "at": PAST, "active_since": PAST},
    tables.RefusalRow: {
        "id": KEY,
        "at": PAST,
        "path": FULL,
        "scim_type": one_of(_SCIM_TYPES.split(), "there is no such scimType"),
        "size": COUNT,
    },
    tables.JournalRow: {
        "id": KEY,
        "at": PAST,
        "action": one_of(Action, "there is no such action"),
        "outcome": one_of(Outcome, "there is no such outcome"),
        "changes": Column(_is_change, "it is no JSON object of pairs"),
        "status": _STATUS,
        "actor": one_of(Actor, "there is no such kind of actor"),
        "address": _ADDRESS,
        "uid": COUNT,
        "sudo_uid": COUNT,
        "tx": COUNT,
    },
    tables.AliasRow: {"name": FULL, "user_uuid": UUID},
    tables.TallyRow: {"day": POSITIVE, "times": Column(lambda times: times > 0, "it never happened")},
    tables.SigningKeyRow: {"fingerprint": _FINGERPRINT, "first_used_at": PAST},
    OperatorRow: {
        "id": KEY,
        "name": _PLAIN,
        "role": one_of(Role, "there is no such role"),
        "every_app": FLAG,
        "password": _HASH,
        "issuer": FULL,
        "subject": FULL,
        "created_at": PAST,
        "disabled_at": PAST,
        "signed_in_at": PAST,
    },
    SignInLinkRow: {"digest": _DIGEST, "expires_at": _TIME},
    SessionRow: {
        "digest": _DIGEST,
        "way": one_of(Way, "there is no such way to sign in"),
        "address": _ADDRESS,
        "created_at": PAST,
        "proved_at": PAST,
        "seen_at": PAST,
    },
    SignInAttemptRow: {"id": KEY, "at": PAST, "who": matching(r"(?s)(from|as) .+", "it names nobody")},
    InvitationRow: {
        "id": KEY,
        "link_id": RANDOM,
        "key_id": _FINGERPRINT,
        "created_by": FULL,
        "created_at": PAST,
        "expires_at": _TIME,
        "revoked_at": PAST,
        "opened_at": PAST,
    },
    FeedRow: {"id": Column(lambda id: id == 1, "there is one row"), "epoch": POSITIVE, "origin": FULL},
    ReadingRow: {"id": KEY, "at": PAST, "epoch": POSITIVE, "tx": COUNT, "place": COUNT},
    SetStreamRow: {"epoch": POSITIVE, "tx": COUNT, "place": COUNT, "acknowledged": LIST},
    WebhookRow: {
        "id": KEY,
        "name": FULL,
        "url": URL,
        "types": LIST,
        "format": one_of(("standard", "set"), "there is no such format"),
        "session_revoked": FLAG,
        "lanes": POSITIVE,
        "state": one_of(("active", "paused", "off"), "there is no such state"),
        "epoch": POSITIVE,
        "tx": COUNT,
        "place": COUNT,
        "leased_until": TIME_OR_0,
        "not_before": TIME_OR_0,
        **dict.fromkeys(
            ("created_at", "begins_at", "failing_since", "last_ok_at", "last_failed_at", "removed_at"), PAST
        ),
    },
    WebhookSecretRow: {
        "id": KEY,
        "secret_id": RANDOM,
        "key_id": _FINGERPRINT,
        "created_at": PAST,
        "expires_at": _TIME,
    },
    DeliveryRow: {
        "tx": COUNT,
        "attempts": COUNT,
        "next_at": TIME_OR_0,
        "last_status": COUNT,
        "dead_at": PAST,
    },
    ReceiptRow: {"at": PAST, "status": _STATUS, "attempts": COUNT, "ms": COUNT},
    SourceRow: {
        "id": KEY,
        "name": FULL,
        "kind": FULL,
        "mapping_version": POSITIVE,
        "secret": matching(r"(env|file|kept):.+", "it is no reference to a secret"),
        "state": one_of(State, "there is no such state"),
        "read_version": COUNT,
        "due_at": TIME_OR_0,
        "failures": COUNT,
        "leased_until": TIME_OR_0,
        **dict.fromkeys(("settings", "mapping", "owned", "rules", "held", "accepted"), OBJECT),
        **dict.fromkeys(("last_ok_at", "last_full_at", "created_at", "removed_at"), PAST),
    },
    SourceLinkRow: {
        "type": one_of(("User", "Group"), "there is no such type"),
        "key": FULL,
        "version": COUNT,
        "state": one_of(Linked, "there is no such state"),
        "missing_runs": COUNT,
        "missing_since": PAST,
    },
    SourceRunRow: {
        "id": KEY,
        "kind": one_of(("full", "delta"), "there is no such kind"),
        "outcome": one_of(RunOutcome, "there is no such outcome"),
        "counts": OBJECT,
        **dict.fromkeys(("started_at", "beat_at", "ended_at"), PAST),
    },
}
