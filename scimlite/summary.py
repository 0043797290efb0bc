"""What happened in a timespan, counted: the answer to "what did this app do?"."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from peewee import fn

from . import journal
from .db import Database
from .journal import Action, Outcome, Selection
from .models import JournalRow

#: What differs between two refusals for the same reason: ids, and what the client had written.
_PARTICULARS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|“[^”]*”|'[^']*'|\"[^\"]*\"|(?<![\w.:])\d+(?![\w.:])"
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why requests were refused or failed: the status, the words without particulars, and the last such entry."""

    status: int | None
    text: str
    count: int
    #: When it last happened, in microseconds since 1970 UTC.
    last_at: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The entries of a selection, counted; times are microseconds since 1970 UTC, None when there is no entry."""

    entries: int
    #: How many different users the entries are about.
    users: int
    #: (action, outcome) to how many entries.
    actions: dict[tuple[str, str], int]
    #: The most frequent first.
    reasons: list[Reason]
    #: The first and the last entry that a client's request made.
    first_contact: int | None
    last_contact: int | None


def summarize(db: Database, selection: Selection) -> Summary:
    """Count what a selection of the journal holds; everything is counted by the database, whatever its size."""
    counted = _about(db, selection, JournalRow.action, JournalRow.outcome, fn.count(JournalRow.id))
    counts = db.rows(counted.group_by(JournalRow.action, JournalRow.outcome))
    actions = {(action, outcome): int(count) for action, outcome, count in counts}
    users = db.scalar(_about(db, selection, fn.count(fn.DISTINCT(JournalRow.user_uuid))))
    by_clients = _about(db, selection, fn.min(JournalRow.at), fn.max(JournalRow.at)).where(
        JournalRow.request_id.is_null(False), JournalRow.action != Action.AUTHENTICATED.value
    )
    first, last = db.row(by_clients) or (None, None)
    return Summary(sum(actions.values()), int(users), actions, _reasons(db, selection), first, last)


def _about(db: Database, selection: Selection, *columns: Any) -> Any:
    return journal.where(JournalRow.select(*columns), db, selection)


def _reasons(db: Database, selection: Selection) -> list[Reason]:
    columns = (JournalRow.status, JournalRow.detail)
    grouped = _about(db, selection, *columns, fn.count(JournalRow.id), fn.max(JournalRow.at))
    query = grouped.where(JournalRow.outcome != Outcome.OK.value).group_by(*columns)
    counts: Counter[tuple[int | None, str]] = Counter()
    last: dict[tuple[int | None, str], int] = {}
    for status, detail, count, at in db.rows(query):
        reason = (status, _PARTICULARS.sub("…", detail or "no reason is known"))
        counts[reason] += count
        last[reason] = max(at, last.get(reason, 0))
    return [Reason(*reason, count, last[reason]) for reason, count in counts.most_common()]
