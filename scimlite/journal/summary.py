"""Counts the entries of a selection: the answer to "what did this app do?"."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

from peewee import SQL, Select, fn

from ..db import Database
from ..db.tables import JournalRow
from .entries import Action, Outcome
from .origin import Actor
from .selection import Selection, apps_of, conditions, parts

_OK, *_BAD = map(str, Outcome)
#: With more entries than this, reading user by user costs less than reading all entries.
_MANY = 100_000
_Counts = Counter[tuple[str, str]]

#: The texts that differ between two refusals for the same reason: ids, numbers and the client's own values.
_PARTICULARS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|“[^”]*”|'[^']*'|\"[^\"]*\"|(?<![\w.:])\d+(?![\w.:])"
)


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for which requests were refused or failed: its status, its text without particulars, its last entry."""

    status: int | None
    text: str
    count: int
    #: When it last happened, in microseconds since 1970 UTC.
    last_at: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The entries of a selection, counted; times are microseconds since 1970 UTC, None when there is no entry."""

    entries: int
    #: Different users in the entries.
    users: int
    #: (action, outcome) to the number of entries.
    actions: dict[tuple[str, str], int]
    #: The most frequent first.
    reasons: list[Reason]
    #: The time of the first and of the last entry that came from a client's request.
    first_contact: int | None
    last_contact: int | None


def summarize(db: Database, selection: Selection) -> Summary:
    """Counts the entries of a selection; the database counts, so that the size of the journal does not matter."""
    counts = _by_person(db, selection) if selection.user is not None else _by_action(db, selection)
    entries = counts.total()
    first, last = _contact(db, selection)
    return Summary(entries, len(_users(db, selection, entries)), dict(counts), _reasons(db, selection), first, last)


# --- counts by action and outcome ---------------------------------------------------------------------------------


def _by_person(db: Database, selection: Selection) -> _Counts:
    key = (JournalRow.action, JournalRow.outcome)
    counts: _Counts = Counter()
    for query in parts(db, selection, JournalRow.select(*key, fn.count(JournalRow.id))):
        for action, outcome, count in db.rows(query.group_by(*key)):
            counts[action, outcome] += count
    return counts


def _by_action(db: Database, selection: Selection) -> _Counts:
    """The counts from indexes alone: entries of outcome `ok` are all entries less the refused and failed ones."""
    counts: _Counts = Counter()
    for outcome in _BAD:
        wanted = replace(selection, outcome=outcome)
        for query in parts(db, wanted, JournalRow.select(JournalRow.action, fn.count(JournalRow.id))):
            for action, count in db.rows(query.group_by(JournalRow.action)):
                counts[action, outcome] += count
    if selection.outcome in (None, _OK):
        for action in [selection.action] if selection.action else map(str, Action):
            wanted = replace(selection, action=action, outcome=None)
            total = sum(db.scalar(query) for query in parts(db, wanted, JournalRow.select(fn.count(JournalRow.id))))
            counts[action, _OK] = total - sum(counts[action, outcome] for outcome in _BAD)
    return Counter({key: count for key, count in counts.items() if count > 0 and selection.outcome in (None, key[1])})


# --- users --------------------------------------------------------------------------------------------------------


def _users(db: Database, selection: Selection, entries: int) -> set[str]:
    """The ids of the users in the entries."""
    narrowed = selection.user or selection.action or selection.outcome
    if entries > _MANY and not narrowed:
        return {row[0] for row in db.rows(_one_by_one(db, selection))}
    users: set[str] = set()
    for query in parts(db, selection, JournalRow.select(JournalRow.user_uuid)):
        users.update(row[0] for row in db.rows(query.where(JournalRow.user_uuid.is_null(False)).distinct()))
    return users


def _one_by_one(db: Database, selection: Selection) -> Any:
    """A query of the users with an entry in the selection, which goes from each user to the next one in an index.

    Its cost depends on the number of users, and not on the number of entries.
    """
    has_user = JournalRow.user_uuid.is_null(False)
    person = (
        JournalRow.select(fn.MIN(JournalRow.user_uuid)).where(has_user).cte("person", recursive=True, columns=("uuid",))
    )
    later = JournalRow.alias()
    following = later.select(fn.MIN(later.user_uuid)).where(later.user_uuid > person.c.uuid)
    everyone = person.union_all(Select([person], [following]).where(person.c.uuid.is_null(False)))
    is_this = JournalRow.user_uuid == everyone.c.uuid
    has = [
        fn.EXISTS(JournalRow.select(SQL("1")).where(*conditions(db, selection, person=is_this, app_id=app_id)))
        for app_id in apps_of(selection)
    ]
    wanted = everyone.c.uuid.is_null(False) & reduce(or_, has)
    return Select([everyone], [everyone.c.uuid]).where(wanted).with_cte(everyone)


# --- contact and reasons ------------------------------------------------------------------------------------------


def _contact(db: Database, selection: Selection) -> tuple[int | None, int | None]:
    """The times of the first and the last entry that came from a client's request."""
    first, last = [], []
    for query in parts(db, selection, JournalRow.select(JournalRow.at)):
        served = query.where(
            JournalRow.request_id.is_null(False),
            db.unindexed(JournalRow.action) != Action.AUTHENTICATED.value,
            # A refused command has a request id too, with which it is explained.
            JournalRow.actor == Actor.SCIM.value,
        )
        first += db.rows(served.order_by(JournalRow.at, JournalRow.id).limit(1))
        last += db.rows(served.order_by(JournalRow.at.desc(), JournalRow.id.desc()).limit(1))
    return (min(first)[0], max(last)[0]) if first else (None, None)


def _reasons(db: Database, selection: Selection) -> list[Reason]:
    columns = (JournalRow.status, JournalRow.detail)
    counts: Counter[tuple[int | None, str]] = Counter()
    last: dict[tuple[int | None, str], int] = {}
    for outcome in _BAD if selection.outcome is None else {selection.outcome} & set(_BAD):
        wanted = replace(selection, outcome=outcome)
        for query in parts(db, wanted, JournalRow.select(*columns, fn.count(JournalRow.id), fn.max(JournalRow.at))):
            for status, detail, count, at in db.rows(query.group_by(*columns)):
                reason = (status, _PARTICULARS.sub("…", detail or "no reason is known"))
                counts[reason] += count
                last[reason] = max(at, last.get(reason, 0))
    return [Reason(*reason, count, last[reason]) for reason, count in counts.most_common()]
