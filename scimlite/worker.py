"""The worker: a loop that delivers events to webhooks, reads sources and pushes to targets, beside the service.

It looks twice a second at what there is, holds the webhooks that nobody else holds, and hands out what their threads
report. Threads read sources and push to targets. Several workers, on several hosts, share all of it by leases.
"""

from __future__ import annotations

import queue
import secrets
import time

from . import clock, outbound
from .admin.source_runs import ground_of
from .db import DatabaseError, feed_order
from .db.feed_order import Place
from .errors import ScimError, Unavailable
from .events import epoch, progress, restarts, webhooks
from .events.delivery import Delivery, Means
from .events.lanes import Parcel
from .events.progress import LeaseLostError
from .events.retries import Verdict
from .events.sending import Service
from .events.webhooks import State, Webhook
from .installation import Installation
from .redaction import error_log
from .sync.schedule import Schedule
from .sync.targets.runs import Means as TargetMeans
from .sync.targets.watch import COLLECTED, Watch

#: Seconds between two looks at the feed: an event is pushed within a second.
_LOOK = 0.4
#: Seconds for which a webhook is held without another word of its worker.
LEASE = 30.0
#: Seconds that what is being sent has to end when the worker is stopped: a try takes 15 at most.
_LONGEST_END = 20.0
#: Seconds after which a database that could not be used is tried again.
_AGAIN = 1.0
_SECOND = 1_000_000

_Report = tuple[Delivery, Parcel, Verdict]


class Worker:
    """Delivers until `stop` is called.

    `lease`, and `collected`, for how long changes are collected before a push, are in seconds; tests have short ones.
    """

    def __init__(self, installation: Installation, *, lease: float = LEASE, collected: float = COLLECTED) -> None:
        self._db = installation.db
        self._lease = lease
        self._reports: queue.SimpleQueue[_Report | None] = queue.SimpleQueue()
        client = outbound.Client(installation.settings.outbound_networks)
        service = Service(installation.keyring, installation.scim_root)
        self._means = Means(self._db, service, client, self._report, lease)
        self._schedule = Schedule(ground_of(self._db, client, installation.settings.state_dir))
        self._held: dict[int, Delivery] = {}
        #: Deliveries of webhooks that went to others, while something of them is still being sent.
        self._leaving: list[Delivery] = []
        self._end = Place(0, 0)
        self._settled = False
        self._stopping = False
        state_dir, roots = installation.settings.state_dir, installation.scim_roots
        means = TargetMeans(self._db, client, state_dir, roots, lease, stopping=lambda: self._stopping)
        self._targets = Watch(means, collected=collected)

    def stop(self) -> None:
        """Has `run` end once what is being sent has ended; a handler of signals may call it."""
        self._stopping = True
        self._reports.put(None)

    def run(self, *, once: bool = False) -> None:
        """Delivers, reads sources and pushes to targets; `once` until there is nothing to send, and nothing is due.

        A database that cannot be used is tried again, or, with `once`, raises Unavailable or DatabaseError.
        """
        next_look = 0.0
        if not once:
            self._targets.start()
        while not self._stopping:
            try:
                if time.monotonic() >= next_look:
                    self._look()
                    next_look = time.monotonic() + _LOOK
                pause = self._advance()
            except (ScimError, DatabaseError) as error:
                if once:
                    raise
                self._complain(error)
                pause, next_look = _AGAIN, time.monotonic() + _AGAIN
            if once and self._settled and self._schedule.idle and all(held.idle for held in self._held.values()):
                break
            self._receive(min(pause, max(0.0, next_look - time.monotonic())))
        if once and not self._stopping:
            self._targets.once()
        self._finish()

    # --- the steps of the loop ------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Looks where the feed ends, which webhooks there are, and who holds them."""
        if not self._settled:
            epoch.settle(self._db)
            self._settled = True
        self._schedule.look()
        number = epoch.current(self._db).epoch
        living = {webhook.id: webhook for webhook in webhooks.living(self._db)}
        for id, held in list(self._held.items()):
            now = living.get(id)
            if now is None or now.holder != held.holder or now.epoch != number:
                self._drop(held)
        leaving = {held.webhook.id for held in self._leaving}
        for webhook in living.values():
            if webhook.id not in self._held and webhook.id not in leaving and _is_free(webhook):
                self._take(webhook, number)
        self._end = feed_order.end(self._db)

    def _take(self, webhook: Webhook, number: int) -> None:
        """Holds a webhook, unless another worker was faster."""
        # Another one for each time, so that a lease that was lost and taken again is not mistaken for the former.
        holder = secrets.token_urlsafe(12)
        now = clock.now()
        if not progress.take(self._db, webhook, holder, now, now + int(self._lease * _SECOND)):
            return
        if webhook.epoch != number:
            restarts.begin_anew(self._db, webhook, holder, number)
        # Read again: until a moment ago somebody else may have moved it.
        present = webhooks.by_id(self._db, webhook.id)
        if present is not None and present.holder == holder:
            self._held[webhook.id] = Delivery(self._means, present, holder)

    def _advance(self) -> float:
        """Has each webhook do what there is to do; returns for how many seconds there is no more."""
        pause = _LOOK
        for held in list(self._held.values()):
            try:
                pause = min(pause, held.advance(self._end))
            except LeaseLostError:
                self._drop(held)
        return pause

    def _receive(self, seconds: float) -> None:
        """Waits for a report of a thread, and takes all that are there."""
        try:
            report = self._reports.get(timeout=seconds) if seconds > 0 else self._reports.get_nowait()
            while True:
                if report is not None:
                    held, parcel, verdict = report
                    held.accept(parcel, verdict)
                report = self._reports.get_nowait()
        except queue.Empty:
            self._leaving = [held for held in self._leaving if held.lanes.sending]

    def _report(self, held: Delivery, parcel: Parcel, verdict: Verdict) -> None:
        self._reports.put((held, parcel, verdict))

    def _drop(self, held: Delivery) -> None:
        """Lets a webhook go that another worker holds, or an operator changed."""
        held.drop()
        del self._held[held.webhook.id]
        self._leaving.append(held)

    def _complain(self, error: Exception) -> None:
        # After a fail-over the numbers of the feed may come from another server.
        self._settled = False
        self._db.close()
        if isinstance(error, Unavailable):
            error_log.error("worker: database unavailable: %s; again in a second", error.reason or error.detail)
        else:
            error_log.exception("worker: the database refuses this; again in a second")

    def _finish(self) -> None:
        """Waits for what is being sent, writes how it went, and lets all webhooks go."""
        self._schedule.stop()
        ends_at = time.monotonic() + _LONGEST_END
        while any(held.lanes.sending for held in self._held.values()) and time.monotonic() < ends_at:
            self._receive(0.1)
        for held in self._held.values():
            try:
                held.end()
            except LeaseLostError:
                held.drop()
            except (ScimError, DatabaseError) as error:
                # What was confirmed and not written is sent again, with the same ids.
                self._complain(error)
        self._held.clear()
        self._targets.join()
        self._means.client.close()


def _is_free(webhook: Webhook) -> bool:
    return webhook.state == State.ACTIVE and (webhook.holder is None or webhook.leased_until < clock.now())
