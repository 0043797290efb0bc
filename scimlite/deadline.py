"""The moment by which a request has to be answered.

Whoever begins a request sets it (`begin`, `within`), and everything that waits derives its time-out from what remains:
connections, statements, locks, turns, tries. It is a context variable, so that work which another thread does for a
request has the deadline of that request. A command has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

from .errors import DeadlinePassed

#: The name in a WSGI environment of when the request had arrived, by `time.monotonic`; it may have waited since.
ARRIVED = "scimlite.arrived"
#: The deadline by `time.monotonic`.
_end: ContextVar[float] = ContextVar("deadline", default=math.inf)


def begin(seconds: float, since: float | None = None) -> None:
    """Sets the deadline of this context, so many seconds after `since`, by `time.monotonic`; None for now."""
    _end.set((monotonic() if since is None else since) + seconds)


def clear() -> None:
    """Ends the deadline of this context."""
    _end.set(math.inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """A context whose work has so many seconds, or fewer when less remains."""
    outer = _end.get()
    token = _end.set(min(outer, monotonic() + seconds))
    try:
        yield
    finally:
        _end.reset(token)


def remaining() -> float:
    """Returns the seconds until the deadline, negative after it; infinity without a deadline."""
    return _end.get() - monotonic()


def is_set() -> bool:
    """True when there is a deadline in this context."""
    return _end.get() != math.inf


def at_most(seconds: float) -> float:
    """Returns the seconds, or what remains until the deadline when that is less; never less than 0."""
    left = _end.get() - monotonic()
    if left >= seconds:
        return seconds
    return left if left > 0.0 else 0.0


def check(needed: float = 0.0) -> None:
    """Raises DeadlinePassed when less than the needed seconds remain."""
    if _end.get() - monotonic() < needed:
        raise DeadlinePassed
