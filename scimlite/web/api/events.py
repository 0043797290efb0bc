"""The feed of an app's events, and the receipts of those who poll it."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response

from ...errors import InvalidSyntax
from ...events import feed, readings
from ...events.document import to_json
from ...events.types import chosen
from ..scim.call import Call
from .answers import json_response
from .parameters import Parameters
from .view import ApiView

DEFAULT_EVENTS, MOST_EVENTS = 100, 500


class EventsView(ApiView):
    """`/events`: what happened behind a cursor."""

    def get(self, call: Call, slug: str) -> Response:
        """Answers with a page of the feed; without `after` with a cursor for what happens from now on.

        Raises InvalidValue, InvalidCursor and CursorExpired.
        """
        parameters = Parameters(call, ("after", "limit", "types"))
        limit = parameters.limit(DEFAULT_EVENTS, MOST_EVENTS)
        types = chosen([name.strip() for name in (parameters.get("types") or "").split(",") if name.strip()])
        after = parameters.get("after")
        if after is None:
            now = feed.cursor_of(call.reading, feed.place_of(call.reading, None))
            return json_response({"events": [], "cursor": now, "more": False})
        page = feed.follow(call.reading, after, limit, types)
        # The documents are made already.
        events = b",".join(map(to_json, page.events))
        rest = orjson.dumps({"cursor": page.cursor, "more": page.more})
        return json_response(b'{"events":[%b],%b' % (events, rest[1:]))


class AcknowledgementsView(ApiView):
    """`/events/ack`: the application has done what follows from the events up to a cursor."""

    def post(self, call: Call, slug: str) -> Response:
        """Keeps the receipt; one for an earlier place than the last one changes nothing.

        Raises InvalidSyntax, InvalidCursor and CursorExpired.
        """
        assert call.caller is not None
        body: Any = self.read_json(call)
        cursor = body.get("cursor") if isinstance(body, dict) else None
        if not isinstance(cursor, str) or len(body) > 1:
            raise InvalidSyntax('The body is {"cursor": "…"}, a cursor that /events or /profiles gave.')
        readings.acknowledge(call.reading, call.caller.token_row, cursor)
        return json_response({})


ROUTES = (
    ("/<slug>/events", EventsView, "Events"),
    ("/<slug>/events/ack", AcknowledgementsView, "Acknowledgements"),
)
