"""The clock of journal, tokens and resources."""

from __future__ import annotations

import time

#: A day in microseconds.
DAY = 86_400_000_000


def now() -> int:
    """The present time in the unit of the database: microseconds since 1970 UTC."""
    return time.time_ns() // 1000
