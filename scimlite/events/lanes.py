"""Lanes: which of a webhook's events may be sent now, so that the events about each person keep their order.

Nothing here sends, stores or looks at a clock: `delivery` does, and tests try every order in which tries may end.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ..db.feed_order import Place
from .document import Event


@dataclass(slots=True, eq=False)
class Parcel:
    """An event on its way to a receiver; times are microseconds since 1970 UTC."""

    #: The key of its journal entry.
    id: int
    place: Place
    #: Who or what the event is about: those of one lane are sent one after the other.
    lane: str
    #: The document; None until it is built for the next try.
    event: Event | None = None
    #: How often it was tried.
    attempts: int = 0
    #: When it may be tried next, and when the present try began.
    due_at: int = 0
    sent_at: int = 0
    #: True when the table `delivery` has it, so that the webhook's place may pass it.
    stored: bool = False
    #: True when it was confirmed or given up.
    settled: bool = False


class Lanes:
    """The events of one webhook that are not settled, in lanes by whom they are about.

    `take` hands out the first event of a lane when it is due, and no other one of the lane until `settle` or
    `postpone` was called with it. An event that is postponed holds its own lane alone.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Parcel]] = {}
        #: The first event of each lane of which none is being sent.
        self._waiting: list[tuple[int, Place, str]] = []
        #: Events that are not stored, in the order of the feed.
        self._fresh: deque[Parcel] = deque()
        #: Where the feed was read up to before the oldest event that is neither settled nor stored.
        self._passed = Place(0, 0)
        #: The events that are being sent.
        self.sending: set[Parcel] = set()
        #: All that are not settled.
        self.size = 0
        #: The lanes that begin with an event that has failed.
        self._failing: set[str] = set()

    @property
    def fresh(self) -> int:
        """How many events are not stored, so that the webhook's place waits for them."""
        return len(self._fresh)

    @property
    def failing(self) -> int:
        """How many lanes begin with an event that has failed."""
        return len(self._failing)

    def add(self, parcel: Parcel) -> None:
        """Puts an event behind the others of its lane; events come in the order of the feed."""
        lane = self._lanes.setdefault(parcel.lane, deque())
        lane.append(parcel)
        self.size += 1
        if not parcel.stored:
            self._fresh.append(parcel)
        if len(lane) == 1:
            self._wait(parcel)

    def take(self, now: int) -> Parcel | None:
        """Returns an event to send, the one that is due the longest; None when none is due."""
        if not self._waiting or self._waiting[0][0] > now:
            return None
        _, _, lane = heapq.heappop(self._waiting)
        parcel = self._lanes[lane][0]
        parcel.sent_at = now
        self.sending.add(parcel)
        return parcel

    def next_due(self) -> int | None:
        """Returns when the next event is due; None when none waits."""
        return self._waiting[0][0] if self._waiting else None

    def settle(self, parcel: Parcel) -> None:
        """Notes that an event was confirmed or given up: the next one of its lane follows."""
        self.sending.discard(parcel)
        parcel.settled = True
        self.size -= 1
        lane = self._lanes[parcel.lane]
        lane.popleft()
        self._failing.discard(parcel.lane)
        if lane:
            self._wait(lane[0])
        else:
            del self._lanes[parcel.lane]

    def postpone(self, parcel: Parcel, due_at: int) -> None:
        """Has an event tried again later; those behind it in its lane wait for it."""
        self.sending.discard(parcel)
        parcel.due_at = due_at
        self._wait(parcel)

    def wake(self, now: int) -> None:
        """Makes every waiting event due now."""
        for lane in self._lanes.values():
            if lane[0] not in self.sending:
                lane[0].due_at = min(lane[0].due_at, now)
        self._waiting = [
            (lane[0].due_at, lane[0].place, key) for key, lane in self._lanes.items() if lane[0] not in self.sending
        ]
        heapq.heapify(self._waiting)

    def held_up(self) -> Iterator[Parcel]:
        """Yields the events that have to be stored: those that failed, and those behind them in their lanes."""
        for parcel in self._fresh:
            if not parcel.settled and not parcel.stored and parcel.lane in self._failing:
                yield parcel

    def unsettled(self) -> Iterator[Parcel]:
        """Yields all events that are neither settled nor stored."""
        return (parcel for parcel in self._fresh if not parcel.settled and not parcel.stored)

    def passed(self, read_to: Place) -> Place:
        """Returns the place up to which every event is settled or stored, at most where the feed was read up to."""
        while self._fresh and (self._fresh[0].settled or self._fresh[0].stored):
            self._passed = self._fresh.popleft().place
        return self._passed if self._fresh else read_to

    def begin(self, place: Place) -> None:
        """Says where the webhook's place is before the first event is added."""
        self._passed = place

    def _wait(self, parcel: Parcel) -> None:
        if parcel.attempts:
            self._failing.add(parcel.lane)
        heapq.heappush(self._waiting, (parcel.due_at, parcel.place, parcel.lane))
