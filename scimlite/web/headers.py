"""The headers of answers: those that every answer has, and a quicker form of Werkzeug's for our own."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Response
from werkzeug.datastructures import Headers

#: Nobody may keep an answer, which is about persons, or guess another media type: OWASP's REST Security Cheat Sheet
#: asks for both.
_PROTECTION = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


class PlainHeaders(Headers):
    """Headers that begin with values which the service made, and which hold no line ends.

    Werkzeug looks for line ends in each value, and for a header of the same name: for the seven headers of an answer
    that costs as much as a SELECT by key. What is added later by Werkzeug's own methods is looked at.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._list = list(pairs)

    def append_plain(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Appends headers that are not there yet, and whose values hold no line ends."""
        self._list += pairs

    def to_wsgi_list(self) -> list[tuple[str, str]]:
        """Returns the headers as a server takes them."""
        return list(self._list)


def protect(response: Response, *more: tuple[str, str]) -> Response:
    """Adds the headers that every answer has, and more of the service's own; returns the response."""
    headers = response.headers
    if isinstance(headers, PlainHeaders):
        headers.append_plain((*more, *_PROTECTION))
    else:
        headers.extend((*more, *_PROTECTION))
    return response
