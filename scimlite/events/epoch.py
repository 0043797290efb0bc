"""The epoch of the feed's places: bumped when places are given again, or lead to another past."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..db import Database, feed_order, prepared
from ..db.feed_order import Place
from ..db.feed_tables import FeedRow
from ..journal import Action, Entry, Scope, record
from ..redaction import error_log


class Feed(NamedTuple):
    """What holds for all places: their epoch, what numbers them, and the last place that was pruned."""

    epoch: int
    origin: str | None
    pruned: Place


@prepared
def _feed(db: Database) -> object:
    return FeedRow.select(FeedRow.epoch, FeedRow.origin, FeedRow.pruned_tx, FeedRow.pruned_id)


def current(db: Database) -> Feed:
    """The present epoch, and what was pruned in it."""
    row = db.row(_feed)
    assert row is not None, "migration 0018 makes the row"
    return Feed(row[0], row[1], Place(row[2], row[3]))


def settle(db: Database) -> bool:
    """Begins a new epoch when the database came to a server that gives other numbers; returns whether it did.

    That is so after a dump was restored elsewhere, and after a fail-over, whose new primary may lack the last
    transactions of the old one. Whoever serves the feed calls it when it starts.
    """
    server = feed_order.server(db)
    feed = current(db)
    anew = feed_order.numbers_begin_anew(db)
    if not anew and feed.origin == server:
        return False
    if not anew and feed.origin is None:
        # The first start on this server.
        db.transact(partial(db.execute, FeedRow.update(origin=server)))
        return False
    db.transact(partial(feed_order.begin_epoch, db))
    error_log.warning("The feed of events begins anew: its numbers come from another server")
    return True


def begin(scope: Scope) -> int:
    """Begins a new epoch as an operator asks, and returns it: whoever reads the feed begins with the profiles again."""
    return scope.db.transact(partial(_begin, scope))


def _begin(scope: Scope) -> int:
    number = feed_order.begin_epoch(scope.db)
    record(scope, [Entry(Action.FEED_BEGUN)])
    return number
