"""Waiting for the feed: on PostgreSQL an event is told when no older transaction of the whole server runs any more."""

from __future__ import annotations

import time

from scimlite.db import Database, feed_order


def settle(db: Database) -> None:
    """Waits until all that is committed by now is in the feed: tests beside this one hold transactions open."""
    if db.kind == "sqlite":
        return
    (newest,) = db.peewee.execute_sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::TEXT::BIGINT").fetchone()
    deadline = time.monotonic() + 60
    while feed_order.end(db).tx < newest:
        assert time.monotonic() < deadline, "some transaction has been open for a minute"
        time.sleep(0.02)
