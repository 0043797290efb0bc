"""Cursors: places in an app's feed, as the application keeps them."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import NamedTuple

from ..db.feed_order import Place
from ..errors import CursorExpired, InvalidCursor
from .epoch import Feed

#: What it is, the app, the epoch, and the place.
_FORM = struct.Struct(">BQIQQ")
#: The same, and the row of the last user or group of a page.
_WALK_FORM = struct.Struct(">BQIQQQ")
_PLACE, _WALK = 1, 2


class Walk(NamedTuple):
    """How far somebody has read through all users or groups, and the place in the feed from before they began."""

    place: Place
    row: int


def to_text(app_id: int, epoch: int, place: Place) -> str:
    """The cursor of a place; who has it need not know what is in it."""
    return _encoded(_FORM.pack(_PLACE, app_id, epoch, *place))


def walk_to_text(app_id: int, epoch: int, walk: Walk) -> str:
    """The cursor of the next page of users or groups."""
    return _encoded(_WALK_FORM.pack(_WALK, app_id, epoch, *walk.place, walk.row))


def from_text(text: str, app_id: int, feed: Feed) -> Place:
    """The place of a cursor of the feed.

    Raises InvalidCursor when it is none of this app, and CursorExpired when entries behind it are not kept any more,
    or places have begun anew.
    """
    tx, id = _decoded(text, _FORM, _PLACE, app_id, feed)
    return Place(tx, id)


def walk_from_text(text: str, app_id: int, feed: Feed) -> Walk:
    """What a cursor of a page says. Raises InvalidCursor and CursorExpired, as `from_text` does."""
    tx, id, row = _decoded(text, _WALK_FORM, _WALK, app_id, feed)
    return Walk(Place(tx, id), row)


def _encoded(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _decoded(text: str, form: struct.Struct, kind: int, app_id: int, feed: Feed) -> list[int]:
    """The numbers in a cursor, the place first."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        version, app, epoch, *numbers = form.unpack(packed)
    except (binascii.Error, ValueError, struct.error):
        raise InvalidCursor("The cursor is malformed, or of another endpoint: give it as it came.") from None
    if version != kind or app != app_id or max(numbers) >= 2**63:
        raise InvalidCursor("The cursor is not of this app.")
    if epoch != feed.epoch or Place(numbers[0], numbers[1]) < feed.pruned:
        raise CursorExpired()
    return numbers
