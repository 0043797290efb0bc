"""Compares memberships, entries, counts and subjects of tokens with what they refer to. Pure: no database, no clock."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from ..apps import App, turned_away
from ..apps.refused_tokens import NO_ADDRESS, OTHER_ADDRESSES, Cause
from ..clock import DAY
from ..journal import Action, Outcome
from ..journal.tallies import Kind as TallyKind
from ..scim import core
from ..scim.leniency import Leniency
from .check_columns import SKEW, is_address
from .check_findings import Kind, Problem

_TALLIED: dict[str, frozenset[str]] = {
    TallyKind.LENIENCY.value: frozenset(map(str, Leniency)),
    TallyKind.REFUSED_TOKEN.value: frozenset(map(str, Cause)),
    TallyKind.TURNED_AWAY.value: frozenset([turned_away.THREADS]),
}
#: Microseconds by which an entry may come before the creation of what it is about: servers' clocks differ.
_BEFORE = 300 * 1_000_000
_UUID = re.compile(r"[0-9a-f-]{36}")
#: What happens to resources that are stored; a person can be exported who is not stored any more.
_OF_STORED = frozenset(
    map(
        str,
        (
            Action.CREATED,
            Action.UPDATED,
            Action.DISABLED,
            Action.ENABLED,
            Action.DELETED,
            Action.RESTORED,
            Action.MEMBER_ADDED,
            Action.MEMBER_REMOVED,
        ),
    )
)


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


def member_problems(app: App, row: Member, place: str) -> Iterator[Problem]:
    """What is wrong with a membership of an app; `place` names its row."""
    groups = app.resource_types[core.GROUP.endpoint]
    allowed = [end.type for end in groups.links.ends] if groups.links is not None else []
    for column, end, types in (("group_id", row.group, [groups.name]), ("member_id", row.member, allowed)):
        if end.app_id is None:
            yield Problem(Kind.MEMBERS, f"{place}: {column}: there is no such resource")
        elif end.app_id != row.app_id:
            yield Problem(Kind.MEMBERS, f"{place}: {column}: the resource is of another app")
        if end.type is not None and end.type not in types:
            yield Problem(Kind.MEMBERS, f"{place}: {column}: a {end.type} cannot be at this end")
    if row.display is not None and app.settings.member_display != "sent":
        yield Problem(Kind.MEMBERS, f"{place}: display: it is a name from the client, and the app takes none")


class Subject(NamedTuple):
    """A resource that an entry may be about."""

    app_id: int
    type: str
    created_at: int


class About(Protocol):
    """What entries and tokens refer to."""

    @property
    def subjects(self) -> Mapping[str, Subject]:
        """The resources by the id that clients see."""

    @property
    def ended(self) -> Collection[str]:
        """The ids of resources that were purged or erased."""

    @property
    def living(self) -> Collection[int]:
        """The ids of apps that are not deleted."""

    @property
    def whole(self) -> Collection[int]:
        """The ids of apps of which no entry was ever pruned."""


def entry_problems(row: Any, slugs: Mapping[int, str], about: About) -> Iterator[Problem]:
    """What is wrong with an entry, a row of the journal; `slugs` are those of all apps that ever were, by id."""
    slug = "the installation" if row.app_id is None else slugs.get(row.app_id, "no app")
    for column, text in _entry_problems(row, slugs, about):
        yield Problem(Kind.JOURNAL, f"journal row {row.id} of {slug}: {column}: {text}")


def _entry_problems(row: Any, slugs: Mapping[int, str], about: About) -> Iterator[tuple[str, str]]:
    if row.app_id is not None and row.app_id not in slugs:
        yield "app_id", f"there never was an app {row.app_id}"
    if row.user_uuid is not None and row.user_key is not None:
        yield "user_key", "it is the key of somebody without an id, and there is one"
    if row.status is not None and _contradicts(row.outcome, row.status):
        yield "status", f"nothing that was {row.outcome} was answered with {row.status}"
    if row.outcome != Outcome.OK.value:
        # What was refused names what the client named.
        return
    for column, type in (("user_uuid", core.USER.name), ("group_uuid", core.GROUP.name)):
        uuid = getattr(row, column)
        subject = about.subjects.get(uuid or "")
        if subject is None:
            if uuid is not None and row.action in _OF_STORED and row.app_id in about.living and uuid not in about.ended:
                yield column, f"there never was a {type} {_id(uuid)}, and none was purged"
        elif subject.app_id != row.app_id:
            yield column, f"{uuid} is of another app"
        elif subject.type != type:
            yield column, f"{uuid} is a {subject.type}, and no {type}"
        elif row.at < subject.created_at - _BEFORE:
            yield "at", f"it is before the creation of {uuid}"


def _contradicts(outcome: str, status: int) -> bool:
    """True when nothing with this outcome has this status. Members that were skipped are refused, and it is 200."""
    return status >= 400 if outcome == Outcome.OK.value else outcome == Outcome.FAILED.value and status < 500


def _id(text: str) -> str:
    """An id; what has not its form may be any value."""
    return text if _UUID.fullmatch(text) else "with this id"


def subject_problems(token: Any, slug: str, about: About) -> Iterator[Problem]:
    """What is wrong with the user that a token, a row of the table, is for."""
    if token.subject is None:
        return
    subject = about.subjects.get(token.subject)
    if subject is None:
        # The entry that says so may be pruned.
        wrong = token.subject not in about.ended and token.app_id in about.whole
    else:
        wrong = (subject.app_id, subject.type) != (token.app_id, core.USER.name)
    if wrong:
        yield Problem(Kind.TOKENS, f"token row {token.id} of {slug}: subject: there is no such user in the app")


def tally_problems(row: Any, slug: str, now: int) -> Iterator[Problem]:
    """What is wrong with a count of an app on a day since 1970, a row of the table."""
    place = f"tally row {row.day}/{row.app_id} of {slug}"
    if not _is_counted(row.kind, row.name):
        yield Problem(Kind.TALLIES, f"{place}: name: nothing counts this")
    if row.day > (now + SKEW) // DAY:
        yield Problem(Kind.TALLIES, f"{place}: day: it is to come")


def _is_counted(kind: str, name: str) -> bool:
    """True for a name that something counts: one of the kind's list, or the address of a client."""
    if kind != TallyKind.REFUSED_ADDRESS.value or name in (OTHER_ADDRESSES, NO_ADDRESS):
        return kind == TallyKind.REFUSED_ADDRESS.value or name in _TALLIED.get(kind, ())
    return is_address(name)
