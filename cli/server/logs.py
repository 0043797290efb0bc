"""The log of `scimlite serve`: every logger, warning and traceback of its processes becomes a line on stderr.

All of it goes through `scimlite.redaction`.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import threading
import time
from contextlib import suppress
from functools import lru_cache
from types import TracebackType
from typing import Any

import orjson
from gunicorn.glogging import Logger as GunicornLogger

from scimlite import redaction
from scimlite.redaction import error_log

_STDERR = 2
#: The logger of requests; its lines hold checked fields only (web/scim/provider.py).
_REQUESTS = "scimlite.access"
_OF_A_REQUEST = re.compile(r"request=(?P<id>[0-9a-f]{1,64}) ")


class _Lines(logging.Handler):
    """Writes each record with one write(2), so that the lines of several workers never mix.

    The standard handler and formatter would cost, for each request, as much as a SELECT by key. Subclasses say how a
    record is written.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        if record.name != _REQUESTS:
            redaction.redact(record)
        # An error means that the reader of the log went away, and there is no other place to report it.
        with suppress(OSError):
            os.write(_STDERR, self.line(record))
        return True

    def line(self, record: logging.LogRecord) -> bytes:
        """Returns a record as text, its traceback on lines of its own."""
        stamp = f"{_stamp(int(record.created))},{int(record.msecs):03d}"
        trace = f"\n{record.exc_text}" if record.exc_text else ""
        return f"{stamp} {record.levelname} {record.getMessage()}{trace}\n".encode(errors="backslashreplace")


class _JsonLines(_Lines):
    """Writes each record as one JSON object a line; a request's has the fields of its line as members."""

    def line(self, record: logging.LogRecord) -> bytes:
        fields: dict[str, Any] = {
            "time": f"{_utc_stamp(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname,
        }
        if record.name == _REQUESTS and isinstance(record.args, dict):
            fields |= record.args
            fields["ms"] = round(fields["ms"], 1)
        else:
            message = record.getMessage()
            if request := _OF_A_REQUEST.match(message):
                fields["request"] = request["id"]
                message = message[request.end() :]
            fields["message"] = _encodable(message)
            if record.exc_text:
                fields["traceback"] = _encodable(record.exc_text)
        return orjson.dumps(fields) + b"\n"


def _encodable(text: str) -> str:
    """Returns a text with lone surrogates, which UTF-8 does not have, as escapes."""
    return text.encode(errors="backslashreplace").decode()


@lru_cache(maxsize=1)
def _stamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


@lru_cache(maxsize=1)
def _utc_stamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class ServerLog(GunicornLogger):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's log, whose lines go where all lines go; gunicorn's own handler would quote what clients send."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def write_to_stderr(*, as_json: bool = False) -> None:
    """Has every logger of this process, and of those that it forks, write to stderr; also warnings and tracebacks.

    In: `as_json`, True for a JSON object a line.
    """
    # The lines show neither caller, thread nor process, so logging need not look them up: https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = False
    # logging itself would print a record that it cannot write, with its arguments.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [_JsonLines() if as_json else _Lines()]
    root.setLevel(logging.WARNING)
    for name in ("scimlite.access", "scimlite.error", "gunicorn.error"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def take_stderr() -> None:
    """Has what this worker's code prints to stderr become lines of the log, such as a traceback that a library prints.

    A process that still talks to the operator keeps its stderr.
    """
    sys.stderr = _Printed()


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """Logs an exception that nothing caught."""
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    error_log.critical("%s was not caught", kind.__name__, exc_info=(kind, error or kind(), trace))


class _Printed(io.TextIOBase):
    """A stream whose text is logged, all that is printed up to a flush or a line end as one record."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self) -> None:
        self._log = logging.getLogger("stderr")
        self._local = threading.local()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        waiting = getattr(self._local, "text", "") + text
        # A traceback comes line by line, and its end can only be told by the line of the exception.
        whole = waiting.endswith("\n") and not waiting.rstrip("\n").rsplit("\n", 1)[-1].startswith((" ", "Traceback"))
        self._local.text = "" if whole else waiting
        if whole and waiting.strip():
            self._log.warning("%s", waiting.rstrip("\n"))
        return len(text)

    def flush(self) -> None:
        """Does nothing: a line is logged when it is whole."""
