"""Selections of journal entries, split into queries that an index answers in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from peewee import SQL, fn

from ..db import Database
from ..db.tables import AliasRow, JournalRow
from ..scim.names import fold

#: Characters of a name in an index: PostgreSQL's B-tree takes no entry over 2,704 bytes.
LONGEST_KEY = 500
#: Characters that are folded for it; folding makes some names shorter, and takes 0.2 us for each character.
_FOLDED = 4 * LONGEST_KEY
#: One index leaves out entries of this outcome; the database uses it only when the query has this very condition.
_OK = "ok"
_NOT_OK = JournalRow.outcome != SQL(f"'{_OK}'")


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows of a report; times are microseconds since 1970 UTC, `until` excluded."""

    user: str | None = None
    app_id: int | None = None
    #: In place of `app_id`, the apps that have or had one name: deleted apps keep their entries.
    app_ids: Sequence[int] | None = None
    since: int | None = None
    until: int | None = None
    action: str | None = None
    outcome: str | None = None
    after_id: int | None = None
    #: The kind of who acted, and the address of a client as the journal writes it.
    actor: str | None = None
    address: str | None = None
    #: A part of what an actor calls itself.
    client: str | None = None
    #: The id of a person, or of a group, and nothing else that goes by it.
    user_id: str | None = None
    group_id: str | None = None


def leading(selection: Selection) -> Selection:
    """The entries to which an index leads, of which a selection may leave out some; `conditions` says which it is."""
    times = Selection(since=selection.since, until=selection.until)
    if selection.user is not None:
        return replace(times, user=selection.user)
    if selection.user_id is not None or selection.group_id is not None:
        return replace(times, user_id=selection.user_id, group_id=selection.group_id)
    if selection.outcome not in (None, _OK):
        return replace(times, outcome=selection.outcome)
    if selection.action is not None:
        return replace(times, action=selection.action)
    return replace(times, app_id=selection.app_id, app_ids=selection.app_ids)


def parts(db: Database, selection: Selection, query: Any) -> Iterator[Any]:
    """The query over the journal as several queries, each about one app and one id or name of the person.

    No row is in two of them. A single query would have to sort the rows that several values of an index lead to.
    """
    for person in _subjects(db, selection):
        for app_id in apps_of(selection):
            terms = conditions(db, selection, person=person, app_id=app_id)
            yield query.where(*terms) if terms else query


def apps_of(selection: Selection) -> Sequence[int | None]:
    """The ids of the selected apps; None stands for any app."""
    return [selection.app_id] if selection.app_ids is None else selection.app_ids


def key_of(name: str) -> str:
    """The folded beginning of a userName, by which entries and refused requests are found."""
    return fold(name[:_FOLDED])[:LONGEST_KEY]


def conditions(db: Database, selection: Selection, *, person: Any, app_id: int | None) -> list[Any]:
    """The conditions of one part; `person` is the condition on the person, or None.

    SQLite has no statistics about our tables, so only the condition that leaves the fewest rows is written in a form
    that an index answers.
    """
    terms = [] if person is None else [person]
    if selection.outcome not in (None, _OK) and not terms:
        terms.append(_NOT_OK & (JournalRow.outcome == selection.outcome))
    elif selection.outcome is not None:
        terms.append(db.unindexed(JournalRow.outcome) == selection.outcome)
    led = person is not None or selection.outcome not in (None, _OK)
    for column, value in ((JournalRow.action, selection.action), (JournalRow.app_id, app_id)):
        if value is not None:
            terms.append((db.unindexed(column) if led else column) == value)
            led = True
    if selection.since is not None:
        terms.append(JournalRow.at >= selection.since)
    if selection.until is not None:
        terms.append(JournalRow.at < selection.until)
    if selection.actor is not None:
        terms.append(JournalRow.actor == selection.actor)
    if selection.address is not None:
        terms.append(JournalRow.address == selection.address)
    if selection.client is not None:
        terms.append(db.contains(fn.lower(JournalRow.client), selection.client.lower()))
    if selection.after_id is not None:
        terms.append(db.unindexed(JournalRow.id) > selection.after_id)
    return terms


def _subjects(db: Database, selection: Selection) -> list[Any]:
    """The conditions on whom entries are about, each of which an index answers; None for anybody."""
    if selection.user_id is not None:
        return [JournalRow.user_uuid == selection.user_id]
    if selection.group_id is not None:
        return [JournalRow.group_uuid == selection.group_id]
    return [None] if selection.user is None else _about(db, selection.user)


def _about(db: Database, user: str) -> list[Any]:
    """Conditions that each select some rows about a person, named by id, externalId, or a present or past userName."""
    names = {user[:LONGEST_KEY], key_of(user)}
    uuids = {row[0] for row in db.rows(AliasRow.select(AliasRow.user_uuid).where(AliasRow.name.in_(names)))}
    uuids.add(user.lower())
    by_id = [JournalRow.user_uuid == uuid for uuid in sorted(uuids)]
    return [*by_id, JournalRow.user_key == key_of(user)]
