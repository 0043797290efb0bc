"""The streams of security event tokens that applications poll: each token of a reader has one.

A stream is a place in the feed, up to which all is acknowledged, and the entries behind it that are acknowledged too.
What is not acknowledged is given again with each poll.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import partial
from typing import Any, NamedTuple

import orjson

from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.feed_order import FeedEntry, Place, Stretch
from ..db.feed_tables import SetStreamRow
from ..errors import CursorExpired
from . import epoch, feed, readings, sets
from .document import Event

#: Entries behind the place of which acknowledgements are taken: an older one that is never acknowledged ends the stream
#: there, and no list grows for ever.
_MOST_AHEAD = 1000
#: Places that may go by before they are written down though nothing was to be told: a poll alone writes nothing.
_IDLE_TRANSACTIONS = 100
#: How often one poll moves the stream, and looks again at what is behind.
_MOST_STEPS = 8
_JTI = re.compile(r"evt_(\d{1,18})_(\d{1,18})")


class Batch(NamedTuple):
    """What a poll gets: events in order, and whether there are more."""

    events: list[Event]
    more: bool


class _Stream(NamedTuple):
    """A stream's row."""

    epoch: int
    place: Place
    acknowledged: frozenset[int]


def poll(workspace: Workspace, token: int, *, most: int, done: Collection[str] = (), after: str | None = None) -> Batch:
    """Takes acknowledgements, and returns up to `most` events that the application with a token has not acknowledged.

    In: `done`, the ids of events; those that were not to be acknowledged are passed over. `after`, where the stream
    begins anew: `start`, or a cursor of the feed. A stream that was never polled begins now. Raises InvalidCursor, and
    CursorExpired when events of the stream are not kept any more.
    """
    if after is not None or _stream(workspace, token) is None:
        place = feed.place_of(workspace, after)
        workspace.db.transact(partial(_begin, workspace, token, place))
    number = epoch.current(workspace.db).epoch
    ids = {id for each in done if (id := _entry_id(each, number)) is not None}
    for _ in range(_MOST_STEPS):
        stream = _living_stream(workspace, token)
        ahead = _MOST_AHEAD if ids else min(_MOST_AHEAD, most + len(stream.acknowledged) + 1)
        window = feed.told_entries(workspace, stream.place, ahead, sets.TYPES)
        moved = _moved(workspace.db, stream, window, ids)
        if moved == stream:
            break
        by_receiver = bool(ids & {entry.id for entry in window.entries})
        workspace.db.transact(partial(_store, workspace, token, stream, moved, by_receiver=by_receiver))
    left = [entry for entry in window.entries if entry.id not in moved.acknowledged and entry.place > moved.place]
    more = len(left) > most or (window.more and len(window.entries) < _MOST_AHEAD)
    return Batch(feed.events(workspace, left[:most], number), more)


def _moved(db: Database, stream: _Stream, window: Stretch, ids: set[int]) -> _Stream:
    """The stream after acknowledgements of entries in a window that begins at its place."""
    taken = stream.acknowledged | (ids & {entry.id for entry in window.entries})
    first_left = next((number for number, entry in enumerate(window.entries) if entry.id not in taken), None)
    passed: list[FeedEntry] = window.entries[:first_left]
    if first_left is None and (passed or _is_far(db, stream.place, window.end)):
        return stream._replace(place=window.end, acknowledged=frozenset())
    if not passed:
        return stream._replace(acknowledged=taken)
    return stream._replace(place=passed[-1].place, acknowledged=taken - {entry.id for entry in passed})


def _is_far(db: Database, here: Place, end: Place) -> bool:
    """True when so much went by that is not to be told that it should not be looked at again."""
    if db.kind == "postgresql":
        # There the end moves with each transaction, whatever it is about.
        return end.tx - here.tx >= _IDLE_TRANSACTIONS
    return end > here


def _entry_id(jti: str, number: int) -> int | None:
    """The entry of an event's id in this epoch."""
    found = _JTI.fullmatch(jti)
    return int(found[2]) if found and int(found[1]) == number else None


# --- at rest ------------------------------------------------------------------------------------------------------


def _stream(workspace: Workspace, token: int) -> _Stream | None:
    row = workspace.db.row(_by_token, token=token)
    return _Stream(row[0], Place(row[1], row[2]), frozenset(orjson.loads(row[3]))) if row else None


def _living_stream(workspace: Workspace, token: int) -> _Stream:
    """The stream of a token that has one. Raises CursorExpired when events behind its place are not kept any more."""
    stream = _stream(workspace, token)
    assert stream is not None, "a poll begins one"
    now = epoch.current(workspace.db)
    if stream.epoch != now.epoch or stream.place < now.pruned:
        raise CursorExpired()
    return stream


def _begin(workspace: Workspace, token: int, place: Place) -> None:
    """Begins a stream, anew where there is one."""
    number = epoch.current(workspace.db).epoch
    values = {"epoch": number, "tx": place.tx, "place": place.id, "acknowledged": "[]"}
    row = {"token_id": token, "app_id": workspace.app.id, **values}
    fields = {getattr(SetStreamRow, name): value for name, value in values.items()}
    insert = SetStreamRow.insert(**row)
    workspace.db.execute(insert.on_conflict(conflict_target=[SetStreamRow.token_id], update=fields))


def _store(workspace: Workspace, token: int, before: _Stream, moved: _Stream, *, by_receiver: bool) -> None:
    """Writes how far a stream came, unless another poll has changed it meanwhile: then the next step looks again."""
    db = workspace.db
    query = SetStreamRow.update(tx=moved.place.tx, place=moved.place.id, acknowledged=_text(moved.acknowledged))
    as_before = (
        (SetStreamRow.token_id == token)
        & (SetStreamRow.epoch == before.epoch)
        & (SetStreamRow.tx == before.place.tx)
        & (SetStreamRow.place == before.place.id)
        & (SetStreamRow.acknowledged == _text(before.acknowledged))
    )
    if db.touch(query.where(as_before)) and by_receiver and moved.place > before.place:
        readings.note(workspace, token, moved.epoch, moved.place)


def _text(ids: frozenset[int]) -> str:
    return orjson.dumps(sorted(ids)).decode()


@prepared
def _by_token(db: Database) -> Any:
    columns = (SetStreamRow.epoch, SetStreamRow.tx, SetStreamRow.place, SetStreamRow.acknowledged)
    return SetStreamRow.select(*columns).where(SetStreamRow.token_id == Slot("token"))
