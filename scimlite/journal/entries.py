"""The journal: recorded in the transaction of the change, one row per action and subject; read by the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from .. import clock
from ..db import Database, Insert, Slot, prepared
from ..db.tables import AliasRow, JournalRow, ResourceRow
from ..scim.values import fold
from .selection import LONGEST_KEY

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


def record(db: Database, app_id: int | None, origin: Origin, entries: Iterable[Entry], at: int | None = None) -> None:
    """Add rows inside the caller's transaction."""
    at = at or clock.now()
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
