"""The journal: recorded in the transaction of the change, one row per action and subject; read by the report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import orjson
from peewee import JOIN

from .db import Database, Slot, prepared
from .models import AliasRow, AppRow, JournalRow
from .scim.values import fold

#: Details and client names are for reading; a client cannot fill the database with them.
_LONGEST_TEXT = 1000


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
class Selection:
    """Which rows a report wants; times are microseconds since 1970 UTC, `until` excluded."""

    user: str | None = None
    app_id: int | None = None
    since: int | None = None
    until: int | None = None
    action: str | None = None
    outcome: str | None = None
    after_id: int | None = None


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


@prepared
def _INSERT(db: Database) -> Any:
    columns = [name for name in JournalRow._meta.sorted_field_names if name != "id"]
    return JournalRow.insert({getattr(JournalRow, name): Slot(name) for name in columns})


@prepared
def _INSERT_ALIAS(db: Database) -> Any:
    return AliasRow.insert(
        {AliasRow.app_id: Slot("app"), AliasRow.name: Slot("name"), AliasRow.user_uuid: Slot("uuid")}
    ).on_conflict_ignore()


def now() -> int:
    """The time as the database keeps it: microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def record(db: Database, app_id: int | None, origin: Origin, entries: Iterable[Entry], at: int | None = None) -> None:
    """Add rows inside the caller's transaction."""
    at = at or now()
    rows = [_row(app_id, origin, entry, at) for entry in entries]
    if len(rows) == 1:
        db.execute(_INSERT, **rows[0])
    else:
        db.execute_many(_INSERT, rows)


def record_alone(db: Database, app_id: int | None, origin: Origin, entry: Entry) -> None:
    """Add one row in a transaction of its own, after another one was rolled back."""
    db.transact(lambda: record(db, app_id, origin, [entry]))


def _row(app_id: int | None, origin: Origin, entry: Entry, at: int) -> dict[str, Any]:
    user_uuid, user_name = entry.user or (None, None)
    group_uuid, group_name = entry.group or (None, None)
    return {
        "at": at,
        "app_id": app_id,
        "action": str(entry.action),
        "outcome": str(entry.outcome),
        "user_uuid": user_uuid,
        "user_name": user_name,
        "user_key": fold(user_name)[:_LONGEST_TEXT] if user_name and user_uuid is None else None,
        "group_uuid": group_uuid,
        "group_name": group_name,
        "changes": orjson.dumps(entry.changes).decode() if entry.changes else None,
        "client": origin.client[:_LONGEST_TEXT],
        "token_label": origin.token_label,
        "request_id": origin.request_id,
        "client_request_id": origin.client_request_id,
        "status": entry.status,
        "detail": entry.detail[:_LONGEST_TEXT] if entry.detail else None,
    }


def known_as(db: Database, app_id: int, uuid: str, names: Iterable[str | None]) -> None:
    """Remember names a user is known by (userName folded here, externalId as it is), inside a transaction."""
    db.execute_many(
        _INSERT_ALIAS,
        [{"app": app_id, "name": name[:_LONGEST_TEXT], "uuid": uuid} for name in names if name],
    )


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
    query = _selected(db, selection).order_by(JournalRow.at.desc(), JournalRow.id.desc())
    if limit is not None:
        query = query.limit(limit)
    return [_record(row) for row in reversed(db.rows(query))]


def iterate(db: Database, selection: Selection) -> Iterator[Record]:
    """All rows of a selection, oldest first, without holding them in memory."""
    query = _selected(db, selection).order_by(JournalRow.at, JournalRow.id)
    return map(_record, db.iterate(query))


def _record(row: Sequence[Any]) -> Record:
    fields: list[Any] = list(row)
    fields[10] = orjson.loads(row[10]) if row[10] else {}
    return Record(*fields)


def _selected(db: Database, selection: Selection) -> Any:
    query = JournalRow.select(*_COLUMNS).join(AppRow, JOIN.LEFT_OUTER, on=(AppRow.id == JournalRow.app_id))
    for column, value in (
        (JournalRow.app_id, selection.app_id),
        (JournalRow.action, selection.action),
        (JournalRow.outcome, selection.outcome),
    ):
        if value is not None:
            query = query.where(column == value)
    if selection.since is not None:
        query = query.where(JournalRow.at >= selection.since)
    if selection.until is not None:
        query = query.where(JournalRow.at < selection.until)
    if selection.after_id is not None:
        query = query.where(JournalRow.id > selection.after_id)
    if selection.user is not None:
        query = query.where(_about(db, selection.user))
    return query


def _about(db: Database, user: str) -> Any:
    """Rows about a person named by id, externalId, or any userName they ever had."""
    names = {user, fold(user)}
    uuids = {row[0] for row in db.rows(AliasRow.select(AliasRow.user_uuid).where(AliasRow.name.in_(names)))}
    uuids.add(user.lower())
    return JournalRow.user_uuid.in_(sorted(uuids)) | (JournalRow.user_key == fold(user))


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


