"""Which entries of the report the application has confirmed, and which not yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..db import Database, chunks, prepared
from ..db.feed_tables import ReceiptRow, WebhookRow
from ..events import webhooks
from ..events.types import type_of
from ..events.webhooks import Webhook
from ..journal import Outcome, report
from ..journal.report import Confirmation, Record
from ..journal.selection import Selection

#: Entries of which the receipts are read at once.
_CHUNK = 500


def add(db: Database, entries: Iterable[Record]) -> Iterator[Record]:
    """Yields entries with the confirmations that there are; it reads some hundred at a time."""
    if not db.scalar(_any_webhook):
        yield from entries
        return
    for chunk in chunks(entries, _CHUNK):
        yield from with_confirmations(db, chunk)


def with_confirmations(db: Database, entries: Sequence[Record]) -> list[Record]:
    """Returns some entries with the confirmations that there are."""
    found: dict[int, list[Confirmation]] = {}
    for id, name, at, attempts in db.rows(_receipts, ids=[entry.id for entry in entries]):
        found.setdefault(id, []).append(Confirmation(name, at, attempts))
    return [replace(entry, confirmations=found[entry.id]) if entry.id in found else entry for entry in entries]


def unconfirmed(db: Database, selection: Selection) -> Iterator[Record]:
    """Yields the entries of a selection that a living webhook's receiver should have confirmed and has not."""
    living: dict[int, list[Webhook]] = {}
    for webhook in webhooks.living(db):
        living.setdefault(webhook.app_id, []).append(webhook)
    if not living:
        return
    begins_at = min(webhook.begins_at for of_app in living.values() for webhook in of_app)
    # Nothing older was ever for one of them.
    chosen = replace(selection, outcome=Outcome.OK.value, since=max(selection.since or 0, begins_at))
    for chunk in chunks(report.iterate(db, chosen), _CHUNK):
        receipts = {(row[0], row[1]) for row in db.rows(_who_confirmed, ids=[entry.id for entry in chunk])}
        for entry in chunk:
            wanted = [webhook for webhook in living.get(entry.app_id or 0, ()) if _is_for(webhook, entry)]
            if any((entry.id, webhook.id) not in receipts for webhook in wanted):
                yield entry


def _is_for(webhook: Webhook, entry: Record) -> bool:
    name = type_of(entry.action, entry.user_id, entry.group_id)
    return name is not None and entry.at >= webhook.begins_at and (not webhook.chosen or name in webhook.chosen)


@prepared
def _any_webhook(db: Database) -> Any:
    return WebhookRow.select(WebhookRow.id).limit(1)


@prepared
def _receipts(db: Database) -> Any:
    query = ReceiptRow.select(ReceiptRow.journal_id, WebhookRow.name, ReceiptRow.at, ReceiptRow.attempts)
    query = query.join(WebhookRow, on=(WebhookRow.id == ReceiptRow.webhook_id))
    return query.where(db.one_of(ReceiptRow.journal_id, "ids")).order_by(ReceiptRow.at)


@prepared
def _who_confirmed(db: Database) -> Any:
    query = ReceiptRow.select(ReceiptRow.journal_id, ReceiptRow.webhook_id)
    return query.where(db.one_of(ReceiptRow.journal_id, "ids"))
