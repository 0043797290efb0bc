"""Records journal entries in the transaction of the change, one row for each action and subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .. import clock
from ..db import Database, Insert
from ..db.tables import AliasRow, JournalRow
from .brevity import changes_text, short
from .origin import Origin
from .selection import LONGEST_KEY, key_of

#: Characters kept of a detail and of a client's name, so that clients cannot fill the database with them.
_LONGEST_TEXT = 1000


class Action(StrEnum):
    """The act that an entry is about, done or tried."""

    CREATED = "created"
    UPDATED = "updated"
    DISABLED = "disabled"
    ENABLED = "enabled"
    DELETED = "deleted"
    RESTORED = "restored"
    MEMBER_ADDED = "member_added"
    MEMBER_REMOVED = "member_removed"
    #: A query that was refused; accepted queries make no entry.
    SEARCHED = "searched"
    #: A bulk request that was refused as a whole; the operations of others make entries of their own.
    BULK = "bulk"
    #: A signed token was refused: it is not valid any more, or belongs to another app.
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
    #: Too many users were disabled, deleted or removed from groups: the brake refuses more of them.
    BRAKE_TRIPPED = "brake_tripped"
    RELEASED = "released"
    PURGED = "purged"
    ERASED = "erased"
    #: What is kept about a person was taken away as a file.
    EXPORTED = "exported"
    JOURNAL_PRUNED = "journal_pruned"
    #: All cursors of the feed were made void, so that applications read everything anew.
    FEED_BEGUN = "feed_begun"
    OPERATOR_ADDED = "operator_added"
    OPERATOR_EDITED = "operator_edited"
    OPERATOR_DISABLED = "operator_disabled"
    OPERATOR_ENABLED = "operator_enabled"
    OPERATOR_REMOVED = "operator_removed"
    #: A link was made that signs an operator in.
    LINK_MADE = "link_made"
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    #: A set-up link was made, opened by whoever has it (only the first time counts), revoked.
    INVITED = "invited"
    INVITATION_OPENED = "invitation_opened"
    INVITATION_REVOKED = "invitation_revoked"
    WEBHOOK_ADDED = "webhook_added"
    WEBHOOK_EDITED = "webhook_edited"
    WEBHOOK_PAUSED = "webhook_paused"
    WEBHOOK_RESUMED = "webhook_resumed"
    WEBHOOK_REMOVED = "webhook_removed"
    WEBHOOK_SECRET_SHOWN = "webhook_secret_shown"
    WEBHOOK_ROTATED = "webhook_rotated"
    WEBHOOK_TESTED = "webhook_tested"
    WEBHOOK_REPLAYED = "webhook_replayed"
    #: The worker switched it off: its receiver is gone, or failed for days.
    WEBHOOK_OFF = "webhook_off"
    #: The worker had it begin anew, because the database came to a server that counts in another way.
    WEBHOOK_MOVED = "webhook_moved"
    SOURCE_ADDED = "source_added"
    SOURCE_EDITED = "source_edited"
    SOURCE_ENABLED = "source_enabled"
    SOURCE_DISABLED = "source_disabled"
    SOURCE_REMOVED = "source_removed"
    #: A source was read, and what differed was written; or reading failed.
    SOURCE_SYNCED = "source_synced"
    #: A run wants an operator's word before it writes.
    SOURCE_HELD = "source_held"
    #: An operator gave it.
    SOURCE_ACCEPTED = "source_accepted"
    TARGET_ADDED = "target_added"
    TARGET_EDITED = "target_edited"
    TARGET_DISABLED = "target_disabled"
    TARGET_ENABLED = "target_enabled"
    TARGET_REMOVED = "target_removed"
    TARGET_TESTED = "target_tested"
    #: Something was pushed to it.
    TARGET_SYNCED = "target_synced"
    #: A run would have taken away too much, and waits for an operator's word.
    TARGET_HELD = "target_held"
    #: Runs have begun to fail.
    TARGET_FAILED = "target_failed"
    #: The target refused somebody so often that it is not tried again before a change.
    TARGET_PARKED = "target_parked"
    #: An operator has it tried again.
    TARGET_RETRIED = "target_retried"
    #: An operator was refused what their role does not allow.
    DENIED = "denied"


class Outcome(StrEnum):
    """The outcome of an act: done, refused, or failed because of an error in this service."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Scope:
    """The database of an act, and its origin."""

    db: Database
    origin: Origin

    @property
    def app_id(self) -> int | None:
        """The app that the acts concern; None for acts on the whole installation."""
        return None

    @property
    def begun_at(self) -> int | None:
        """When the app was created; None for acts on the whole installation."""
        return None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry to record: an action on one subject, with (id, name) of the user and of the group that it concerns."""

    action: Action
    outcome: Outcome = Outcome.OK
    user: tuple[str | None, str | None] | None = None
    group: tuple[str | None, str | None] | None = None
    changes: dict[str, list[Any]] | None = None
    detail: str | None = None


Observer = Callable[[Scope, Sequence[Entry]], None]

#: By name, so that a module that is loaded twice observes once.
_observers: dict[str, Observer] = {}


def observe(observer: Observer) -> None:
    """Calls `observer(scope, entries)` for all entries that are recorded from now on, in their transaction."""
    _observers[f"{observer.__module__}.{observer.__qualname__}"] = observer


def record(scope: Scope, entries: Sequence[Entry], *, at: int | None = None, status: int | None = None) -> None:
    """Adds entries to the journal, inside the caller's transaction. Nothing else adds entries.

    In: `at`, the time of the change in microseconds (now by default, and not before the app was created); `status`, the
    HTTP status that the client got, None without HTTP.
    """
    at = at or clock.after(scope.begun_at)
    scope.db.insert(_insert_entries, [tuple(_columns(scope, entry, at, status).values()) for entry in entries])
    for observer in _observers.values():
        observer(scope, entries)


def _columns(scope: Scope, entry: Entry, at: int, status: int | None) -> dict[str, Any]:
    """The values of an entry by column; the INSERT takes its columns from here."""
    origin = scope.origin
    user_uuid, user_name = entry.user or (None, None)
    group_uuid, group_name = entry.group or (None, None)
    return {
        "at": at,
        "app_id": scope.app_id,
        "action": str(entry.action),
        "outcome": str(entry.outcome),
        "user_uuid": user_uuid,
        "user_name": short(user_name),
        "user_key": key_of(user_name) if user_name and user_uuid is None else None,
        "group_uuid": group_uuid,
        "group_name": short(group_name),
        "changes": changes_text(entry.changes) if entry.changes else None,
        "client": origin.client[:_LONGEST_TEXT],
        "token_label": origin.token_label,
        "request_id": origin.request_id,
        "client_request_id": origin.client_request_id,
        "actor": str(origin.actor),
        "address": origin.address,
        "uid": origin.uid,
        "sudo_uid": origin.sudo_uid,
        "status": status,
        "detail": entry.detail[:_LONGEST_TEXT] if entry.detail else None,
    }


_insert_entries = Insert(
    JournalRow,
    tuple(_columns(Scope(None, Origin("")), Entry(Action.CREATED), 0, None)),  # type: ignore[arg-type]  # names only
)
_insert_aliases = Insert(AliasRow, ("app_id", "name", "user_uuid"), lambda query: query.on_conflict_ignore())


def add_names(scope: Scope, uuid: str, names: Iterable[str | None]) -> None:
    """Adds names under which the journal finds a user, inside the caller's transaction.

    In: the user's id, and names: a userName folded, an externalId as it is.
    """
    scope.db.insert(_insert_aliases, [(scope.app_id, name[:LONGEST_KEY], uuid) for name in names if name])
