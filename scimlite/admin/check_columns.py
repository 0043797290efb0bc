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


def _matching(pattern: str, words: str) -> Column:
    compiled = re.compile(pattern)
    return Column(lambda text: compiled.fullmatch(text) is not None, words)


def _one_of(names: Iterable[object], words: str) -> Column:
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
_TIME_OR_0 = Column(lambda time: 0 <= time <= _LAST_TIME, "it is a time that cannot be")
_KEY = Column(lambda number: number > 0, "it is no key of a row")
_FLAG = Column(lambda number: number in (0, 1), "it is neither 0 nor 1")
_COUNT = Column(lambda number: number >= 0, "it is negative")
_POSITIVE = Column(lambda number: number > 0, "it is below 1")
_STATUS = Column(lambda status: 100 <= status <= 599, "it is no status of HTTP")
_PLAIN = Column(_is_plain, "it is no name: empty, with blanks at its ends, or not printable")
_FULL = Column(bool, "it is empty")
_UUID = _matching(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "it is no id")
_RANDOM = _matching(r"[A-Za-z0-9_-]{22}", "it is no 128 random bits: malformed")
_FINGERPRINT = _matching(r"[0-9a-f]{12}", "it is no fingerprint of a secret key: malformed")
_DIGEST = _matching(r"[0-9a-f]{64}", "it is no SHA-256")
_HASH = _matching(
    r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+", "what is stored is no hash of argon2"
)
_ADDRESS = Column(is_address, "it is no address")
_OBJECT = _json(dict, "it is no JSON object")
_LIST = _json(list, "it is no JSON array")
_SCIM_TYPES = (
    "invalidFilter tooMany invalidSyntax invalidPath noTarget invalidValue mutability invalidCursor invalidCount "
    "uniqueness"
)

