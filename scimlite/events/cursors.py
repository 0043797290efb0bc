"""Cursors: places in an app's feed, as the application keeps them."""

from __future__ import annotations

import base64
import binascii
import struct

from ..db.feed_order import Place
from ..errors import CursorExpired, InvalidCursor
from .epoch import Feed

_FORM = struct.Struct(">BQIQQ")
_VERSION = 1


def to_text(app_id: int, epoch: int, place: Place) -> str:
    """The cursor of a place; who has it need not know what is in it."""
    packed = _FORM.pack(_VERSION, app_id, epoch, *place)
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def from_text(text: str, app_id: int, feed: Feed) -> Place:
    """The place of a cursor.

    Raises InvalidCursor when it is none of this app, and CursorExpired when entries behind it are not kept any more,
    or places have begun anew.
    """
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        version, app, epoch, *place = _FORM.unpack(packed)
    except (binascii.Error, ValueError, struct.error):
        raise InvalidCursor("The cursor is malformed: give it as it came.") from None
    if version != _VERSION or app != app_id or max(place) >= 2**63:
        raise InvalidCursor("The cursor is not of this app's feed.")
    if epoch != feed.epoch or Place(*place) < feed.pruned:
        raise CursorExpired()
    return Place(*place)
