"""How the log tells that the database is unavailable: when that begins, each minute that it lasts, and when it ends."""

from __future__ import annotations

import threading
import time

from ...redaction import error_log

#: Seconds between two lines while it lasts.
REPEAT_AFTER = 60.0
#: Seconds without a failure after which it is over: a database that is busy answers now and then.
OVER_AFTER = 5.0
_MOST_REASONS = 20


class Outage:
    """The outage that this process sees, if there is one; each process has lines of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began: float | None = None
        self._began_at = ""
        self._failed_last = 0.0
        self._logged_last = 0.0
        self._refused = 0
        self._reasons: set[str] = set()

    def note_failure(self, request_id: str, reason: str) -> None:
        """Counts a request that is answered with 503; logs the first of an outage and the first for each reason."""
        now = time.monotonic()
        with self._lock:
            self._failed_last = now
            self._refused += 1
            if self._began is None:
                self._began, self._reasons = now, set()
                self._began_at = time.strftime("%Y-%m-%d %H:%M:%S")
            if reason not in self._reasons and len(self._reasons) < _MOST_REASONS:
                self._reasons.add(reason)
                self._logged_last = now
                error_log.error("request=%s database unavailable since %s: %s", request_id, self._began_at, reason)
            elif now - self._logged_last >= REPEAT_AFTER:
                self._logged_last = now
                error_log.error(
                    "database unavailable since %s: %d requests were answered with 503", self._began_at, self._refused
                )

    def note_success(self) -> None:
        """Logs that the outage is over, when there was one; a request that the database answered calls it."""
        # Read without the lock: nearly every request finds None.
        began = self._began
        if began is None:
            return
        now = time.monotonic()
        with self._lock:
            if self._began == began and now - self._failed_last >= OVER_AFTER:
                error_log.warning(
                    "database available again after %.0f s: %d requests were answered with 503",
                    now - began,
                    self._refused,
                )
                self._began, self._refused = None, 0


#: The outage of this process.
outage = Outage()
