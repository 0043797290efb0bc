"""Answers that no thread makes: to what is no request, comes too slowly, or cannot be taken now."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection
from http import HTTPStatus

import orjson
from gunicorn.http.errors import (
    ConfigurationProblem,
    ExpectationFailed,
    ForbiddenProxyRequest,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)

from scimlite.errors import RequestTimeout, ScimError, TooManyRequests, Unavailable, as_scim_error
from scimlite.redaction import error_log
from scimlite.scim.messages import MEDIA_TYPE
from scimlite.web import client_address
from scimlite.web.client_address import Network
from scimlite.web.scim.provider import LINE, accepted_slugs, access_log, shown_method

from .arrival import LONGEST_LINE
from .connection import Connection, Stage
from .exchange import date

_FORWARDED_FOR = re.compile(rb"\r\nx-forwarded-for:([^\r\n]*)(?=\r\n)", re.IGNORECASE)


def new_id() -> str:
    """Returns the id of a request that the application does not see."""
    return secrets.token_hex(8)


def answer(error: ScimError, connection: Connection, proxies: Collection[Network], id: str | None = None) -> bytes:
    """Returns the answer with an error that ends a connection, and writes its line to the log.

    In: the connection, with what came of the request; `proxies`, the addresses of the trusted proxies; the request's
    id, a new one by default.
    """
    id = id or new_id()
    arrival = connection.arrival
    head = bytes(arrival.data[: arrival.body_at] if arrival.body_at else arrival.data[:LONGEST_LINE])
    # Any other name is any text in a URL.
    slug = arrival.app.decode(errors="replace")
    is_known = slug in accepted_slugs
    fields = {
        "request": id,
        "app": slug if is_known else "-",
        "method": shown_method(head.partition(b" ")[0].decode("latin-1")),
        "route": "-",
        "status": error.status,
        "ms": (time.monotonic() - connection.began) * 1000,
        "client": _client(connection, head, proxies),
    }
    access_log.info(LINE, fields, extra={"accepted": is_known, "hindrance": error.hindrance})
    return _rendered(error, HTTPStatus(error.status).phrase, id)


def _client(connection: Connection, head: bytes, proxies: Collection[Network]) -> str:
    """The address of the client as a request's line has it: behind the trusted proxies."""
    nearest = connection.client[0] if isinstance(connection.client, tuple) else ""
    if client_address.is_in(client_address.parsed(nearest), proxies):
        lines = [line.decode("latin-1") for line in _FORWARDED_FOR.findall(head)]
        nearest = client_address.forwarded(",".join(lines), proxies, nearest)
    return client_address.shown(nearest)


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


#: The statuses of what gunicorn's parser refuses, where it is not 400.
_STATUSES: dict[type[Exception], int] = {
    LimitRequestLine: 414,
    LimitRequestHeaders: 431,
    ExpectationFailed: 417,
    ForbiddenProxyRequest: 403,
    UnsupportedTransferCoding: 501,
}
#: What is a fault of ours among the parser's errors: of its settings, or of the headers of an answer.
_OURS = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)


def failure(error: Exception, id: str) -> ScimError:
    """Returns the error for a request that the parser refuses, or that failed outside the application; logs the cause.

    In: the request's id. Only the class of a parser's error is logged, as its text quotes the request.
    """
    if not isinstance(error, ParseException) or isinstance(error, _OURS):
        error_log.error("request=%s failed", id, exc_info=error)
        return as_scim_error(error)
    status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 400)
    error_log.warning("request=%s is no request of HTTP: %s", id, type(error).__name__)
    refused = ScimError(f"{HTTPStatus(status).phrase}: this is not a request that the server takes.")
    refused.status = status
    return refused


def _rendered(error: ScimError, reason: str, id: str) -> bytes:
    body = orjson.dumps(error.body(id))
    headers = {
        "Date": date(int(time.time())),
        "Connection": "close",
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": id,
        **error.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {error.status} {reason}\r\n{lines}\r\n".encode() + body
