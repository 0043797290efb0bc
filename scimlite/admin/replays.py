"""Sends events to a webhook's receiver again: those since a time or place, those of a user, those given up."""

from __future__ import annotations

from functools import partial
from typing import Any

from .. import clock, journal
from ..apps.workspace import Workspace
from ..db import Database, Slot, chunks, feed_order, prepared
from ..db.feed_order import Place
from ..db.feed_tables import DeliveryRow, ReceiptRow
from ..db.tables import JournalRow
from ..events import epoch, restarts
from ..events.types import type_of
from ..events.webhooks import Webhook
from ..journal import Action, Entry
from .webhooks import WebhookError, change

#: Receipts that are taken away in one transaction.
_CHUNK = 2000
#: Events about one user that are sent again: the newest.
_MOST_OF_A_USER = 1000


def since(workspace: Workspace, webhook: Webhook, at: int) -> int:
    """Has the events from a time on sent again; returns how many had been confirmed or given up."""
    place = restarts.place_before(workspace.db, workspace.app.id, at)
    return 0 if place is None else from_place(workspace, webhook, place, begins_at=at)


def from_place(workspace: Workspace, webhook: Webhook, place: Place, *, begins_at: int | None = None) -> int:
    """Has the events behind a place sent again; returns how many had been confirmed or given up.

    Raises WebhookError when the webhook has not got there yet.
    """
    db = workspace.db
    if webhook.epoch == epoch.current(db).epoch and place >= webhook.position:
        raise WebhookError(f"The webhook {webhook.name} has not got there yet: nothing is to be sent again.")
    total = 0
    while taken := db.transact(partial(_take_back, db, webhook, place)):
        total += taken
    begins_at = min(webhook.begins_at, _time_behind(db, workspace.app.id, place) if begins_at is None else begins_at)
    db.transact(partial(_go_back, workspace, webhook, place, begins_at, total))
    return total


def _take_back(db: Database, webhook: Webhook, place: Place) -> int:
    """Takes away some receipts, and events that were given up, from behind a place; returns how many."""
    total = 0
    binds = {"webhook": webhook.id, "app": webhook.app_id, "tx": place.tx, "id": place.id}
    for table, query in ((ReceiptRow, _receipts_behind), (DeliveryRow, _dead_behind)):
        ids = [row[0] for row in db.rows(query, **binds, limit=_CHUNK)]
        if ids:
            total += db.touch(table.delete().where(table.webhook_id == webhook.id, table.journal_id.in_(ids)))
    return total


def _go_back(workspace: Workspace, webhook: Webhook, place: Place, begins_at: int, total: int) -> None:
    number = epoch.current(workspace.db).epoch
    where = {"epoch": number, "tx": place.tx, "place": place.id, "begins_at": begins_at}
    change(workspace.db, webhook, **where, not_before=0)
    _record(workspace, webhook, f"{total} events since {clock.iso_time(begins_at)}")


def _time_behind(db: Database, app_id: int, place: Place) -> int:
    """When the first entry behind a place was made; now when there is none."""
    entries = feed_order.stretch(db, app_id, place, 1).entries
    return entries[0].at if entries else clock.now()


def dead(workspace: Workspace, webhook: Webhook) -> int:
    """Has the events that were given up tried again, with the whole schedule; returns how many."""
    return workspace.db.transact(partial(_dead, workspace, webhook))


def _dead(workspace: Workspace, webhook: Webhook) -> int:
    given_up = (DeliveryRow.webhook_id == webhook.id) & DeliveryRow.dead_at.is_null(False)
    total = workspace.db.touch(DeliveryRow.update(dead_at=None, attempts=0, next_at=0).where(given_up))
    if total:
        change(workspace.db, webhook, not_before=0)
        _record(workspace, webhook, f"{total} events that were given up")
    return total


def of_user(workspace: Workspace, webhook: Webhook, user: tuple[str, str | None]) -> int:
    """Has the newest events about a user, by id and name, sent again; returns how many."""
    return workspace.db.transact(partial(_of_user, workspace, webhook, user))


def _of_user(workspace: Workspace, webhook: Webhook, user: tuple[str, str | None]) -> int:
    db, id = workspace.db, user[0]
    rows = db.rows(_entries_of_user, app=workspace.app.id, user=id, limit=_MOST_OF_A_USER)
    told = []
    for tx, entry, action in rows:
        name = type_of(action, id, None)
        if name is not None and (not webhook.chosen or name in webhook.chosen) and (tx, entry) <= webhook.position:
            told.append((tx, entry))
    for chunk in chunks(told, 100):
        ids = [entry for _, entry in chunk]
        for table in (ReceiptRow, DeliveryRow):
            db.execute(table.delete().where(table.webhook_id == webhook.id, table.journal_id.in_(ids)))
        waiting = [
            {"webhook_id": webhook.id, "journal_id": entry, "tx": tx, "lane": id, "attempts": 0, "next_at": 0}
            for tx, entry in chunk
        ]
        db.execute(DeliveryRow.insert_many(waiting))
    if told:
        change(db, webhook, not_before=0)
        journal.record(workspace, [Entry(Action.WEBHOOK_REPLAYED, user=user, detail=f"webhook {webhook.name}")])
    return len(told)


def _record(workspace: Workspace, webhook: Webhook, what: str) -> None:
    journal.record(workspace, [Entry(Action.WEBHOOK_REPLAYED, detail=f"webhook {webhook.name}: {what}")])


def _behind() -> Any:
    later = (JournalRow.tx > Slot("tx")) | ((JournalRow.tx == Slot("tx")) & (JournalRow.id > Slot("id")))
    return (JournalRow.app_id == Slot("app")) & (JournalRow.outcome == "ok") & later


@prepared
def _receipts_behind(db: Database) -> Any:
    query = ReceiptRow.select(ReceiptRow.journal_id).join(JournalRow, on=(JournalRow.id == ReceiptRow.journal_id))
    return query.where(_behind(), ReceiptRow.webhook_id == Slot("webhook")).limit(Slot("limit"))


@prepared
def _dead_behind(db: Database) -> Any:
    query = DeliveryRow.select(DeliveryRow.journal_id).join(JournalRow, on=(JournalRow.id == DeliveryRow.journal_id))
    given_up = (DeliveryRow.webhook_id == Slot("webhook")) & DeliveryRow.dead_at.is_null(False)
    return query.where(_behind(), given_up).limit(Slot("limit"))


@prepared
def _entries_of_user(db: Database) -> Any:
    query = JournalRow.select(JournalRow.tx, JournalRow.id, JournalRow.action)
    query = query.where(
        JournalRow.user_uuid == Slot("user"), JournalRow.app_id == Slot("app"), JournalRow.outcome == "ok"
    )
    return query.order_by(JournalRow.at.desc(), JournalRow.id.desc()).limit(Slot("limit"))
