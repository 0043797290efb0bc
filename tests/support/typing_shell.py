"""A shell on a terminal of its own, in which a test types, Tab included."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import time
from pathlib import Path
from types import TracebackType

_START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], []),
    "zsh": (["zsh", "-f", "-i"], ["autoload -U compinit; compinit -u -D"]),
}
SHELLS = [name for name in _START if shutil.which(name)]


class TypingShell:
    """A shell that has read a script; `completed` types a line with Tabs, and tells what became of it."""

    def __init__(self, name: str, script: Path, env: dict[str, str]) -> None:
        command, setup = _START[name]
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], command, {**env, "TERM": "xterm", "HISTFILE": ""})
        for line in (*setup, f"source {script}", "PS1='$ '"):
            self._type(f"{line}\n")
        self._type("echo re''ady\n")
        self._read_until("ready")

    def completed(self, *typed: str) -> str:
        """The arguments that the line has in the end; a Tab is typed behind each part."""
        for part in typed:
            # What is typed while the shell asks the program waits in the terminal.
            self._type(f"{part}\t")
        # The line becomes the words of another command, between two signs that were not typed like that.
        self._type("\x01printf '<%s>' \x05; echo .e''nd\n")
        shown = self._read_until(r"(?:<[^<>\n]*>)+\.end")
        words = re.findall(r"((?:<[^<>\n]*>)+)\.end", shown)[-1]
        return " ".join(re.findall(r"<([^<>]*)>", words))

    def __enter__(self) -> TypingShell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._type("\x03exit\n")
        os.close(self._terminal)
        os.waitpid(self._pid, 0)

    def _type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def _read(self, seconds: float) -> str:
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        return os.read(self._terminal, 65_536).decode(errors="replace").replace("\r", "") if ready else ""

    def _read_until(self, pattern: str, seconds: float = 20) -> str:
        shown, end = "", time.monotonic() + seconds
        while not re.search(pattern, shown):
            assert time.monotonic() < end, shown
            shown += self._read(0.5)
        return shown
