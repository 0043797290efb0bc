"""Whether this process lives, and whether it should get requests; no answer waits for the database for long."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import Any

import orjson
from flask import Flask, Response

from .. import deadline
from ..db import Database, DatabaseError, migration
from ..errors import ScimError, Unavailable
from .headers import protect

#: Seconds that an answer waits for the database.
PATIENCE = 1.5
#: Seconds after which a look at the database is given up.
_LONGEST = 10.0


class _Probe:
    """One look at the database; `seen` says when it has ended."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.seen = threading.Event()
        #: Why the database cannot be used, and what is wrong with its schema; None for nothing.
        self.trouble: ScimError | None = None
        self.schema: str | None = None


class Health:
    """The health of this process and of its database.

    A thread of its own asks the database, with a connection of its own. Who asks while it is asked already waits for
    the same answer, and gives up when that takes too long.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        #: True when the process is about to stop.
        self.draining = False
        #: Guards the two attributes below.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running: _Probe | None = None
        self._begun: SimpleQueue[_Probe] = SimpleQueue()

    def check_database(self) -> None:
        """Raises Unavailable when the database cannot be read or written, or does not answer in time."""
        trouble = self._probe().trouble
        if trouble is not None:
            raise trouble

    def reasons(self) -> dict[str, str]:
        """Returns why this process should get no requests, by what was looked at; empty when it should."""
        probe = self._probe()
        found: dict[str, str] = {}
        if self.draining:
            found["draining"] = "The service is about to stop."
        if probe.trouble is not None:
            found["database"] = probe.trouble.detail
        if probe.schema is not None:
            found["schema"] = probe.schema
        return found

    def _probe(self) -> _Probe:
        """Returns what a look at the database has found, which begins now or has begun before and not ended."""
        with self._lock:
            # In a process that was forked meanwhile there is no thread.
            if self._thread is None or not self._thread.is_alive():
                self._running = None
                self._thread = threading.Thread(target=self._look, name="health", daemon=True)
                self._thread.start()
            probe = self._running
            if probe is None:
                probe = self._running = _Probe()
                self._begun.put(probe)
        if probe.seen.wait(max(0.0, probe.began + PATIENCE - time.monotonic())):
            return probe
        late = _Probe()
        seconds = time.monotonic() - probe.began
        silent = f"The database has given no answer for {seconds:.0f} s."
        late.trouble = Unavailable(silent, reason="the health check had no answer in time")
        return late

    def _look(self) -> None:
        while True:
            probe = self._begun.get()
            try:
                # A connection that hangs is given up, so that the next look has another one.
                with deadline.within(_LONGEST):
                    self._db.check_health()
                    probe.schema = _fault_of_schema(self._db)
            except Unavailable as error:
                probe.trouble = _without_details(error)
            except ScimError as error:
                probe.trouble = error
            except DatabaseError:
                probe.trouble = Unavailable("The database cannot be used.", reason="the health check failed")
            with self._lock:
                self._running = None
            probe.seen.set()


def _without_details(error: Unavailable) -> Unavailable:
    """The error with a few words of its reason and without details such as a path, as strangers may ask."""
    words = f": {error.summary}" if error.summary else ""
    return Unavailable(f"The database cannot be used{words}.", reason=error.reason)


def _fault_of_schema(db: Database) -> str | None:
    """What is wrong with the schema of a database, without its address, as strangers may ask."""
    status = migration.status(db)
    if status.unknown:
        return f"The database was made by a newer scimlite ({', '.join(status.unknown)})."
    return f"The database needs an upgrade ({', '.join(status.pending)})." if status.pending else None


def add_health(app: Flask, health: Health) -> None:
    """Adds the views of /livez, /readyz and /healthz, which need no authentication."""

    @app.get("/livez")
    def livez() -> Response:
        """Answers 200: the process answers."""
        return _answer(app, {"status": "alive"})

    @app.get("/readyz")
    def readyz() -> Response:
        """Answers 200 when this process should get requests, else 503 with the reasons."""
        reasons = health.reasons()
        return _answer(app, {"status": "not ready", "reasons": reasons}, 503) if reasons else _answer(app, _READY)

    @app.get("/healthz")
    def healthz() -> Response:
        """Answers 200 when the database can be read and written, else 503."""
        health.check_database()
        return _answer(app, {"status": "ok"})


_READY = {"status": "ready"}


def _answer(app: Flask, content: dict[str, Any], status: int = 200) -> Response:
    return protect(app.response_class(orjson.dumps(content), status, content_type="application/json"))
