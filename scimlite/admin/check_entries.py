"""Compares memberships, journal entries, counts and tokens with what they refer to. Pure: no database, no clock."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

import orjson

from ..apps import App, turned_away
from ..apps.refused_tokens import NO_ADDRESS, OTHER_ADDRESSES, Cause
from ..clock import DAY
from ..journal import Action, Outcome
from ..journal.tallies import Kind as TallyKind
from ..scim import core
from ..scim.leniency import Leniency
from .check_findings import Kind, Problem
from .check_resource import SKEW

_TALLIED: dict[str, frozenset[str]] = {
    TallyKind.LENIENCY.value: frozenset(map(str, Leniency)),
    TallyKind.REFUSED_TOKEN.value: frozenset(map(str, Cause)),
    TallyKind.TURNED_AWAY.value: frozenset([turned_away.THREADS]),
}
#: Microseconds by which an entry may come before the creation of what it is about: servers' clocks differ.
_BEFORE = 300 * 1_000_000
_TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_FINGERPRINT = re.compile(r"[0-9a-f]{12}")
_ACTIONS, _OUTCOMES = frozenset(map(str, Action)), frozenset(map(str, Outcome))


class End(NamedTuple):
    """One end of a membership; all None when it does not exist."""

    app_id: int | None
    type: str | None


class Member(NamedTuple):
    """A membership with both ends."""

    group_id: int
    member_id: int
    app_id: int
    display: str | None
    group: End
    member: End


def member_problems(app: App, row: Member) -> Iterator[Problem]:
    """What is wrong with a membership of an app."""
    place = f"row {row.group_id} > {row.member_id} of {app.slug}"
    for name, end in (("group", row.group), ("member", row.member)):
        if end.app_id is None:
            yield Problem(Kind.MEMBERS, f"{place}: the {name} does not exist")
        elif end.app_id != row.app_id:
            yield Problem(Kind.MEMBERS, f"{place}: the {name} is of another app")
    groups = app.resource_types[core.GROUP.endpoint]
    allowed = [end.type for end in groups.links.ends] if groups.links is not None else []
    if row.group.type not in (None, groups.name):
        yield Problem(Kind.MEMBERS, f"{place}: a {row.group.type} cannot have members")
    if row.member.type is not None and row.member.type not in allowed:
        yield Problem(Kind.MEMBERS, f"{place}: a {row.member.type} cannot be a member")
    if row.display is not None and app.settings.member_display != "sent":
        yield Problem(Kind.MEMBERS, f"{place}: it has a name from the client, and the app takes none")


class Journalled(NamedTuple):
    """An entry of the journal, as far as it is checked."""

    id: int
    at: int
    app_id: int | None
    action: str
    outcome: str
    user_uuid: str | None
    user_key: str | None
    group_uuid: str | None
    changes: str | None
    status: int | None


class Subject(NamedTuple):
    """A resource that an entry may be about."""

    app_id: int
    type: str
    created_at: int


def entry_problems(
    row: Journalled, apps: Mapping[int, str], subjects: Mapping[str, Subject], now: int
) -> Iterator[Problem]:
    """What is wrong with an entry.

    In: the slugs of all apps that ever were, by id; the resources that entries are about, by the id that clients see.
    """
    slug = "the installation" if row.app_id is None else apps.get(row.app_id)
    for text in _entry_problems(row, slug, subjects, now):
        yield Problem(Kind.JOURNAL, f"entry {row.id} of {slug or 'no app'}: {text}")


def _entry_problems(row: Journalled, slug: str | None, subjects: Mapping[str, Subject], now: int) -> Iterator[str]:
    if slug is None:
        yield f"there never was an app {row.app_id}"
    if not 0 < row.at <= now + SKEW:
        yield "its time cannot be"
    if row.action not in _ACTIONS or row.outcome not in _OUTCOMES:
        yield f"there is no {row.action} that was {row.outcome}"
    if row.user_uuid is not None and row.user_key is not None:
        yield "it has an id, and the key of somebody without one"
    if row.changes is not None and not _is_object(row.changes):
        yield "its changes cannot be read"
    if row.outcome != Outcome.OK.value:
        # What was refused names what the client named.
        return
    for uuid, type in ((row.user_uuid, core.USER.name), (row.group_uuid, core.GROUP.name)):
        subject = subjects.get(uuid or "")
        if subject is None:
            continue
        if subject.app_id != row.app_id:
            yield f"{uuid} is of another app"
        elif subject.type != type:
            yield f"{uuid} is a {subject.type}, and no {type}"
        elif row.at < subject.created_at - _BEFORE:
            yield f"it is before the creation of {uuid}"


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def tally_problems(day: int, kind: str, name: str, times: int, slug: str, now: int) -> Iterator[Problem]:
    """What is wrong with a count of an app on a day since 1970."""
    if not _is_counted(kind, name):
        yield Problem(Kind.TALLIES, f"{kind} {name} of {slug}: nothing counts this")
    if times < 1:
        yield Problem(Kind.TALLIES, f"{kind} {name} of {slug}: it happened {times} times")
    if not 0 < day <= (now + SKEW) // DAY:
        yield Problem(Kind.TALLIES, f"{kind} {name} of {slug}: the day {day} cannot be")


def _is_counted(kind: str, name: str) -> bool:
    """True for a name that something counts: one of the kind's list, or the address of a client."""
    if kind != TallyKind.REFUSED_ADDRESS.value or name in (OTHER_ADDRESSES, NO_ADDRESS):
        return kind == TallyKind.REFUSED_ADDRESS.value or name in _TALLIED.get(kind, ())
    try:
        return str(ip_address(name)) == name
    except ValueError:
        return False


class StoredToken(NamedTuple):
    """The row of a token, as far as it is checked."""

    token_id: str
    key_id: str
    label: str
    issued_at: int
    expires_at: int | None
    revoked_at: int | None
    refusals: str | None


def token_problems(
    row: StoredToken, slug: str, used: Collection[str], given: Collection[str] | None, now: int
) -> Iterator[Problem]:
    """What is wrong with a token of an app.

    In: the fingerprints of keys that ever signed here, and of the keys that are given now; None when none is known.
    """
    place = f"the token {row.label!r} of {slug}"
    if not _TOKEN_ID.fullmatch(row.token_id) or not _FINGERPRINT.fullmatch(row.key_id):
        yield Problem(Kind.TOKENS, f"{place}: its id or its key's fingerprint is malformed")
    elif row.key_id not in used:
        yield Problem(Kind.TOKENS, f"{place}: the secret key {row.key_id} never signed here")
    elif given is not None and row.key_id not in given and _valid(row, now):
        yield Problem(Kind.TOKENS, f"{place}: the secret key {row.key_id}, which signed it, is not given")
    if not 0 < row.issued_at <= now + SKEW:
        yield Problem(Kind.TOKENS, f"{place}: it was issued at a time that cannot be")
    if row.refusals is not None and not _is_object(row.refusals):
        yield Problem(Kind.TOKENS, f"{place}: what was noted about refusals cannot be read")


def _valid(row: StoredToken, now: int) -> bool:
    return all(end is None or end > now for end in (row.expires_at, row.revoked_at))
