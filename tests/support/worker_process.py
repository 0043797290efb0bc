"""A worker in a process of its own with a short lease, to kill and to stop: `worker_process.py LEASE`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def started(env: Mapping[str, str], lease: float = 1.0) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with the settings of an installation; killed at the end if it has not ended."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCIMLITE_")}
    process = subprocess.Popen([sys.executable, __file__, str(lease)], env={**clean, **env})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Runs until SIGTERM."""
    from scimlite.config import Settings
    from scimlite.installation import Installation
    from scimlite.worker import Worker

    worker = Worker(Installation.open(Settings.from_environment()), lease=float(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main()
