"""Reads the journal: the newest rows, all rows as a stream, and the rows of one request."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import orjson
from peewee import JOIN, SQL, fn

from ..db import Database, Slot, chunks, prepared
from ..db.tables import AppRow, JournalRow
from .brevity import LONGEST_NAME, short
from .entries import Action
from .selection import Selection, parts

#: Rows read at once, where all rows together may exceed the memory.
_PAGE = 1000
#: Rows returned for a client's own request id, because clients may use one id many times.
_MOST_OF_CLIENT = 100


def _column(source: Any) -> Any:
    return field(metadata={"column": source})


def _beginning(name: Any) -> Any:
    """The part of a name that is shown: earlier versions recorded whole names, however long."""
    return fn.substr(name, SQL("1"), SQL(str(LONGEST_NAME + 1)))


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A webhook's receiver confirmed the event of an entry, at a time and with so many tries."""

    webhook: str
    at: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Record:
    """One journal row as the report shows it; each field names the column that it is read from."""

    id: int = _column(JournalRow.id)
    #: Microseconds since 1970 UTC.
    at: int = _column(JournalRow.at)
    app: str | None = _column(AppRow.slug)
    app_name: str | None = _column(AppRow.name)
    action: str = _column(JournalRow.action)
    outcome: str = _column(JournalRow.outcome)
    user: str | None = _column(_beginning(JournalRow.user_name))
    user_id: str | None = _column(JournalRow.user_uuid)
    group: str | None = _column(_beginning(JournalRow.group_name))
    group_id: str | None = _column(JournalRow.group_uuid)
    changes: dict[str, list[Any]] = _column(JournalRow.changes)  # noqa: RUF009  # a required field
    client: str | None = _column(JournalRow.client)
    token: str | None = _column(JournalRow.token_label)
    request_id: str | None = _column(JournalRow.request_id)
    client_request_id: str | None = _column(JournalRow.client_request_id)
    status: int | None = _column(JournalRow.status)
    detail: str | None = _column(JournalRow.detail)
    actor: str | None = _column(JournalRow.actor)
    address: str | None = _column(JournalRow.address)
    uid: int | None = _column(JournalRow.uid)
    sudo_uid: int | None = _column(JournalRow.sudo_uid)
    app_id: int | None = _column(JournalRow.app_id)
    #: Which webhooks' receivers confirmed it; `admin.confirmations` looks them up.
    confirmations: Sequence[Confirmation] = ()

    @classmethod
    def of(cls, row: Sequence[Any]) -> Record:
        """The record of a row of _COLUMNS."""
        values = list(row)
        text = values[_CHANGES]
        values[_CHANGES] = orjson.loads(text) if text else {}
        for position in _NAMES:
            values[position] = short(values[position])
        return cls(*values)


_COLUMNS = tuple(part.metadata["column"] for part in fields(Record) if "column" in part.metadata)
_CHANGES, *_NAMES = ([part.name for part in fields(Record)].index(name) for name in ("changes", "user", "group"))


def read(db: Database, selection: Selection, *, limit: int | None = None) -> list[Record]:
    """The newest `limit` rows of a selection, or all of them, oldest first."""
    rows: list[Any] = []
    newest = joined().order_by(JournalRow.at.desc(), JournalRow.id.desc())
    for part in parts(db, selection, newest if limit is None else newest.limit(limit)):
        rows += db.rows(part)
    rows.sort(key=moment)
    return [Record.of(row) for row in rows[0 if limit is None else max(len(rows) - limit, 0) :]]


def iterate(db: Database, selection: Selection) -> Iterator[Record]:
    """All rows of a selection, oldest first; it keeps one page of them in memory, and no transaction open."""
    pages = [_pages(db, part) for part in parts(db, selection, joined())]
    return map(Record.of, heapq.merge(*pages, key=moment))


def _pages(db: Database, query: Any) -> Iterator[Sequence[Any]]:
    query = query.order_by(JournalRow.at, JournalRow.id).limit(_PAGE)
    page = db.rows(query)
    while page:
        yield from page
        if len(page) < _PAGE:
            return
        at, id = moment(page[-1])
        # `at >=` follows from the rest; an index begins at it.
        beyond = (JournalRow.at >= at) & ((JournalRow.at > at) | (JournalRow.id > id))
        page = db.rows(query.where(beyond))


def moment(row: Sequence[Any]) -> tuple[int, int]:
    """The sort key of a row whose first columns are id and time."""
    return row[1], row[0]


def unseen(db: Database, selection: Selection, seen: Collection[int]) -> list[Record]:
    """The rows of a selection whose ids are not in `seen`, oldest first."""
    rows: list[Any] = []
    for part in parts(db, selection, JournalRow.select(JournalRow.id, JournalRow.at)):
        rows += db.rows(part)
    new = [row[0] for row in sorted(rows, key=moment) if row[0] not in seen]
    records = {}
    for chunk in chunks(new, _PAGE):
        records.update({row[0]: Record.of(row) for row in db.rows(joined().where(JournalRow.id.in_(chunk)))})
    return [records[id] for id in new if id in records]


def of_request(db: Database, id: str) -> list[Record]:
    """The rows of a request, oldest first."""
    return [Record.of(row) for row in db.rows(joined().where(JournalRow.request_id == id).order_by(JournalRow.id))]


def of_client(db: Database, id: str, since: int | None = None, until: int | None = None) -> list[Record]:
    """The newest rows with a client's own request id, oldest first.

    No index helps: it reads all of the journal between the times (microseconds since 1970 UTC, `until` excluded).
    """
    terms = [JournalRow.client_request_id == id]
    terms += [JournalRow.at >= since] if since is not None else []
    terms += [JournalRow.at < until] if until is not None else []
    newest = joined().where(*terms).order_by(JournalRow.at.desc(), JournalRow.id.desc())
    return [Record.of(row) for row in db.rows(newest.limit(_MOST_OF_CLIENT))[::-1]]


def count(db: Database) -> int:
    """How many rows there are."""
    return int(db.scalar(JournalRow.select(fn.count(JournalRow.id))))


def joined() -> Any:
    """A query of all rows with the columns that `Record.of` takes."""
    return JournalRow.select(*_COLUMNS).join(AppRow, JOIN.LEFT_OUTER, on=(AppRow.id == JournalRow.app_id))


def latest_id(db: Database) -> int:
    """The id of the newest row, 0 when there is none."""
    return int(db.scalar(JournalRow.select(JournalRow.id).order_by(JournalRow.id.desc()).limit(1)) or 0)


def left_a_group(db: Database, uuid: str) -> bool:
    """True when the user was ever removed from a group."""
    return db.row(_member_removal, uuid=uuid) is not None


@prepared
def _member_removal(db: Database) -> Any:
    return (
        JournalRow.select(JournalRow.id)
        .where(JournalRow.user_uuid == Slot("uuid"), JournalRow.action == Action.MEMBER_REMOVED.value)
        .limit(1)
    )
