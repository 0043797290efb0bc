"""How webhooks do: their state, how far they lag behind, what waits and what was given up."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import Case, fn

from .. import clock
from ..apps import App, by_id
from ..db import Database, Slot, feed_order, prepared
from ..db.feed_tables import DeliveryRow
from ..db.tables import JournalRow
from ..events import webhooks
from ..events.types import type_of
from ..events.webhooks import State, Webhook

#: Parts of the feed that are looked at for the oldest event that was not delivered.
_MOST_STRETCHES = 4
_STRETCH = 500


@dataclass(frozen=True, slots=True)
class Status:
    """A webhook as the operator sees it."""

    app: App
    webhook: Webhook
    #: When the oldest event happened that is neither confirmed nor given up; None when there is none.
    behind_since: int | None
    #: How many events wait for another try, and how many were given up.
    waiting: int
    dead: int
    #: Fingerprint of the secret key that its newest secret is made from; None when it has no secret.
    key_id: str | None

    @property
    def state(self) -> str:
        """`active`, `failing`, `paused` or `off`."""
        failing = self.webhook.state == State.ACTIVE and self.webhook.failing_since is not None
        return "failing" if failing else self.webhook.state

    def lag(self, now: int) -> int:
        """For how many microseconds the oldest event has waited; 0 when none waits."""
        return 0 if self.behind_since is None else max(0, now - self.behind_since)


def every(db: Database, among: Sequence[App]) -> list[Status]:
    """The webhooks of apps, by app and name."""
    found = []
    for app in among:
        found += [of(db, app, webhook) for webhook in webhooks.of_app(db, app.id)]
    return found


def of(db: Database, app: App, webhook: Webhook, *, most_stretches: int | None = _MOST_STRETCHES) -> Status:
    """How a webhook does; it looks for the oldest event in so many parts of the feed, or, with None, in all of it."""
    oldest, waiting, dead = db.rows(_counted, webhook=webhook.id)[0]
    unread = _first_unread(db, webhook, most_stretches)
    secret = next(iter(webhooks.secrets(db, webhook.id, clock.now())), None)
    times = [at for at in (oldest, unread) if at is not None]
    return Status(
        app, webhook, min(times, default=None), int(waiting or 0), int(dead or 0), secret.key_id if secret else None
    )


def holding(db: Database, before: int) -> list[Status]:
    """The webhooks whose receivers have not confirmed all that is from before a time, and are to get it yet.

    One that the worker switched off holds nothing up.
    """
    found = []
    for webhook in webhooks.living(db):
        app = by_id(db, webhook.app_id)
        if app is not None and webhook.state != State.OFF:
            status = of(db, app, webhook, most_stretches=None)
            found += [status] if status.behind_since is not None and status.behind_since < before else []
    return found


def _first_unread(db: Database, webhook: Webhook, most: int | None) -> int | None:
    """When the first event behind a webhook's place happened; None when there is none in so many parts of the feed."""
    place, chosen = webhook.position, webhook.chosen
    for _ in range(most) if most is not None else itertools.count():
        stretch = feed_order.stretch(db, webhook.app_id, place, _STRETCH)
        for entry in stretch.entries:
            name = type_of(entry.action, entry.user_uuid, entry.group_uuid)
            if name is not None and (not chosen or name in chosen):
                return entry.at
        if not stretch.more:
            break
        place = stretch.end
    return None


@prepared
def _counted(db: Database) -> Any:
    """When the oldest event happened that waits; how many wait; how many were given up."""
    waits = DeliveryRow.dead_at.is_null()
    columns = (
        fn.min(Case(None, [(waits, JournalRow.at)], None)),
        fn.sum(Case(None, [(waits, 1)], 0)),
        fn.sum(Case(None, [(waits, 0)], 1)),
    )
    joined = DeliveryRow.select(*columns).join(JournalRow, on=(JournalRow.id == DeliveryRow.journal_id))
    return joined.where(DeliveryRow.webhook_id == Slot("webhook"))
