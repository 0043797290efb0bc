"""Clients that send a part of a request and then wait."""

from __future__ import annotations

import socket
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from installation import Connected

_HEAD = (
    "POST {path}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/scim+json\r\n"
)


@contextmanager
def opened(app: Connected, count: int, *sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections on which a client has sent something and then waits."""
    parts = urllib.parse.urlsplit(app.client.base)
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((parts.hostname or "", parts.port or 80), 10))
            for part in sent:
                connection.sendall(part)
            made.append(connection)
        yield made


def head(app: Connected, *more: str) -> bytes:
    """The head of a POST of a user, with more header lines."""
    path = urllib.parse.urlsplit(app.client.base).path
    return (_HEAD.format(path=path, token=app.text) + "".join(f"{line}\r\n" for line in more) + "\r\n").encode()
