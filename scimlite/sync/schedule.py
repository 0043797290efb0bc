"""Runs sources when they are due, beside the worker's loop: each in a thread of its own, few at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from .. import apps, clock
from ..db import DatabaseError
from ..errors import OperatorError, ScimError
from ..redaction import error_log
from . import sources
from .lease import BusyError, StoppedError
from .runs import Run
from .sources import LeaseLostError, Source
from .survey import Ground

#: Sources that one worker reads at once.
_AT_ONCE = 2
#: Seconds between two looks.
_LOOK = 1.0


class Schedule:
    """The sources that are due, and the runs of this process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._threads = ThreadPoolExecutor(_AT_ONCE, "source")
        self._running: dict[int, Future[None]] = {}
        self._stopping = threading.Event()
        self._looked_at = 0.0

    @property
    def idle(self) -> bool:
        """True when no run is going on here."""
        self._running = {id: run for id, run in self._running.items() if not run.done()}
        return not self._running

    def look(self, *, now: bool = False) -> None:
        """Begins the runs that are due; it looks once a second, or `now`. Raises Unavailable."""
        if self._stopping.is_set() or (not now and time.monotonic() - self._looked_at < _LOOK):
            return
        self._looked_at = time.monotonic()
        for source in sources.due(self._ground.db, clock.now()):
            if source.id not in self._running or self._running[source.id].done():
                self._running[source.id] = self._threads.submit(self._run, source)

    def stop(self) -> None:
        """Has the runs end where they are, and waits for that; all that they wrote stays."""
        self._stopping.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, source: Source) -> None:
        db = self._ground.db
        try:
            app = apps.by_id(db, source.app_id)
            if app is not None and app.enabled:
                Run(self._ground, app, source, told=self._check).carry_out()
        except (BusyError, LeaseLostError, StoppedError):
            # Another process has it, or this one ends.
            return
        except (OperatorError, ScimError) as error:
            error_log.error("source %s: %s", source.name, error)
        except DatabaseError:
            error_log.exception("source %s: the database refuses this", source.name)
        except Exception:
            error_log.exception("source %s: an error of our own", source.name)
        finally:
            db.close()

    def _check(self, phase: str, number: int) -> None:
        if self._stopping.is_set():
            raise StoppedError
