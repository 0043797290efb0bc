"""The bytes of one HTTP request as they arrive, and whether all of them are there.

Nothing is refused here: what is malformed counts as whole, and gunicorn's parser finds out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from scimlite.installation import API_PREFIX, SCIM_PREFIX

#: The longest line of a head that gunicorn takes, and the longest head: 100 fields.
LONGEST_LINE = 8190
_LONGEST_HEAD = 100 * (LONGEST_LINE + 2) + 4
#: The longest line with the size of a chunk.
_LONGEST_SIZE = 8190
#: Bytes of a large request that the parser gets at a time.
_PIECE = 1024 * 1024
_APPS = (f"{SCIM_PREFIX}/".encode(), f"{API_PREFIX}/".encode())

_REQUEST_LINE = re.compile(rb"(?:\r\n)?[^ \r\n]+ (?:https?://[^/? ]*)?([^ ?\r\n]*)")
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|expect):[ \t]*([^\r\n]*)", re.IGNORECASE)
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{1,12}")


class Arrival:
    """One request while it arrives. In: `most_body`, the bytes of the largest body that is waited for."""

    __slots__ = (
        "_chunk",
        "_length",
        "_most_body",
        "_scanned",
        "body_at",
        "cut",
        "data",
        "end",
        "expects",
        "method",
        "path",
    )

    def __init__(self, most_body: int, data: bytes | bytearray = b"") -> None:
        self._most_body = most_body
        #: What came: the request, and perhaps the beginning of the next one.
        self.data = bytearray(data)
        self._scanned = 0
        #: Where the body begins; 0 as long as the head is not whole.
        self.body_at = 0
        #: Where the request ends; 0 as long as it is not whole.
        self.end = 0
        #: True when the rest of the request is not waited for, so that no other request can follow it.
        self.cut = False
        #: True when the client waits for "100 Continue" before it sends the body.
        self.expects = False
        #: The path as it came, without the query.
        self.path = b""
        self._length = 0
        #: Where the next chunk of a chunked body begins; 0 for a body that has a length.
        self._chunk = 0

    def feed(self, data: bytes) -> bool:
        """Adds what came; returns True once the request is whole, or malformed."""
        self.data += data
        if not self.body_at and not self._head_is_whole():
            return bool(self.end)
        if self._chunk:
            return self._chunks_are_whole()
        if len(self.data) < self.body_at + self._length:
            return False
        self.end = self.body_at + self._length
        return True

    @property
    def app(self) -> bytes:
        """The slug of the app in the URL, existing or not; empty for any other URL."""
        if not self.path.startswith(_APPS):
            return b""
        # Both begin with two parts of a path.
        slug = self.path.split(b"/", 4)[3]
        return unquote_to_bytes(slug) if b"%" in slug else slug

    def pieces(self) -> Iterator[bytes]:
        """Gives the bytes of the whole request, a large one in pieces."""
        if not self.body_at:
            # The parser compares the length of a head that has no end after each read, but not after the first.
            yield bytes(self.data[:-1])
            yield bytes(self.data[-1:])
            return
        for start in range(0, self.end, _PIECE):
            yield bytes(self.data[start : min(start + _PIECE, self.end)])

    def following(self) -> Arrival:
        """Returns the arrival of the next request, with what came of it already."""
        return Arrival(self._most_body, self.data[self.end :] if len(self.data) > self.end else b"")

    def _head_is_whole(self) -> bool:
        """Looks for the end of the head, and reads what it says about the body."""
        at = self.data.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if at < 0:
            self._scanned = len(self.data)
            if self._head_is_hopeless():
                self._give_up()
            return False
        self.body_at = at + 4
        head = bytes(self.data[: at + 2])
        line = _REQUEST_LINE.match(head)
        if line:
            self.path = line[1]
        for name, value in _FRAMING.findall(head):
            self._read_framing(name.lower(), value.strip().lower())
        return True

    def _head_is_hopeless(self) -> bool:
        size = len(self.data)
        if size > LONGEST_LINE + 2 and self.data.find(b"\r\n", 2, LONGEST_LINE + 4) < 0:
            return True
        # Lines of a head end in CRLF (RFC 9112 section 2.2).
        return size > _LONGEST_HEAD or self.data.count(b"\n") != self.data.count(b"\r\n")

    def _read_framing(self, name: bytes, value: bytes) -> None:
        if name == b"transfer-encoding":
            self._chunk = self.body_at if b"chunked" in value else 0
        elif name == b"expect":
            self.expects = value == b"100-continue"
        elif value.isdigit():
            self._length = int(value[:20])
            if self._length > self._most_body:
                # It is refused by its length; nobody waits for it.
                self._length, self.cut = 0, True

    def _chunks_are_whole(self) -> bool:
        """Walks along the sizes of the chunks to the end of the trailers."""
        while True:
            line_end = self.data.find(b"\r\n", self._chunk)
            if line_end < 0:
                return len(self.data) - self._chunk > _LONGEST_SIZE and self._give_up()
            size = bytes(self.data[self._chunk : line_end]).partition(b";")[0].strip()
            if not _HEXADECIMAL.fullmatch(size):
                return self._give_up()
            length = int(size, 16)
            if length == 0:
                return self._trailers_are_whole(line_end)
            # The CRLF behind the chunk.
            following = line_end + 2 + length + 2
            if following - self.body_at > self._most_body + _PIECE:
                # Enough of it has to be there for the application to find it too large.
                return len(self.data) - self.body_at > self._most_body + _PIECE and self._give_up()
            if following > len(self.data):
                return False
            self._chunk = following

    def _trailers_are_whole(self, last_size_end: int) -> bool:
        end = self.data.find(b"\r\n\r\n", last_size_end)
        if end < 0:
            return len(self.data) - last_size_end > _LONGEST_HEAD and self._give_up()
        self.end = end + 4
        return True

    def _give_up(self) -> bool:
        """Takes what came for the whole request: it is malformed or too large."""
        self.end, self.cut = len(self.data), True
        return True
