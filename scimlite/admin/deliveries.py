"""The events that a webhook's receiver has not confirmed: those that wait for another try, and those given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..db import Database, Slot, prepared
from ..db.feed_tables import DeliveryRow
from ..db.tables import JournalRow
from ..events.types import type_of
from ..events.webhooks import Webhook

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """An event that a receiver has not confirmed; times are microseconds since 1970 UTC."""

    event: str
    type: str
    at: int
    #: Name, else id, of the user or group that it is about.
    subject: str | None
    subject_id: str | None
    attempts: int
    #: When it is tried again; None for one that was given up, or waits behind another.
    next_at: int | None
    last_status: int | None
    last_error: str | None
    dead_at: int | None


def of(db: Database, webhook: Webhook, *, dead_only: bool = False) -> Iterator[Unconfirmed]:
    """Yields what a webhook's receiver has not confirmed, the oldest first; reads some at a time."""
    last = 0
    while rows := db.records(_page, webhook=webhook.id, after=last, limit=_CHUNK):
        last = rows[-1].journal_id
        for row in rows:
            if row.dead_at is None and dead_only:
                continue
            name = row.user_name if row.user_uuid else row.group_name
            yield Unconfirmed(
                f"evt_{webhook.epoch}_{row.journal_id}",
                type_of(row.action, row.user_uuid, row.group_uuid) or row.action,
                row.at,
                name or row.user_uuid or row.group_uuid,
                row.user_uuid or row.group_uuid,
                row.attempts,
                row.next_at if row.dead_at is None and row.next_at else None,
                row.last_status,
                row.last_error,
                row.dead_at,
            )


@prepared
def _page(db: Database) -> Any:
    of_entry = (JournalRow.at, JournalRow.action, JournalRow.user_uuid, JournalRow.user_name)
    of_group = (JournalRow.group_uuid, JournalRow.group_name)
    of_delivery = (
        DeliveryRow.journal_id,
        DeliveryRow.attempts,
        DeliveryRow.next_at,
        DeliveryRow.last_status,
        DeliveryRow.last_error,
        DeliveryRow.dead_at,
    )
    query = DeliveryRow.select(*of_delivery, *of_entry, *of_group)
    query = query.join(JournalRow, on=(JournalRow.id == DeliveryRow.journal_id))
    query = query.where(DeliveryRow.webhook_id == Slot("webhook"), DeliveryRow.journal_id > Slot("after"))
    return query.order_by(DeliveryRow.journal_id).limit(Slot("limit"))
