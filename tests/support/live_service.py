"""The service as an operator runs it: gunicorn in a process of its own, on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from postgres_server import free_port


@dataclass(frozen=True, kw_only=True)
class LiveService:
    """A running service: its address, the process id of gunicorn's arbiter, and the file it logs to."""

    url: str
    pid: int
    log: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, settings_env: Mapping[str, str], *arguments: str, workers: int, threads: int, folder: Path
    ) -> LiveService:
        """Run `scimlite serve` with more arguments and wait until it answers.

        In: SCIMLITE_* variables; the folder for the log. Out: the running service. Raises AssertionError,
        with the log, when it ends or does not answer within 30 seconds.
        """
        port = free_port()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SCIMLITE_")}
        command = [str(Path(sys.executable).with_name("scimlite")), "serve"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", str(workers), "--threads", str(threads), *arguments]
        log = folder / f"scimlite-{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                # Nobody balances load between the services of tests.
                env={**environ, "SCIMLITE_DRAIN_SECONDS": "0", **settings_env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C reaches pytest alone, which then stops the service in order.
                start_new_session=True,
            )
        service = cls(url=f"http://127.0.0.1:{port}", pid=process.pid, log=log, process=process)
        try:
            service._wait()
        except BaseException:
            service.stop()
            raise
        return service

    def stop(self) -> None:
        """Stop the service by its process id, first with SIGTERM; nothing happens when it has ended."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)  # the session's leader: its workers go with it
                self.process.wait()

    def assert_no_traceback(self) -> None:
        """Raises AssertionError when the service logged a Python traceback."""
        text = self.log.read_text(errors="replace")
        assert "Traceback (most recent call last)" not in text, f"The service logged a traceback:\n{text}"

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"scimlite serve ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                    return
            except urllib.error.HTTPError as error:
                error.close()
                reason = f"/healthz answered {error.code}"
            except OSError as error:
                reason = str(error)
            time.sleep(0.05)
        raise AssertionError(f"scimlite serve did not get ready in 30 seconds ({reason}):\n{self.log.read_text()}")
