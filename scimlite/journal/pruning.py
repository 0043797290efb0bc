"""Deletes old entries of the journal, some at a time. Nothing else deletes entries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import peewee
from peewee import fn

from ..db import Database, Slot, prepared
from ..db.feed_tables import DeliveryRow, FeedRow, ReceiptRow
from ..db.tables import AliasRow, JournalRow, ResourceRow
from .entries import Action, Entry, Scope, record

#: Entries deleted in one transaction, during which writers wait.
_CHUNK = 2000


def prunable(db: Database, before: int) -> int:
    """How many entries are older than a time (microseconds since 1970 UTC)."""
    return int(db.scalar(JournalRow.select(fn.count(JournalRow.id)).where(JournalRow.at < before)))


def prune(scope: Scope, before: int) -> Iterator[int]:
    """Deletes the entries before a time, the oldest first; yields how many entries each step deleted.

    Each step is a transaction, so that a run that is stopped can be continued, and notes how far the feed is gone. The
    last step deletes the names that lead to nothing any more, and records in the journal how many entries were deleted.
    """
    total = 0
    while pruned := scope.db.transact(partial(_prune_some, scope.db, before)):
        total += pruned
        yield pruned
    if last := scope.db.transact(partial(_finish, scope, before, total)):
        yield last


def _prune_some(db: Database, before: int) -> int:
    """Deletes the oldest entries before a time; returns how many."""
    ((tx, id),) = db.rows(_last_of_oldest, before=before, limit=_CHUNK)
    if id is not None:
        db.execute(_note_pruned, tx=tx, id=id)
    db.execute(_delete_receipts, before=before, limit=_CHUNK)
    return db.touch(_delete_oldest, before=before, limit=_CHUNK)


def _finish(scope: Scope, before: int, total: int) -> int:
    """Records how many entries were deleted; returns how many more, as the newest need not stay behind that one."""
    last = prunable(scope.db, before)
    if total + last:
        scope.db.execute(_delete_unused_names)
        detail = f"{total + last} entries from before {_day(before)}"
        record(scope, [Entry(Action.JOURNAL_PRUNED, detail=detail)])
        _prune_some(scope.db, before)
        scope.db.execute(_delete_deliveries)
    return last


def _day(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _oldest(*columns: Any) -> Any:
    """The oldest entries, but for the newest of all: SQLite would give its id, and its place in the feed, again."""
    newest = JournalRow.alias()
    return (
        JournalRow.select(*columns)
        .where(JournalRow.at < Slot("before"), JournalRow.id < newest.select(fn.max(newest.id)))
        .order_by(JournalRow.at, JournalRow.id)
        .limit(Slot("limit"))
    )


@prepared
def _last_of_oldest(db: Database) -> object:
    oldest = _oldest(JournalRow.tx, JournalRow.id)
    return peewee.Select([oldest], [fn.max(oldest.c.tx), fn.max(oldest.c.id)])


@prepared
def _note_pruned(db: Database) -> object:
    """Notes the place of an entry that goes, unless a later one went before."""
    values = {
        column: peewee.Case(None, [(column < Slot(name), Slot(name))], column)
        for column, name in ((FeedRow.pruned_tx, "tx"), (FeedRow.pruned_id, "id"))
    }
    return FeedRow.update(values)


@prepared
def _delete_receipts(db: Database) -> object:
    return ReceiptRow.delete().where(ReceiptRow.journal_id.in_(_oldest(JournalRow.id)))


@prepared
def _delete_deliveries(db: Database) -> object:
    """What waits or was given up, of entries that are gone."""
    kept = JournalRow.select(JournalRow.id).where(JournalRow.id == DeliveryRow.journal_id)
    return DeliveryRow.delete().where(~fn.EXISTS(kept))


@prepared
def _delete_oldest(db: Database) -> object:
    return JournalRow.delete().where(JournalRow.id.in_(_oldest(JournalRow.id)))


@prepared
def _delete_unused_names(db: Database) -> object:
    """Names that lead to no resource and to no entry any more."""
    stored = ResourceRow.select(ResourceRow.id).where(
        ResourceRow.app_id == AliasRow.app_id, ResourceRow.uuid == AliasRow.user_uuid
    )
    entries = JournalRow.select(JournalRow.id).where(JournalRow.user_uuid == AliasRow.user_uuid)
    return AliasRow.delete().where(~fn.EXISTS(stored), ~fn.EXISTS(entries))
