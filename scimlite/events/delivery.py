"""The deliveries of one webhook, as long as this worker holds it: what is read, sent, tried again, and confirmed.

Only the thread that calls these methods uses the database; threads of the webhook's own send, one for each lane that
is busy, and say by a queue how it went.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from .. import clock, outbound
from ..apps import by_id as app_by_id
from ..apps.workspace import Workspace
from ..db import Database, feed_order
from ..db.feed_order import Place
from ..journal import Actor, Origin
from ..redaction import error_log
from . import feed, progress, retries, sending
from .document import Event
from .lanes import Lanes, Parcel
from .progress import Changes, Health
from .retries import Verdict
from .sending import Seal, Service
from .webhooks import Webhook

_SECOND = 1_000_000
#: Events that are read at once, and that may be read and not stored.
_PAGE, _WINDOW = 200, 400
#: Events that wait at most before no more are read, so that a receiver that confirms some only fills no table.
_MOST_WAITING = 10_000
#: Seconds between two commits while events are being sent.
_COMMIT = 0.1
#: So many persons' events fail, and none succeeds: the receiver is down, and one event at a time tries it.
_DOWN = 5
#: Seconds for which it is not asked again which secrets sign; one ends at the end of an overlap.
_SEAL_KEPT = 5.0
#: The shortest and the longest time between two tries of a receiver that is down.
_SHORTEST_PROBE, _LONGEST_PROBE = _SECOND, 300 * _SECOND
#: What is sent for so long does not keep the webhook's place any more.
_SLOW = _SECOND // 2
#: After so long without a success a webhook is switched off.
GIVE_UP = 3 * clock.DAY
#: What acts of the worker are recorded as.
ORIGIN = Origin("worker", actor=Actor.WORKER)


@dataclass(frozen=True, slots=True)
class Means:
    """What deliveries need: the database, what signs, the client that sends, and where results go."""

    db: Database
    service: Service
    client: outbound.Client
    #: Called by a sending thread with how its event went.
    report: Callable[[Delivery, Parcel, Verdict], None]
    #: For how many seconds a webhook is held without another word.
    lease: float


class Delivery:
    """A webhook that this worker holds."""

    def __init__(self, means: Means, webhook: Webhook, holder: str) -> None:
        self._means = means
        self.webhook = webhook
        self.holder = holder
        self.lanes = Lanes()
        self.lanes.begin(webhook.position)
        self._health = Health.of(webhook)
        self._new = Changes()
        self._read_to = webhook.position
        self._read_end: Place | None = None
        self._more = True
        #: How many are sent at once: halved when the receiver is busy, one more with each success.
        self._at_once = webhook.lanes
        #: While the receiver is down: when it is tried again.
        self._probe_at = 0
        #: Why the webhook is to be switched off.
        self._off: str | None = None
        self._written_at = time.monotonic()
        self._ends_at = self._written_at + means.lease
        self._seal = Seal([])
        self._seal_until = 0.0
        self._threads = ThreadPoolExecutor(webhook.lanes, f"webhook-{webhook.id}")
        for row in progress.waiting(means.db, webhook.id):
            place = Place(row.tx, row.journal_id)
            self.lanes.add(
                Parcel(row.journal_id, place, row.lane, attempts=row.attempts, due_at=row.next_at, stored=True)
            )

    @property
    def down(self) -> bool:
        """True when nothing gets through, so that nothing but one event at a time is tried."""
        return self._health.failing_since is not None and self.lanes.failing >= _DOWN

    @property
    def idle(self) -> bool:
        """True when there is nothing to send, to read or to write now."""
        return not (self.lanes.sending or self._new or self._reads) and self._pause(clock.now()) > 0

    def advance(self, end: Place, *, sends: bool = True) -> float:
        """Does what there is to do, with the present end of the feed; returns for how many seconds there is no more.

        Raises LeaseLostError, and Unavailable.
        """
        if sends and not self._off:
            self._read(end)
            self._send_due()
        self._write_if_due()
        return self._pause(clock.now())

    def accept(self, parcel: Parcel, verdict: Verdict) -> None:
        """Notes how a try went."""
        now = clock.now()
        if verdict.confirmed:
            self._confirm(parcel, verdict, now)
        else:
            self._fail(parcel, verdict, now)

    def end(self) -> None:
        """Lets the threads end, and the webhook go. Raises Unavailable, and LeaseLostError when it is gone already."""
        self._threads.shutdown(wait=False)
        self._write()
        progress.release(self._means.db, self.webhook.id, self.holder)

    def drop(self) -> None:
        """Lets the threads end; what was not written is forgotten, because somebody else holds the webhook."""
        self._threads.shutdown(wait=False)

    # --- reading --------------------------------------------------------------------------------------------------

    def _read(self, end: Place) -> None:
        """Reads more of the feed when there is more, and room for it."""
        self._more = self._more or end != self._read_end
        if not self._reads:
            return
        workspace = self._workspace()
        if workspace is None:
            self._more, self._read_end = False, end
            return
        page = feed.read(workspace, self._read_to, _PAGE, self.webhook.chosen)
        known = progress.known(self._means.db, self.webhook.id, [event.place.id for event in page.events])
        for event in page.events:
            if event.place.id not in known:
                self.lanes.add(Parcel(event.place.id, event.place, event.lane, event))
        self._read_to, self._more, self._read_end = page.end, page.more, end

    @property
    def _reads(self) -> bool:
        """True when there is more of the feed, and room for it. A receiver that is down need not fill the table."""
        waits = self._health.not_before > clock.now()
        full = self.lanes.fresh >= _WINDOW or self.lanes.size >= (_PAGE if self.down else _MOST_WAITING)
        return self._more and not waits and not full and not (self.down and self.lanes.fresh)

    def _workspace(self) -> Workspace | None:
        """The app as it is now; None when it was deleted."""
        app = app_by_id(self._means.db, self.webhook.app_id)
        return Workspace(self._means.db, ORIGIN, app) if app else None

    # --- sending --------------------------------------------------------------------------------------------------

    def _send_due(self) -> None:
        now = clock.now()
        # After a pause of the whole process somebody else may hold the webhook.
        if now < self._health.not_before or time.monotonic() >= self._ends_at:
            return
        room = self._at_once - len(self.lanes.sending)
        if self.down:
            room = int(now >= self._probe_at and not self.lanes.sending)
        taken: list[Parcel] = []
        while len(taken) < room and (parcel := self.lanes.take(now)):
            taken.append(parcel)
        if not taken:
            return
        if time.monotonic() >= self._seal_until:
            self._seal, self._seal_until = self._present_seal(now), time.monotonic() + _SEAL_KEPT
        for parcel in self._with_documents(taken):
            self._threads.submit(self._send, parcel, self._seal)

    def _present_seal(self, now: int) -> Seal:
        """What signs now; when nothing does, the log says why."""
        workspace = self._workspace()
        slug = workspace.app.slug if workspace else ""
        found = sending.seal(self._means.db, self._means.service, self.webhook, slug, now)
        if found.obstacle is not None:
            error_log.error("webhook %s: %s", self.webhook.id, found.obstacle)
        return found

    def _with_documents(self, parcels: list[Parcel]) -> Iterable[Parcel]:
        """The events to send, each with its document; those of entries that are not kept any more end here."""
        missing = [parcel.id for parcel in parcels if parcel.event is None]
        built: dict[int, Event] = {}
        workspace = self._workspace() if missing else None
        if workspace is not None:
            entries = feed_order.entries_of(workspace.db, workspace.app.id, missing)
            built = {event.place.id: event for event in feed.events(workspace, entries, self.webhook.epoch)}
        found = []
        for parcel in parcels:
            parcel.event = parcel.event or built.get(parcel.id)
            if parcel.event is None or (self.webhook.types and parcel.event.type not in self.webhook.chosen):
                self._new.ended.add(parcel.id)
                self.lanes.settle(parcel)
            else:
                found.append(parcel)
        return found

    def _send(self, parcel: Parcel, by: Seal) -> None:
        """Sends an event and reports how it went; a thread runs it."""
        try:
            assert parcel.event is not None
            verdict = sending.send(self._means.client, self.webhook, parcel.event, by)
        except Exception as error:
            # A thread that ended without a word would hold the lane for ever.
            error_log.exception("webhook %s: an event could not be sent", self.webhook.id)
            verdict = retries.failure(f"a fault of scimlite: {type(error).__name__}", 0)
        self._means.report(self, parcel, verdict)

    # --- what came of it ------------------------------------------------------------------------------------------

    def _confirm(self, parcel: Parcel, verdict: Verdict, now: int) -> None:
        was_down = self.down
        self._health.last_ok_at, self._health.failing_since = now, None
        self._at_once = min(self.webhook.lanes, self._at_once + 1)
        row = (parcel.id, self.webhook.id, now, verdict.status, parcel.attempts + 1, verdict.ms)
        self._new.receipts[parcel.id] = row
        self._forget(parcel)
        self.lanes.settle(parcel)
        if was_down:
            # The others failed because nothing got through, and need not wait for hours.
            self.lanes.wake(now)

    def _fail(self, parcel: Parcel, verdict: Verdict, now: int) -> None:
        health = self._health
        health.last_failed_at, health.last_error = now, verdict.error
        health.failing_since = health.failing_since or now
        if verdict.busy:
            self._at_once = max(1, self._at_once // 2)
        health.not_before = max(health.not_before, now + verdict.wait if verdict.wait else 0)
        parcel.attempts += 1
        parcel.event = None
        due_at = None if verdict.final else retries.next_try(parcel.attempts, now, random.random())
        if due_at is not None:
            due_at = max(due_at, now + verdict.wait)
            self.lanes.postpone(parcel, due_at)
        self._store(parcel, due_at or 0, verdict, dead_at=None if due_at is not None else now)
        if due_at is None:
            self.lanes.settle(parcel)
        for_how_long = now - health.failing_since
        self._probe_at = now + min(max(for_how_long // 4, _SHORTEST_PROBE), _LONGEST_PROBE)
        if verdict.gone:
            self._off = f"its receiver {verdict.error}"
        elif for_how_long >= GIVE_UP:
            self._off = f"nothing was confirmed for three days; last: {verdict.error}"

    def _store(self, parcel: Parcel, next_at: int, verdict: Verdict | None = None, dead_at: int | None = None) -> None:
        """Has an event wait in the table `delivery`."""
        parcel.stored = True
        status, error = (verdict.status, verdict.error) if verdict else (None, None)
        self._new.ended.discard(parcel.id)
        self._new.waiting[parcel.id] = (
            self.webhook.id,
            parcel.id,
            parcel.place.tx,
            parcel.lane,
            parcel.attempts,
            next_at,
            status,
            error,
            dead_at,
        )

    def _forget(self, parcel: Parcel) -> None:
        """Takes an event out of the table `delivery`, where it is there."""
        self._new.waiting.pop(parcel.id, None)
        if parcel.stored:
            self._new.ended.add(parcel.id)

    # --- writing --------------------------------------------------------------------------------------------------

    def _write_if_due(self) -> None:
        since = time.monotonic() - self._written_at
        # Not for each confirmation by itself while others are under way: a commit waits for the disk.
        news = bool(self._new) and (since >= _COMMIT or not self.lanes.sending)
        if news or self._off or since >= self._means.lease / 3:
            self._write()

    def _write(self) -> None:
        """Writes what happened since the last time, in one transaction. Raises LeaseLostError, and Unavailable."""
        place = self._place()
        self._means.db.transact(partial(self._write_all, place))
        self._written_at = time.monotonic()
        self._ends_at = self._written_at + self._means.lease
        self._new = Changes()

    def _place(self) -> Place:
        """The place that the webhook may have, once what keeps it is stored."""
        held_up = list(self.lanes.held_up())
        if self.lanes.fresh >= _WINDOW:
            before = clock.now() - _SLOW
            slow = {parcel.lane for parcel in self.lanes.sending if parcel.sent_at < before}
            held_up += [parcel for parcel in self.lanes.unsettled() if parcel.lane in slow]
        for parcel in held_up:
            if not parcel.stored:
                self._store(parcel, parcel.due_at)
        return self.lanes.passed(self._read_to)

    def _write_all(self, place: Place) -> None:
        db, until = self._means.db, clock.now() + int(self._means.lease * _SECOND)
        progress.write(db, self.webhook.id, self.holder, until, place, self._health, self._new)
        if self._off is not None and (workspace := self._workspace()) is not None:
            progress.switch_off(workspace, self.webhook, self._off)

    def _pause(self, now: int) -> float:
        """For how many seconds there is nothing to send."""
        due_at = self.lanes.next_due()
        if len(self.lanes.sending) >= self._at_once or due_at is None:
            return _COMMIT if self._new else float(not self._reads)
        due_at = max(due_at, self._health.not_before, self._probe_at if self.down else 0)
        return max(0.0, (due_at - now) / _SECOND)
