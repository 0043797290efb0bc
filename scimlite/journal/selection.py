"""Which entries of the journal are wanted, cut so that an index answers each part of it in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import SQL

from ..db import Database
from ..db.tables import AliasRow, JournalRow
from ..scim.values import fold

#: Names that people are found by are cut to this: PostgreSQL's B-tree takes no entry over 2,704 bytes.
LONGEST_KEY = 500
#: What the index of everything else leaves out; the database sees that only when the query says it in these words.
_OK = "ok"
_NOT_OK = JournalRow.outcome != SQL(f"'{_OK}'")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows a report wants; times are microseconds since 1970 UTC, `until` excluded."""

    user: str | None = None
    app_id: int | None = None
    #: Several apps: those that have, or had before they were deleted, one name. Instead of `app_id`.
    app_ids: Sequence[int] | None = None
    since: int | None = None
    until: int | None = None
    action: str | None = None
    outcome: str | None = None
    after_id: int | None = None


def parts(db: Database, selection: Selection, query: Any) -> Iterator[Any]:
    """The query over the journal as several, each limited to one app and one id or name of the person.

    No row is in two of them. One query for all would have to sort whatever several values of an index lead to.
    """
    for person in [None] if selection.user is None else _about(db, selection.user):
        for app_id in apps_of(selection):
            found = conditions(db, selection, person=person, app_id=app_id)
            yield query.where(*found) if found else query


def apps_of(selection: Selection) -> Sequence[int | None]:
    """The apps that are asked for; None is any."""
    return [selection.app_id] if selection.app_ids is None else selection.app_ids


def conditions(db: Database, selection: Selection, *, person: Any, app_id: int | None) -> list[Any]:
    """The conditions of one part; `person` is one itself, or None.

    SQLite keeps no statistics of ours: only the condition that leaves the least is left for it to choose an index by.
    """
    found = [] if person is None else [person]
    if selection.outcome not in (None, _OK) and not found:
        found.append(_NOT_OK & (JournalRow.outcome == selection.outcome))
    elif selection.outcome is not None:
        found.append(db.unindexed(JournalRow.outcome) == selection.outcome)
    led = person is not None or selection.outcome not in (None, _OK)
    for column, value in ((JournalRow.action, selection.action), (JournalRow.app_id, app_id)):
        if value is not None:
            found.append((db.unindexed(column) if led else column) == value)
            led = True
    if selection.since is not None:
        found.append(JournalRow.at >= selection.since)
    if selection.until is not None:
        found.append(JournalRow.at < selection.until)
    if selection.after_id is not None:
        found.append(db.unindexed(JournalRow.id) > selection.after_id)
    return found


def _about(db: Database, user: str) -> list[Any]:
    """Conditions, each for some rows about a person named by id, externalId, or any userName they ever had."""
    names = {user[:LONGEST_KEY], fold(user)[:LONGEST_KEY]}
    uuids = {row[0] for row in db.rows(AliasRow.select(AliasRow.user_uuid).where(AliasRow.name.in_(names)))}
    uuids.add(user.lower())
    by_id = [JournalRow.user_uuid == uuid for uuid in sorted(uuids)]
    return [*by_id, JournalRow.user_key == fold(user)[:LONGEST_KEY]]
