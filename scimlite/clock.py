"""The clock of journal, tokens and resources."""

from __future__ import annotations

import time

#: A day in microseconds.
DAY = 86_400_000_000


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
