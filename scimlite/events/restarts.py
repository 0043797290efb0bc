"""Where a webhook goes on when places began anew, or when an operator wants events sent again."""

from __future__ import annotations

from typing import Any

from .. import clock, journal
from ..apps import by_id as app_by_id
from ..apps.workspace import Workspace
from ..db import Database, Slot, feed_order, prepared
from ..db.feed_order import Place
from ..db.tables import JournalRow
from ..journal import Action, Actor, Entry, Origin
from . import progress
from .webhooks import Webhook

#: Clocks of several servers differ: so much earlier than a time, entries are looked at that may be later.
_MARGIN = 60_000_000


def place_before(db: Database, app_id: int, at: int) -> Place | None:
    """The place before the first entry of an app that is from a time or later; None when there is none yet."""
    row = db.row(_first_since, app=app_id, at=at)
    return Place(row[0], row[1] - 1) if row else None


def begin_anew(db: Database, webhook: Webhook, holder: str, epoch: int) -> None:
    """Moves a webhook that the caller holds into the present epoch: to the first event that it is for.

    What was confirmed has a receipt and is not sent again, so nothing is lost and little comes twice. It is recorded
    in the journal. Raises LeaseLostError.
    """
    db.transact(lambda: _begin_anew(db, webhook, holder, epoch))


def _begin_anew(db: Database, webhook: Webhook, holder: str, epoch: int) -> None:
    app = app_by_id(db, webhook.app_id)
    if app is None:
        return
    place = place_before(db, app.id, webhook.begins_at - _MARGIN)
    progress.move(db, webhook, holder, epoch, place or feed_order.end(db))
    since = clock.iso_time(webhook.begins_at)
    detail = f"webhook {webhook.name}: places began anew; it goes on with what was not confirmed since {since}"
    workspace = Workspace(db, Origin("worker", actor=Actor.WORKER), app)
    journal.record(workspace, [Entry(Action.WEBHOOK_MOVED, detail=detail)])


@prepared
def _first_since(db: Database) -> Any:
    query = JournalRow.select(JournalRow.tx, JournalRow.id)
    query = query.where(JournalRow.app_id == Slot("app"), JournalRow.at >= Slot("at"), JournalRow.outcome == "ok")
    return query.order_by(JournalRow.tx, JournalRow.id).limit(1)
