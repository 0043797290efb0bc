"""The `scimlite` command as operators use it: in this process where that is enough, else in one of its own."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_line import CommandLine

COMMAND = str(Path(sys.executable).with_name("scimlite"))


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    def ok(self) -> Ran:
        """This, which must have succeeded."""
        assert self.code == 0, f"{self.code}: {self.out}\n{self.err}"
        return self

    @property
    def json(self) -> Any:
        """What went to stdout as one JSON document."""
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        """What went to stdout as JSON, one document a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Commands(CommandLine):
    """Runs commands with an installation's SCIMLITE_* variables; here, or in processes of their own."""

    def __call__(self, *arguments: str, **env: Any) -> Ran:
        """Run a command in this process; more environment variables by name."""
        result = self.run(*arguments, **env)
        return Ran(result.exit_code, result.stdout, result.stderr)

    def environ(self, **env: str) -> dict[str, str]:
        """The environment of a process of its own."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SCIMLITE_")}
        return {**clean, **self.env, **env}

    def process(self, *arguments: str, timeout: float = 60, **env: str) -> Ran:
        """Run a command in a process of its own, which may take so many seconds; more environment variables by name."""
        done = subprocess.run(
            [COMMAND, *arguments],
            env=self.environ(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def started(self, *arguments: str, **env: str) -> Iterator[Running]:
        """A command that goes on until it is interrupted; killed at the end if it has not ended."""
        process = subprocess.Popen(
            [COMMAND, *arguments],
            env=self.environ(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running = Running(process)
        try:
            yield running
        finally:
            process.kill()
            process.wait()
            running.close()


class Running:
    """A command that is running; its lines are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: dict[str, queue.Queue[str]] = {}
        self._readers = []
        for name in ("stdout", "stderr"):
            self._lines[name] = queue.Queue()
            reader = threading.Thread(target=self._read, args=(name,))
            reader.start()
            self._readers.append(reader)

    def _read(self, name: str) -> None:
        for line in getattr(self._process, name):
            self._lines[name].put(line.rstrip("\n"))

    def line(self, stream: str = "stdout") -> str:
        """The next line; AssertionError when none comes for a while."""
        line = self.line_within(20, stream)
        assert line is not None, f"No line on {stream}; ended with {self._process.poll()}."
        return line

    def line_within(self, seconds: float, stream: str = "stdout") -> str | None:
        """The next line if it comes in time."""
        try:
            return self._lines[stream].get(timeout=seconds)
        except queue.Empty:
            return None

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout=20)

    def rest(self) -> list[str]:
        """The lines on stdout that nobody has read, once the command has ended."""
        self.close()
        lines = self._lines["stdout"]
        return [lines.get_nowait() for _ in range(lines.qsize())]

    def close(self) -> None:
        """Read to the end."""
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
