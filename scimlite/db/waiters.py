"""Few wait where nothing moves: a row or a file that is held keeps only some of the threads of a process.

Who writes says about which app and resource (`subject`). Without it, as in commands, nobody is kept from waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .. import deadline
from ..errors import Unavailable

#: Whom a write is for.
Subject = tuple[int, str | None]
#: The app's key and the resource's id, None for a new one, that this context writes about; None for neither.
subject: ContextVar[Subject | None] = ContextVar("subject", default=None)

#: Seconds after which a write that has not ended may be one that waits for something held.
GRACE = 0.5
#: Seconds after which a write that has not ended keeps more of its app from beginning. Writes that move take less, and
#: lost a tenth of their throughput when no more than `most` could begin at all.
_SIGN = 0.1


def refusal() -> Unavailable:
    """Returns the error for a write that would only wait behind others."""
    return Unavailable("Others wait for the same already; try again in a moment.", reason="rows or file are held")


class Waiters:
    """The writes of this process that are under way.

    A write waits here while another one of the same resource has not ended, and while `most` of its app, or one more of
    all apps, are under way, the oldest of them for longer than usual; but not for long. After GRACE `is_held`, which
    asks the database whether sessions wait for locks as long, decides whether it is refused or goes on.
    """

    def __init__(self, most: int, is_held: Callable[[], bool]) -> None:
        self._most = most
        self._is_held = is_held
        self.reset()

    def reset(self) -> None:
        """Begins without writes; a forked process does so."""
        self._changed = threading.Condition()
        #: The writes under way, oldest first, and when each began by `time.monotonic`.
        self._under_way: dict[object, tuple[Subject, float]] = {}
        self._asleep = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A context for a write about `subject`. Raises Unavailable when it would only wait behind others."""
        about = subject.get()
        if about is None:
            yield
            return
        mark = object()
        self._enter(mark, about)
        try:
            yield
        finally:
            with self._changed:
                del self._under_way[mark]
                if self._asleep:
                    self._changed.notify_all()

    def _enter(self, mark: object, about: Subject) -> None:
        with self._changed:
            while (began := self._in_the_way(about)) is not None:
                left = deadline.at_most(began + GRACE - time.monotonic())
                if left <= 0:
                    break
                self._asleep += 1
                self._changed.wait(left)
                self._asleep -= 1
            else:
                self._under_way[mark] = about, time.monotonic()
                return
        if self._is_held():
            raise refusal()
        # What is under way is slow, and moves.
        with self._changed:
            self._under_way[mark] = about, time.monotonic()

    def _in_the_way(self, about: Subject) -> float | None:
        """When the oldest write began behind which this one would wait; None when it may begin."""
        if len(self._under_way) == 0:
            return None
        app, resource = about
        same_app = same_resource = None
        count = 0
        signs_before = time.monotonic() - _SIGN
        for (other_app, other_resource), began in self._under_way.values():
            if other_app == app:
                count += 1
                same_app = same_app or began
                if resource is not None and other_resource == resource:
                    same_resource = same_resource or began
        if same_resource is not None:
            return same_resource
        if same_app is not None and count >= self._most and same_app < signs_before:
            return same_app
        oldest = next(iter(self._under_way.values()))[1]
        return oldest if len(self._under_way) > self._most and oldest < signs_before else None
