"""gunicorn as `scimlite serve` runs it: its settings, and its answers to what is no request."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from scimlite import create_app
from scimlite.config import Settings

from .arrival import LONGEST_LINE
from .census import Census
from .child import Child
from .logs import ServerLog
from .metrics import Exporter
from .worker import Worker

#: Seconds that running requests have to end, beyond those that they may take, once the service takes no others.
_GRACE = 2

#: gunicorn's settings that do not depend on ours.
_OPTIONS = {
    "worker_class": Worker,
    # One import for all workers; each opens its own connections.
    "preload_app": True,
    # gunicorn's default of 4094 is short for a long filter.
    "limit_request_line": LONGEST_LINE,
    # X-Forwarded-* is ours to judge (SCIMLITE_TRUSTED_PROXIES).
    "forwarded_allow_ips": "",
    "control_socket_disable": True,
    "timeout": 120,
    "keepalive": 75,
    # A process may often open 1024 files, of which the database needs some.
    "worker_connections": 800,
    "logger_class": ServerLog,
    "loglevel": "info",
    "proc_name": "scimlite",
}


class Application(BaseApplication):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn with settings from this program in place of a configuration file.

    In: the settings of scimlite, those of gunicorn that the command line decides, who shows figures, if anybody, and
    the worker that delivers events, if there is to be one.
    """

    def __init__(
        self,
        settings: Settings,
        options: dict[str, Any],
        exporter: Exporter | None = None,
        deliverer: Child | None = None,
    ) -> None:
        self.settings = settings
        self._exporter = exporter
        self._deliverer = deliverer
        #: Told 1 when a thread begins to answer and -1 when it ends; None without figures.
        self.busy: Callable[[int], None] | None = None
        self._census = Census()
        self._options = {
            **_OPTIONS,
            "graceful_timeout": math.ceil(settings.drain + settings.request_timeout) + _GRACE,
            "pre_fork": self._count_in,
            "child_exit": self._count_out,
            **options,
        }
        super().__init__()

    def load_config(self) -> None:
        """Hands the settings to gunicorn."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Makes the WSGI application."""
        application = create_app(self.settings)
        if self._exporter is not None:
            # It needs a package that only those have who want figures.
            from . import meter

            meter.begin(application.extensions["scimlite"].db)
            self.busy = meter.busy
        return application

    def run(self) -> None:
        """Serves until the service is told to stop."""
        tended = [each.tend for each in (self._exporter, self._deliverer) if each is not None]
        _Arbiter(self, self._census, tended).run()

    def _count_in(self, _arbiter: Any, worker: Any) -> None:
        worker.census, worker.place = self._census, self._census.enter()

    def _count_out(self, _arbiter: Any, worker: Any) -> None:
        self._census.leave(worker.place)
        if self._exporter is not None:
            from . import meter

            meter.forget(worker.pid)


class _Arbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's master process, which tells its workers when the whole service ends."""

    def __init__(self, application: Application, census: Census, tended: Sequence[Callable[[], None]]) -> None:
        self._census = census
        self._tended = tended
        super().__init__(application)

    def murder_workers(self) -> None:
        """Looks after the processes, about once a second."""
        super().murder_workers()
        for tend in self._tended:
            tend()

    def stop(self, graceful: bool = True) -> None:
        """Stops all workers."""
        # systemd keeps its socket, and of two masters (USR2) the other one goes on with it.
        self._census.announce_end(closing=not (self.systemd or self.reexec_pid or self.master_pid))
        super().stop(graceful)
