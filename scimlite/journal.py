"""The journal: recorded in the transaction of the change, one row per action and subject; read by the report."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import orjson
from peewee import JOIN, fn

from .db import Database, Insert, Slot, chunks, prepared
from .db.tables import AliasRow, AppRow, JournalRow, ResourceRow
from .scim.values import fold
from .selection import LONGEST_KEY, parts
from .selection import Selection as Selection  # a word of the journal's for whoever reads it

#: Details and client names are for reading; a client cannot fill the database with them.
_LONGEST_TEXT = 1000
#: Rows read at once where all of them could be more than memory holds.
_PAGE = 1000
#: Rows found by a client's own id, which it may use again and again.
_MOST_OF_CLIENT = 100


class Action(StrEnum):
    """What was done or tried."""

    CREATED = "created"
    UPDATED = "updated"
    DISABLED = "disabled"
    ENABLED = "enabled"
    DELETED = "deleted"
    RESTORED = "restored"
    MEMBER_ADDED = "member_added"
    MEMBER_REMOVED = "member_removed"
    #: A query that was refused; others make no row.
    SEARCHED = "searched"
    #: A bulk request that was refused as a whole; its operations make rows of their own.
    BULK = "bulk"
    #: A well-signed token that is no longer, or not here, valid.
    AUTHENTICATED = "authenticated"
    APP_CREATED = "app_created"
    APP_EDITED = "app_edited"
    APP_ENABLED = "app_enabled"
    APP_DISABLED = "app_disabled"
    APP_DELETED = "app_deleted"
    TOKEN_ISSUED = "token_issued"
    TOKEN_SHOWN = "token_shown"
    TOKEN_ROTATED = "token_rotated"
    TOKEN_REVOKED = "token_revoked"
    SCHEMA_DECLARED = "schema_declared"
    SCHEMA_REMOVED = "schema_removed"
    MAPPING_EDITED = "mapping_edited"
    #: Too many users were disabled or deleted, or taken out of groups: a brake holds the rest.
    BRAKE_TRIPPED = "brake_tripped"
    RELEASED = "released"
    PURGED = "purged"
    ERASED = "erased"
    JOURNAL_PRUNED = "journal_pruned"


class Outcome(StrEnum):
    """How it ended: done, refused by us, or broken by us."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked, and in which request."""

    client: str
    token_label: str | None = None
    request_id: str | None = None
    client_request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to be: an action on one subject, with (uuid, name) of the user and of the group it concerns."""

    action: Action
    outcome: Outcome = Outcome.OK
    user: tuple[str | None, str | None] | None = None
    group: tuple[str | None, str | None] | None = None
    changes: dict[str, list[Any]] | None = None
    status: int | None = None
    detail: str | None = None


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


_WRITTEN = (
    "at",
    "app_id",
    "action",
    "outcome",
    "user_uuid",
    "user_name",
    "user_key",
    "group_uuid",
    "group_name",
    "changes",
    "client",
    "token_label",
    "request_id",
    "client_request_id",
    "status",
    "detail",
)


_INSERT = Insert(JournalRow, _WRITTEN)
_INSERT_ALIAS = Insert(AliasRow, ("app_id", "name", "user_uuid"), lambda query: query.on_conflict_ignore())


def now() -> int:
    """The time as the database keeps it: microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def record(db: Database, app_id: int | None, origin: Origin, entries: Iterable[Entry], at: int | None = None) -> None:
    """Add rows inside the caller's transaction."""
    at = at or now()
    db.insert(_INSERT, [_row(app_id, origin, entry, at) for entry in entries])


def record_alone(
    db: Database, app_id: int | None, origin: Origin, entry: Entry, also: Callable[[Entry], None] = lambda entry: None
) -> None:
    """Add one row in a transaction of its own, after another one was rolled back; names that are known are added.

    `also` gets the entry with the names, and does what belongs into the same transaction.
    """

    def work() -> None:
        named = replace(entry, user=_named(db, app_id, entry.user), group=_named(db, app_id, entry.group))
        record(db, app_id, origin, [named])
        also(named)

    db.transact(work)


def _named(
    db: Database, app_id: int | None, pair: tuple[str | None, str | None] | None
) -> tuple[str | None, str | None] | None:
    """The pair with the name that belongs to its id, where the request only had the id."""
    if pair is None or pair[0] is None or pair[1] is not None:
        return pair
    return pair[0], db.scalar(_NAME, app=app_id, uuid=pair[0])


@prepared
def _NAME(db: Database) -> Any:
    return ResourceRow.select(ResourceRow.name).where(
        ResourceRow.app_id == Slot("app"), ResourceRow.uuid == Slot("uuid")
    )


def _row(app_id: int | None, origin: Origin, entry: Entry, at: int) -> tuple[Any, ...]:
    """The values of an entry, in the order of _WRITTEN."""
    user_uuid, user_name = entry.user or (None, None)
    group_uuid, group_name = entry.group or (None, None)
    return (
        at,
        app_id,
        entry.action.value,
        entry.outcome.value,
        user_uuid,
        user_name,
        fold(user_name)[:LONGEST_KEY] if user_name and user_uuid is None else None,
        group_uuid,
        group_name,
        orjson.dumps(entry.changes).decode() if entry.changes else None,
        origin.client[:_LONGEST_TEXT],
        origin.token_label,
        origin.request_id,
        origin.client_request_id,
        entry.status,
        entry.detail[:_LONGEST_TEXT] if entry.detail else None,
    )


def known_as(db: Database, app_id: int, uuid: str, names: Iterable[str | None]) -> None:
    """Remember names a user is known by (userName folded here, externalId as it is), inside a transaction."""
    db.insert(_INSERT_ALIAS, [(app_id, name[:LONGEST_KEY], uuid) for name in names if name])


# --- reading ------------------------------------------------------------------------------------------------------

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
    return db.row(_LEFT_A_GROUP, uuid=uuid) is not None


@prepared
def _LEFT_A_GROUP(db: Database) -> Any:
    return (
        JournalRow.select(JournalRow.id)
        .where(JournalRow.user_uuid == Slot("uuid"), JournalRow.action == Action.MEMBER_REMOVED.value)
        .limit(1)
    )
