"""The clock of journal, tokens and resources."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

#: A day in microseconds.
DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """The present time in the unit of the database: microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def after(*former: int | None) -> int:
    """The present time, or a microsecond more than the latest of former times where the clock does not say more.

    Clocks go back: when they are set, when a virtual machine is restored, and from one server to another. What is
    written about one thing keeps its order.
    """
    latest = now()
    for moment in former:
        if moment is not None and moment >= latest:
            latest = moment + 1
    return latest


def iso_time(microseconds: int | None) -> str | None:
    """A stored time for programs: ISO 8601 in UTC, exact to the microsecond; None stays None."""
    if microseconds is None:
        return None
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")
