"""gunicorn as `scimlite serve` runs it: its settings, and its answers to what is no request."""

from __future__ import annotations

from typing import Any

import gunicorn.util
import orjson
from gunicorn.app.base import BaseApplication

from scimlite import create_app
from scimlite.config import Settings
from scimlite.errors import ScimError
from scimlite.scim.messages import MEDIA_TYPE

from .logs import ServerLog
from .worker import Worker

#: gunicorn's default of 4094 is short for a long filter; 8190 is its maximum.
_LONGEST_REQUEST_LINE = 8190

#: gunicorn's settings that do not depend on ours.
_OPTIONS = {
    "worker_class": Worker,
    # One import for all workers; each opens its own connections.
    "preload_app": True,
    "limit_request_line": _LONGEST_REQUEST_LINE,
    # X-Forwarded-* is ours to judge (SCIMLITE_TRUSTED_PROXIES).
    "forwarded_allow_ips": "",
    "control_socket_disable": True,
    "timeout": 120,
    "keepalive": 75,
    "graceful_timeout": 10,
    "logger_class": ServerLog,
    "loglevel": "info",
    "proc_name": "scimlite",
}


class Application(BaseApplication):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn with settings from this program in place of a configuration file.

    In: the settings of scimlite, and those of gunicorn that the command line decides.
    """

    def __init__(self, settings: Settings, options: dict[str, Any]) -> None:
        self.settings = settings
        self._options = {**_OPTIONS, **options}
        # The only way: gunicorn has no setting for its error pages.
        gunicorn.util.write_error = _write_error
        super().__init__()

    def load_config(self) -> None:
        """Hands the settings to gunicorn."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Makes the WSGI application."""
        return create_app(self.settings)


def _write_error(sock: Any, status: int, reason: str, _message: str) -> None:
    """Answer with a SCIM error when gunicorn refuses a request that it cannot read (a long line, malformed HTTP).

    gunicorn's own message would repeat parts of the request.
    """
    refusal = ScimError(f"{reason}: this is not a request that the server takes.")
    refusal.status = status
    body = orjson.dumps(refusal.body())
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
    gunicorn.util.write_nonblock(sock, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
