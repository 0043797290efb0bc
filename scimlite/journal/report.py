"""Reads the journal: pages, streams, and the rows of one request."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from peewee import JOIN, fn

from ..db import Database, Slot, chunks, prepared
from ..db.tables import AppRow, JournalRow
from .entries import Action
from .selection import Selection, parts

#: Rows read at once where all of them could be more than memory holds.
_PAGE = 1000
#: Rows found by a client's own id, which it may use again and again.
_MOST_OF_CLIENT = 100


@dataclass(frozen=True, slots=True)
class Record:
    """One journal row as the report shows it."""

    id: int
    at: int
    app: str | None
    app_name: str | None
    action: str
    outcome: str
    user: str | None
    user_id: str | None
    group: str | None
    group_id: str | None
    changes: dict[str, list[Any]]
    client: str | None
    token: str | None
    request_id: str | None
    client_request_id: str | None
    status: int | None
    detail: str | None

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        return asdict(self)


_COLUMNS = (
    JournalRow.id,
    JournalRow.at,
    AppRow.slug,
    AppRow.name,
    JournalRow.action,
    JournalRow.outcome,
    JournalRow.user_name,
    JournalRow.user_uuid,
    JournalRow.group_name,
    JournalRow.group_uuid,
    JournalRow.changes,
    JournalRow.client,
    JournalRow.token_label,
    JournalRow.request_id,
    JournalRow.client_request_id,
    JournalRow.status,
    JournalRow.detail,
)


def read(db: Database, selection: Selection, *, limit: int | None = None) -> list[Record]:
    """The newest `limit` rows of a selection (all without), oldest first."""
    found: list[Any] = []
    newest = _joined().order_by(JournalRow.at.desc(), JournalRow.id.desc())
    for part in parts(db, selection, newest if limit is None else newest.limit(limit)):
        found += db.rows(part)
    found.sort(key=_moment)
    return [_record(row) for row in found[0 if limit is None else max(len(found) - limit, 0) :]]


def iterate(db: Database, selection: Selection) -> Iterator[Record]:
    """All rows of a selection, oldest first, without holding them, or a transaction, while they are used."""
    pages = [_pages(db, part) for part in parts(db, selection, _joined())]
    return map(_record, heapq.merge(*pages, key=_moment))


def _pages(db: Database, query: Any) -> Iterator[Sequence[Any]]:
    query = query.order_by(JournalRow.at, JournalRow.id).limit(_PAGE)
    page = db.rows(query)
    while page:
        yield from page
        if len(page) < _PAGE:
            return
        at, id = _moment(page[-1])
        # `at >=` says no more than the rest, but it is what an index can begin at.
        beyond = (JournalRow.at >= at) & ((JournalRow.at > at) | (JournalRow.id > id))
        page = db.rows(query.where(beyond))


def _moment(row: Sequence[Any]) -> tuple[int, int]:
    """What rows are ordered by, of one that begins as _COLUMNS do."""
    return row[1], row[0]


def unseen(db: Database, selection: Selection, seen: Collection[int]) -> list[Record]:
    """The rows of a selection whose ids are not among those seen, oldest first."""
    found: list[Any] = []
    for part in parts(db, selection, JournalRow.select(JournalRow.id, JournalRow.at)):
        found += db.rows(part)
    new = [row[0] for row in sorted(found, key=_moment) if row[0] not in seen]
    records = {}
    for chunk in chunks(new, _PAGE):
        records.update({row[0]: _record(row) for row in db.rows(_joined().where(JournalRow.id.in_(chunk)))})
    return [records[id] for id in new if id in records]


def of_request(db: Database, id: str) -> list[Record]:
    """The rows of a request, oldest first."""
    return [_record(row) for row in db.rows(_joined().where(JournalRow.request_id == id).order_by(JournalRow.id))]


def of_client(db: Database, id: str) -> list[Record]:
    """The newest rows with a client's own id, oldest first. No index helps: all of the journal is read."""
    found = _joined().where(JournalRow.client_request_id == id).order_by(JournalRow.id.desc())
    return [_record(row) for row in db.rows(found.limit(_MOST_OF_CLIENT))[::-1]]


def count(db: Database) -> int:
    """How many rows there are."""
    return int(db.scalar(JournalRow.select(fn.count(JournalRow.id))))


def _record(row: Sequence[Any]) -> Record:
    fields: list[Any] = list(row)
    fields[10] = orjson.loads(row[10]) if row[10] else {}
    return Record(*fields)


def _joined() -> Any:
    return JournalRow.select(*_COLUMNS).join(AppRow, JOIN.LEFT_OUTER, on=(AppRow.id == JournalRow.app_id))


def latest_id(db: Database) -> int:
    """The id of the newest row, 0 when there is none."""
    return int(db.scalar(JournalRow.select(JournalRow.id).order_by(JournalRow.id.desc()).limit(1)) or 0)


def left_a_group(db: Database, uuid: str) -> bool:
    """Whether the user was ever taken out of a group."""
    return db.row(_member_removal, uuid=uuid) is not None


@prepared
def _member_removal(db: Database) -> Any:
    return (
        JournalRow.select(JournalRow.id)
        .where(JournalRow.user_uuid == Slot("uuid"), JournalRow.action == Action.MEMBER_REMOVED.value)
        .limit(1)
    )
