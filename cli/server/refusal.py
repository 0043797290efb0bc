"""Answers that no thread makes: to what is no request, comes too slowly, or cannot be taken now."""

from __future__ import annotations

import secrets
import time
from http import HTTPStatus
from typing import Any

import orjson

from scimlite.errors import RequestTimeout, ScimError, TooManyRequests, Unavailable
from scimlite.scim.messages import MEDIA_TYPE
from scimlite.web.scim.provider import LINE, access_log

from .connection import Stage
from .exchange import date


def answer(error: ScimError, client: Any) -> bytes:
    """Returns the answer with an error that ends a connection, and writes its line to the log.

    In: `client`, the address at the other end of the connection.
    """
    id = secrets.token_hex(8)
    address = client[0] if isinstance(client, tuple) else "-"
    fields = {"request": id, "app": "-", "method": "-", "route": "-", "status": error.status, "ms": 0.0}
    access_log.info(LINE, {**fields, "client": address}, extra={"accepted": False, "hindrance": error.hindrance})
    return _rendered(error, HTTPStatus(error.status).phrase, id)


def too_slow(stage: Stage) -> RequestTimeout:
    """Returns the error for a head or a body that did not come whole in its time."""
    part = "head" if stage is Stage.HEAD else "body"
    return RequestTimeout(f"The {part} of the request did not arrive in time.")


def too_many() -> TooManyRequests:
    """Returns the error for a request that waited in vain for a thread of its app's share."""
    return TooManyRequests("Other requests of this app keep all threads that one app may have.", retry_after=5)


def too_busy() -> Unavailable:
    """Returns the error for a request that waited in vain for a thread, or for which there is no room."""
    return Unavailable("The server has too much to do; try again in a moment.", summary="all threads are at work")


def write_error(sock: Any, status: int, reason: str, _message: str) -> None:
    """Answers with a SCIM error what gunicorn cannot read as a request (a long line, malformed HTTP).

    gunicorn's own message would repeat parts of the request.
    """
    error = ScimError(f"{reason}: this is not a request that the server takes.")
    error.status = status
    sock.sendall(_rendered(error, reason, None))


def _rendered(error: ScimError, reason: str, id: str | None) -> bytes:
    body = orjson.dumps(error.body(id))
    headers = {
        "Date": date(int(time.time())),
        "Connection": "close",
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **error.headers,
    }
    if id:
        headers["X-Request-Id"] = id
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {error.status} {reason}\r\n{lines}\r\n".encode() + body
