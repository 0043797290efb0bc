"""How far a webhook's deliveries are, at rest: who holds it, its place, what waits, and what was confirmed.

A worker holds a webhook by a lease. What it writes goes into one transaction that begins with an UPDATE on the
condition that it is still the holder, so that one that was stopped past the end of its lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from .. import journal
from ..apps.workspace import Workspace
from ..db import Database, Insert, Row, Slot, prepared
from ..db.feed_order import Place
from ..db.feed_tables import DeliveryRow, ReceiptRow, WebhookRow
from ..journal import Action, Entry
from .webhooks import State, Webhook


class LeaseLostError(Exception):
    """Another worker holds the webhook, or an operator changed it: nothing was written."""


@dataclass(slots=True)
class Health:
    """How a webhook's receiver does; the fields are columns of the table `webhook`."""

    not_before: int
    failing_since: int | None
    last_ok_at: int | None
    last_failed_at: int | None
    last_error: str | None

    @classmethod
    def of(cls, webhook: Webhook) -> Health:
        """What the row says."""
        return cls(
            webhook.not_before,
            webhook.failing_since,
            webhook.last_ok_at,
            webhook.last_failed_at,
            webhook.last_error,
        )


@dataclass(slots=True)
class Changes:
    """What happened since the last commit, by the key of the event's journal entry."""

    #: Rows of `receipt`.
    receipts: dict[int, Row] = field(default_factory=dict)
    #: Rows of `delivery` that are written, and keys of those that are deleted.
    waiting: dict[int, Row] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.receipts or self.waiting or self.ended)


def take(db: Database, webhook: Webhook, holder: str, now: int, until: int) -> bool:
    """Makes a worker the holder of an active webhook that nobody holds; returns whether it is."""
    return bool(db.touch(_take, id=webhook.id, holder=holder, now=now, until=until))


def release(db: Database, webhook_id: int, holder: str) -> None:
    """Ends a lease, so that another worker need not wait for its end."""
    db.execute(_release, id=webhook_id, holder=holder)


def move(db: Database, webhook: Webhook, holder: str, epoch: int, place: Place) -> None:
    """Moves a webhook to a place of another epoch. Raises LeaseLostError."""
    if not db.touch(_move, id=webhook.id, holder=holder, epoch=epoch, tx=place.tx, place=place.id):
        raise LeaseLostError


def write(db: Database, webhook_id: int, holder: str, until: int, place: Place, health: Health, new: Changes) -> None:
    """Writes what happened, and holds the webhook longer; inside a transaction. Raises LeaseLostError."""
    values = {name: getattr(health, name) for name in Health.__slots__}
    if not db.touch(_advance, id=webhook_id, holder=holder, until=until, tx=place.tx, place=place.id, **values):
        raise LeaseLostError
    if new.receipts:
        db.insert(_insert_receipts, list(new.receipts.values()))
    if new.ended:
        db.execute(_delete_deliveries, webhook=webhook_id, ids=sorted(new.ended))
    if new.waiting:
        db.insert(_insert_deliveries, list(new.waiting.values()))


def switch_off(workspace: Workspace, webhook: Webhook, reason: str) -> None:
    """Switches a webhook off, and records in the journal why; inside the transaction of its holder."""
    values = {"state": State.OFF.value, "holder": None, "leased_until": 0}
    workspace.db.execute(WebhookRow.update(values).where(WebhookRow.id == webhook.id))
    journal.record(workspace, [Entry(Action.WEBHOOK_OFF, detail=f"webhook {webhook.name}: {reason}")])


def waiting(db: Database, webhook_id: int) -> list[Any]:
    """What waits: rows with journal_id, tx, lane, attempts, next_at, in the order of the feed."""
    return db.records(_waiting, webhook=webhook_id)


def known(db: Database, webhook_id: int, ids: Collection[int]) -> set[int]:
    """Those of some events that were confirmed, wait, or were given up."""
    if not ids:
        return set()
    listed = sorted(ids)
    return {row[0] for query in (_confirmed, _delivered) for row in db.rows(query, webhook=webhook_id, ids=listed)}


@prepared
def _take(db: Database) -> Any:
    free = WebhookRow.holder.is_null() | (WebhookRow.leased_until < Slot("now"))
    query = WebhookRow.update(holder=Slot("holder"), leased_until=Slot("until"))
    return query.where(
        WebhookRow.id == Slot("id"), free, WebhookRow.state == State.ACTIVE.value, WebhookRow.removed_at.is_null()
    )


def _held() -> Any:
    return (WebhookRow.id == Slot("id")) & (WebhookRow.holder == Slot("holder"))


@prepared
def _release(db: Database) -> Any:
    return WebhookRow.update(holder=None, leased_until=0).where(_held())


@prepared
def _move(db: Database) -> Any:
    return WebhookRow.update(epoch=Slot("epoch"), tx=Slot("tx"), place=Slot("place")).where(_held())


@prepared
def _advance(db: Database) -> Any:
    values = {name: Slot(name) for name in (*Health.__slots__, "tx", "place")}
    return WebhookRow.update(leased_until=Slot("until"), **values).where(_held())


_insert_receipts = Insert(
    ReceiptRow,
    ("journal_id", "webhook_id", "at", "status", "attempts", "ms"),
    lambda query: query.on_conflict(
        conflict_target=[ReceiptRow.journal_id, ReceiptRow.webhook_id],
        preserve=[ReceiptRow.at, ReceiptRow.status, ReceiptRow.attempts, ReceiptRow.ms],
    ),
)
_OUTCOME = ("attempts", "next_at", "last_status", "last_error", "dead_at")
_insert_deliveries = Insert(
    DeliveryRow,
    ("webhook_id", "journal_id", "tx", "lane", *_OUTCOME),
    lambda query: query.on_conflict(
        conflict_target=[DeliveryRow.webhook_id, DeliveryRow.journal_id],
        preserve=[getattr(DeliveryRow, name) for name in _OUTCOME],
    ),
)


@prepared
def _delete_deliveries(db: Database) -> Any:
    return DeliveryRow.delete().where(
        DeliveryRow.webhook_id == Slot("webhook"), db.one_of(DeliveryRow.journal_id, "ids")
    )


@prepared
def _waiting(db: Database) -> Any:
    columns = (DeliveryRow.journal_id, DeliveryRow.tx, DeliveryRow.lane, DeliveryRow.attempts, DeliveryRow.next_at)
    query = DeliveryRow.select(*columns).where(DeliveryRow.webhook_id == Slot("webhook"), DeliveryRow.dead_at.is_null())
    return query.order_by(DeliveryRow.tx, DeliveryRow.journal_id)


@prepared
def _confirmed(db: Database) -> Any:
    return ReceiptRow.select(ReceiptRow.journal_id).where(
        ReceiptRow.webhook_id == Slot("webhook"), db.one_of(ReceiptRow.journal_id, "ids")
    )


@prepared
def _delivered(db: Database) -> Any:
    return DeliveryRow.select(DeliveryRow.journal_id).where(
        DeliveryRow.webhook_id == Slot("webhook"), db.one_of(DeliveryRow.journal_id, "ids")
    )
