"""The figures of `scimlite serve` for Prometheus: the folder that processes share, and the process that shows them."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path

import click

from scimlite.config import Settings

from ..kit.listener import bound
from .child import Child

#: The variable by which prometheus_client knows the folder; it reads it when it is imported.
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Exporter:
    """The process that shows the figures. In: the socket at which it does so, which is bound.

    `prepare` makes the folder, `tend` starts the process, and again when it has ended.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._folder: Path | None = None
        self._owner = os.getpid()
        self._process: Child | None = None

    @classmethod
    def of(cls, settings: Settings) -> Exporter:
        """Binds SCIMLITE_METRICS. Raises ClickException when that, or prometheus_client, is not to be had."""
        if find_spec("prometheus_client") is None:
            raise click.ClickException("SCIMLITE_METRICS needs prometheus_client: pip install 'scimlite[metrics]'.")
        host, port = settings.metrics or ("", 0)
        try:
            return cls(bound(host, port))
        except click.ClickException as error:
            # Its advice is about the options of the command.
            raise click.ClickException(f"SCIMLITE_METRICS: {error.message}") from None

    def prepare(self, folder: str | None) -> None:
        """Makes the folder of the processes' files inside of `folder`, None for the system's own; begins to listen."""
        self._folder = Path(tempfile.mkdtemp(prefix="metrics-", dir=folder))
        os.environ[_FOLDER] = str(self._folder)
        # From now on, so that what connects while the process starts is answered later and not refused.
        self._listener.listen()

    def tend(self) -> None:
        """Starts the process when it does not run; called about once a second."""
        if self._process is None:
            number = self._listener.fileno()
            purpose = "shows figures to Prometheus"
            self._process = Child("scimlite_cli.server.exporter", [str(number)], sockets=(number,), purpose=purpose)
        self._process.tend()

    def end(self) -> None:
        """Ends the process and removes the files; does nothing in a worker."""
        if os.getpid() != self._owner:
            return
        if self._process is not None:
            self._process.end(timeout=5)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
