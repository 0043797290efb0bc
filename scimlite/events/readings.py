"""Receipts of applications that poll: up to which place each has read, and when it said so."""

from __future__ import annotations

from functools import partial

from .. import clock
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.feed_order import Place
from ..db.feed_tables import ReadingRow
from . import cursors, epoch


def acknowledge(workspace: Workspace, token: int, cursor: str) -> None:
    """Notes that the application with a token has read up to a cursor, unless it has said so of a later one.

    Raises InvalidCursor and CursorExpired.
    """
    feed = epoch.current(workspace.db)
    place = cursors.from_text(cursor, workspace.app.id, feed)
    workspace.db.transact(partial(note, workspace, token, feed.epoch, place))


def note(workspace: Workspace, token: int, number: int, place: Place) -> None:
    """Notes, inside the caller's transaction, that the application has read up to a place in an epoch."""
    db = workspace.db
    last = db.row(_last, token=token)
    if last is not None and last[0] == number and Place(*last[1:3]) >= place:
        return
    db.execute(
        ReadingRow.insert(
            app_id=workspace.app.id,
            token_id=token,
            at=clock.after(last[3] if last else None),
            epoch=number,
            tx=place.tx,
            place=place.id,
        )
    )


@prepared
def _last(db: Database) -> object:
    columns = (ReadingRow.epoch, ReadingRow.tx, ReadingRow.place, ReadingRow.at)
    query = ReadingRow.select(*columns).where(ReadingRow.token_id == Slot("token"))
    return query.order_by(ReadingRow.id.desc()).limit(1)
