"""The time, as the database keeps it."""

from __future__ import annotations

import time

#: A day in microseconds.
DAY = 86_400_000_000


def now() -> int:
    """The time as the database keeps it: microseconds since 1970 UTC."""
    return time.time_ns() // 1000
