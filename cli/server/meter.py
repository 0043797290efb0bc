"""Figures of the requests of a worker process, for Prometheus; only imported when SCIMLITE_METRICS is set.

prometheus_client keeps them in files that the exporter reads, one for each process and kind. PROMETHEUS_MULTIPROC_DIR
names the folder, and has to be set before this module is imported.
"""

from __future__ import annotations

import logging
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.multiprocess import mark_process_dead

from scimlite.db import Database

_REQUESTS = Counter(
    "scimlite_requests", "Requests that were answered.", ("app", "route", "method", "status"), registry=None
)
_SECONDS = Histogram(
    "scimlite_request_seconds",
    "Time from the first to the last step of a request in its thread.",
    ("route", "method"),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25),
    registry=None,
)
_REFUSED = Counter(
    "scimlite_unavailable",
    "Answers 429 and 503, by what kept the service from answering.",
    ("status", "cause"),
    registry=None,
)
_TOKENS = Counter(
    "scimlite_refused_tokens", "Requests whose token was refused, by the cause.", ("cause",), registry=None
)
_BUSY = Gauge("scimlite_threads_busy", "Threads that answer a request.", multiprocess_mode="livesum", registry=None)
_DATABASE = Counter(
    "scimlite_database_seconds",
    "Time in reads by themselves, and in transactions with what is done in them.",
    ("of",),
    registry=None,
)
#: The statuses of which the cause is counted.
_CAUSED = (429, 503)
#: What a method that HTTP does not know counts as.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Meter(logging.Handler):
    """Counts each line of the access log; a request has no other part that knows all of it."""

    def __init__(self) -> None:
        super().__init__()
        #: The counters by their labels: to look one up in prometheus_client costs as much as to count.
        self._requests: dict[tuple[str, str, str, int], Any] = {}
        self._seconds: dict[tuple[str, str], Any] = {}

    def handle(self, record: logging.LogRecord) -> bool:
        """Counts one request."""
        fields: Any = record.args
        # Without an accepted token the name is any text in a URL.
        app = fields["app"] if getattr(record, "accepted", False) else "-"
        method = fields["method"] if fields["method"] in _METHODS else "-"
        route, status = fields["route"], fields["status"]
        key = (app, route, method, status // 100)
        counter = self._requests.get(key)
        if counter is None:
            counter = self._requests[key] = _REQUESTS.labels(app, route, method, f"{status // 100}xx")
        counter.inc()
        histogram = self._seconds.get((route, method))
        if histogram is None:
            histogram = self._seconds[route, method] = _SECONDS.labels(route, method)
        histogram.observe(fields["ms"] / 1000)
        if cause := fields.get("token"):
            _TOKENS.labels(cause).inc()
        if status in _CAUSED:
            _REFUSED.labels(str(status), getattr(record, "hindrance", "") or "other").inc()
        return True


def begin(db: Database) -> None:
    """Begins to count the requests of this process, and the time that they spend in the database."""
    logging.getLogger("scimlite.access").addHandler(Meter())
    seconds = {of: _DATABASE.labels(of) for of in ("read", "write")}
    db.observe(lambda of, took: seconds[of].inc(took))


def busy(change: int) -> None:
    """Counts a thread that begins (1) or ends (-1) to answer."""
    _BUSY.inc(change)


def forget(pid: int) -> None:
    """Forgets the threads of a worker process that has ended; what it counted remains."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
