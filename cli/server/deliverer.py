"""The worker of `scimlite serve --work`, a process: `python -m scimlite_cli.server.deliverer`.

It ends in order when its standard input does, which gunicorn's master holds open.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from scimlite.config import Settings
from scimlite.db import DatabaseError
from scimlite.errors import OperatorError, ScimError
from scimlite.installation import Installation
from scimlite.redaction import error_log
from scimlite.worker import Worker

from . import logs


def main() -> None:
    """Delivers until standard input ends."""
    # Ctrl-C reaches all processes of a terminal; the master says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = Settings.from_environment()
    logs.write_to_stderr(as_json=settings.log == "json")
    try:
        worker = Worker(Installation.open(settings))
    except (ScimError, OperatorError, DatabaseError) as error:
        # The master starts another one.
        error_log.error("the worker cannot begin: %s", getattr(error, "reason", None) or error)
        sys.exit(1)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    threading.Thread(target=_stop_with_stdin, args=(worker,), name="stdin", daemon=True).start()
    worker.run()


def _stop_with_stdin(worker: Worker) -> None:
    while os.read(0, 4096):
        pass
    worker.stop()


if __name__ == "__main__":
    main()
