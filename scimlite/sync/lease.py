"""The lease of a source, which one process has while it runs it; a thread says every few seconds that it lives."""

from __future__ import annotations

import os
import secrets
import threading
from types import TracebackType
from typing import Self

from .. import clock
from ..db import Database, DatabaseError
from ..errors import ScimError
from ..redaction import error_log
from . import sources
from .reading import SourceError
from .sources import LeaseLostError, Source

#: Seconds for which a source is held without another word, and between two words.
LEASE, _BEAT = 60.0, 15.0
_SECOND = 1_000_000


class BusyError(SourceError):
    """Another process runs the source."""


class StoppedError(Exception):
    """The worker was stopped in the middle of a run; the next run does the rest."""


class Lease:
    """Holds a source while its block runs; raises BusyError when another process has it.

    Each transaction of the run calls `renew`, which fails when the source is another's by now, so that what two
    processes believe never matters.
    """

    def __init__(self, db: Database, source: Source, *, seconds: float = LEASE) -> None:
        self._db = db
        self._source = source
        self._seconds = seconds
        # The host and the process are in it, so that a process that was killed on this host is known to be gone.
        self.holder = f"{os.uname().nodename}:{os.getpid()}:{secrets.token_urlsafe(9)}"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"source-{source.id}", daemon=True)

    def __enter__(self) -> Self:
        present = sources.by_id(self._db, self._source.id)
        now = clock.now()
        if present is not None and present.holder and _is_gone(present.holder):
            self._db.transact(lambda: sources.free(self._db, self._source.id, present.holder or ""))
        if not sources.take(self._db, self._source.id, self.holder, now, self._until()):
            raise BusyError(f"The source {self._source.name} is being read by another process; try again in a moment.")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        try:
            self._db.transact(lambda: sources.free(self._db, self._source.id, self.holder))
        except (ScimError, DatabaseError):
            # It ends by itself in a minute.
            error_log.warning("The lease of the source %s could not be given back", self._source.name)

    def renew(self) -> None:
        """Says in the caller's transaction that the run goes on. Raises LeaseLostError."""
        sources.renew(self._db, self._source.id, self.holder, self._until())

    def _until(self) -> int:
        return clock.now() + int(self._seconds * _SECOND)

    def _beat(self) -> None:
        while not self._ended.wait(min(_BEAT, self._seconds / 4)):
            try:
                self._db.transact(self.renew)
            except LeaseLostError:
                return
            except (ScimError, DatabaseError) as error:
                error_log.warning("The lease of the source %s was not renewed: %s", self._source.name, error)
        self._db.close()


def _is_gone(holder: str) -> bool:
    """True when the process that holds a source ran on this host, and is no more."""
    host, _, pid = holder.rpartition(":")[0].rpartition(":")
    if host != os.uname().nodename or not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