#: By table, the columns that may not hold just any text or number. A column that is missing may.
COLUMNS: dict[Any, dict[str, Column]] = {
    tables.AppRow: {
        "id": _KEY,
        "slug": _matching(r"[a-z0-9][a-z0-9-]{0,62}", "it is no slug"),
        "name": _PLAIN,
        "enabled": _FLAG,
        "settings": _OBJECT,
        "profile": _one_of(app_profile.PROFILES, "there is no such profile"),
        "declared": _OBJECT,
        "mapping": _OBJECT,
        "sourced": _FLAG,
        "mapping_version": _POSITIVE,
        "version": _POSITIVE,
        "created_at": PAST,
        "deleted_at": PAST,
    },
    tables.TokenRow: {
        "id": _KEY,
        "token_id": _RANDOM,
        "key_id": _FINGERPRINT,
        "label": _PLAIN,
        "issued_at": PAST,
        "expires_at": _TIME,
        "revoked_at": _TIME,
        "last_used_at": PAST,
        "refusals": _OBJECT,
        "subject": _UUID,
        "kind": _one_of(("scim", "reader"), "there is no such kind of token"),
    },
    tables.ResourceRow: {
        "id": _KEY,
        "uuid": _UUID,
        "active": _FLAG,
        "version": _POSITIVE,
        "created_at": PAST,
        "modified_at": PAST,
        "deleted_at": PAST,
        "active_since": PAST,
        "ended": _one_of(
            (tombstones.DELETED, tombstones.DEPROVISIONED, tombstones.DEACTIVATED), "nothing is deleted in this way"
        ),
        "profile_version": _COUNT,
    },
    tables.ValueRow: {"item": _COUNT, "nth": _COUNT, "sought": _FLAG},
    tables.PasswordRow: {"hash": _HASH, "changed_at": PAST},
    tables.BrakeRow: {
        "kind": _one_of(brakes.KINDS, "there is no such brake"),
        "tripped_at": PAST,
        "released_at": PAST,
        "detail": _FULL,
        "spare": _COUNT,
        "spare_version": _POSITIVE,
        "spare_from": _COUNT,
        "spare_until": _COUNT,
    },
    tables.DepartureRow: {"kind": _one_of(brakes.KINDS, "there is no such brake"), "at": PAST, "active_since": PAST},
    tables.RefusalRow: {
        "id": _KEY,
        "at": PAST,
        "path": _FULL,
        "scim_type": _one_of(_SCIM_TYPES.split(), "there is no such scimType"),
        "size": _COUNT,
    },
    tables.JournalRow: {
        "id": _KEY,
        "at": PAST,
        "action": _one_of(Action, "there is no such action"),
        "outcome": _one_of(Outcome, "there is no such outcome"),
        "changes": Column(_is_change, "it is no JSON object of pairs"),
        "status": _STATUS,
        "actor": _one_of(Actor, "there is no such kind of actor"),
        "address": _ADDRESS,
        "uid": _COUNT,
        "sudo_uid": _COUNT,
        "tx": _COUNT,
    },
    tables.AliasRow: {"name": _FULL, "user_uuid": _UUID},
    tables.TallyRow: {"day": _POSITIVE, "times": Column(lambda times: times > 0, "it never happened")},
    tables.SigningKeyRow: {"fingerprint": _FINGERPRINT, "first_used_at": PAST},
    OperatorRow: {
        "id": _KEY,
        "name": _PLAIN,
        "role": _one_of(Role, "there is no such role"),
        "every_app": _FLAG,
        "password": _HASH,
        "issuer": _FULL,
        "subject": _FULL,
        "created_at": PAST,
        "disabled_at": PAST,
        "signed_in_at": PAST,
    },
    SignInLinkRow: {"digest": _DIGEST, "expires_at": _TIME},
    SessionRow: {
        "digest": _DIGEST,
        "way": _one_of(Way, "there is no such way to sign in"),
        "address": _ADDRESS,
        "created_at": PAST,
        "proved_at": PAST,
        "seen_at": PAST,
    },
    SignInAttemptRow: {"id": _KEY, "at": PAST, "who": _matching(r"(?s)(from|as) .+", "it names nobody")},
    InvitationRow: {
        "id": _KEY,
        "link_id": _RANDOM,
        "key_id": _FINGERPRINT,
        "created_by": _FULL,
        "created_at": PAST,
        "expires_at": _TIME,
        "revoked_at": PAST,
        "opened_at": PAST,
    },
    FeedRow: {"id": Column(lambda id: id == 1, "there is one row"), "epoch": _POSITIVE, "origin": _FULL},
    ReadingRow: {"id": _KEY, "at": PAST, "epoch": _POSITIVE, "tx": _COUNT, "place": _COUNT},
    SetStreamRow: {"epoch": _POSITIVE, "tx": _COUNT, "place": _COUNT, "acknowledged": _LIST},
    WebhookRow: {
        "id": _KEY,
        "name": _FULL,
        "url": _matching(r"https?://\S+", "it is no address of http or https"),
        "types": _LIST,
        "format": _one_of(("standard", "set"), "there is no such format"),
        "session_revoked": _FLAG,
        "lanes": _POSITIVE,
        "state": _one_of(("active", "paused", "off"), "there is no such state"),
        "epoch": _POSITIVE,
        "tx": _COUNT,
        "place": _COUNT,
        "leased_until": _TIME_OR_0,
        "not_before": _TIME_OR_0,
        **dict.fromkeys(
            ("created_at", "begins_at", "failing_since", "last_ok_at", "last_failed_at", "removed_at"), PAST
        ),
    },
    WebhookSecretRow: {
        "id": _KEY,
        "secret_id": _RANDOM,
        "key_id": _FINGERPRINT,
        "created_at": PAST,
        "expires_at": _TIME,
    },
    DeliveryRow: {
        "tx": _COUNT,
        "attempts": _COUNT,
        "next_at": _TIME_OR_0,
        "last_status": _COUNT,
        "dead_at": PAST,
    },
    ReceiptRow: {"at": PAST, "status": _STATUS, "attempts": _COUNT, "ms": _COUNT},
    SourceRow: {
        "id": _KEY,
        "name": _FULL,
        "kind": _FULL,
        "mapping_version": _POSITIVE,
        "secret": _matching(r"(env|file|kept):.+", "it is no reference to a secret"),
        "state": _one_of(State, "there is no such state"),
        "read_version": _COUNT,
        "due_at": _TIME_OR_0,
        "failures": _COUNT,
        "leased_until": _TIME_OR_0,
        **dict.fromkeys(("settings", "mapping", "owned", "rules", "held", "accepted"), _OBJECT),
        **dict.fromkeys(("last_ok_at", "last_full_at", "created_at", "removed_at"), PAST),
    },
    SourceLinkRow: {
        "type": _one_of(("User", "Group"), "there is no such type"),
        "key": _FULL,
        "version": _COUNT,
        "state": _one_of(Linked, "there is no such state"),
        "missing_runs": _COUNT,
        "missing_since": PAST,
    },
    SourceRunRow: {
        "id": _KEY,
        "kind": _one_of(("full", "delta"), "there is no such kind"),
        "outcome": _one_of(RunOutcome, "there is no such outcome"),
        "counts": _OBJECT,
        **dict.fromkeys(("started_at", "beat_at", "ended_at"), PAST),
    },
}
