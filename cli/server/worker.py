"""The worker process of `scimlite serve`: how connections are accepted and read."""

from __future__ import annotations

from typing import Any

from gunicorn.workers.gthread import _DEFER, ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's thread worker, in which a new connection gets a thread only when its first bytes have arrived.

    gunicorn gives it a thread for five seconds, so that a few idle connections would stop the service for all clients.
    """

    def handle(self, conn: Any) -> Any:
        if not conn.initialized and not conn.wait_for_data(0):
            return _DEFER
        return super().handle(conn)
