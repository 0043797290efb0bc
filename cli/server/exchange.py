"""A whole request becomes an answer: gunicorn's parser and response around the application."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from scimlite import deadline
from scimlite.web.console.visit import LISTENER

from .connection import Connection


class Response(wsgi.Response):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's response without the name of a server."""

    def default_headers(self) -> list[str]:
        """The status line and the headers that the server adds."""
        version = self.req.version
        headers = [
            f"HTTP/{version[0]}.{version[1]} {self.status}\r\n",
            f"Date: {date(int(time.time()))}\r\n",
            "Connection: close\r\n" if self.should_close() else "Connection: keep-alive\r\n",
        ]
        if self.chunked:
            headers.append("Transfer-Encoding: chunked\r\n")
        return headers


@lru_cache(maxsize=2)
def date(seconds: int) -> str:
    """A time as HTTP writes it."""
    return formatdate(seconds, usegmt=True)


def answer(
    connection: Connection,
    config: Any,
    application: Any,
    *,
    last: Callable[[], bool],
    failed: Callable[[Exception], None],
) -> None:
    """Answers the request that has arrived on a connection: fills its `out`, and sets `keep`.

    In: gunicorn's configuration and the WSGI application; `last`, which is asked at the end whether the connection ends
    with this answer; `failed`, which answers in `out` what is no request or has failed, in place of what is there.
    """
    arrival = connection.arrival
    connection.keep = False
    try:
        request = Request(config, IterUnreader(arrival.pieces()), connection.client)
        # It was told to go on when its head was whole.
        request._expected_100_continue = False
        response, environ = wsgi.create(
            request, connection, connection.client, connection.server, config, response_class=Response
        )
        environ["wsgi.multithread"] = True
        environ[deadline.ARRIVED] = connection.began
        # SERVER_PORT becomes what a trusted proxy says.
        environ[LISTENER] = connection.server[1] if isinstance(connection.server, tuple) else None
        body = application(environ, response.start_response)
        if arrival.cut or last():
            response.force_close()
        try:
            for item in body:
                response.write(item)
            response.close()
        finally:
            if hasattr(body, "close"):
                body.close()
        connection.keep = not response.should_close()
    except NoMoreData:
        # The parser wants more than there is, and there is nobody to ask.
        connection.out.clear()
    except Exception as error:
        connection.out.clear()
        failed(error)
