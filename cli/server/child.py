"""A process that gunicorn's master starts beside its workers, looks after, and ends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from scimlite.redaction import error_log

#: Seconds between two starts, but for the first two.
_AGAIN = 5.0


class Child:
    """In: the module that it runs, its arguments, the sockets that it inherits, what it is for, in words.

    Its standard input is held open by the master, and it ends when that does, also after kill -9.
    """

    def __init__(self, module: str, arguments: Sequence[str], *, sockets: Sequence[int] = (), purpose: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._sockets = sockets
        self._purpose = purpose
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = self._next_start = 0.0

    def tend(self) -> None:
        """Starts the process when it does not run; called about once a second."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None or now < self._next_start:
                return
            error_log.error("the process that %s has ended; another one is started", self._purpose)
            self._close()
        # One that ends right after its start, and again, may do so for long.
        self._next_start = self._started_at + _AGAIN if self._started_at else 0.0
        self._started_at = now
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, pass_fds=self._sockets)

    def end(self, timeout: float) -> None:
        """Ends the process, in order if it does so within `timeout` seconds."""
        if self._process is None:
            return
        self._close()
        try:
            self._process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
