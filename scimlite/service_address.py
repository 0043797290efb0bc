"""The address of the service on this machine: written down while it runs, so that commands can print it and test it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from . import own_files

#: In the state folder: a line with address and process id for each service that runs with it, the newest last.
_FILE = "server-url"
#: The address that `scimlite serve` takes without options.
DEFAULT_URL = "http://127.0.0.1:8000"
#: Seconds; on this machine a connection is taken or refused at once.
_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """An address without a slash at the end; `listening` is None when nobody looked whether something listens there."""

    url: str
    listening: bool | None

    @property
    def remark(self) -> str:
        """What to print behind the address: nothing, or that nothing listens there."""
        return "  (nothing listens here)" if self.listening is False else ""


def remember(state_dir: Path, url: str) -> None:
    """Writes down the address of the service that this process runs.

    Raises OSError when that cannot be done, and UntrustedPlace when others can write the folder.
    """
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A service that was killed could not remove its line.
    _change(state_dir, lambda lines: [*(line for line in lines if listens(_url(line))), _line(url)])


def forget(state_dir: Path, url: str) -> None:
    """Removes the address of the service that this process ran. Raises OSError when that cannot be done."""
    _change(state_dir, lambda lines: [line for line in lines if line != _line(url)])


def current(state_dir: Path) -> Address:
    """The address of the newest service that runs with this state folder, else of the last one, else the default.

    Raises UntrustedPlace when another user could have written it, because tokens are sent there.
    """
    try:
        lines = own_files.read(state_dir / _FILE).splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    known = [_url(line) for line in lines if line.strip()] or [DEFAULT_URL]
    running = next(filter(listens, reversed(known)), None)
    return Address(running or known[-1], running is not None)


def running(state_dir: Path) -> str | None:
    """The address of the newest service that runs with this state folder; None when none does.

    What listens at the address of a service that was killed is another program.
    """
    try:
        lines = (state_dir / _FILE).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return next((_url(line) for line in reversed(lines) if line.strip() and _lives(line) and listens(_url(line))), None)


def _lives(line: str) -> bool:
    """True when the process of a line exists."""
    try:
        os.kill(int(line.split()[1]), 0)
    except PermissionError:
        return True
    except (IndexError, ValueError, OSError):
        return False
    return True


def listens(url: str) -> bool:
    """True when something takes a connection at an address."""
    try:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_TIMEOUT):
            return True
    except (OSError, ValueError):
        return False


def _change(state_dir: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Rewrites the lines of the file while no other process does; lines that others could have written go."""
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        try:
            lines = own_files.read(state_dir / _FILE).splitlines()
        except (FileNotFoundError, UnicodeDecodeError, own_files.UntrustedPlace):
            lines = []
        own_files.replace(state_dir / _FILE, "".join(f"{line}\n" for line in change(lines)))
    finally:
        os.close(folder)


def _line(url: str) -> str:
    return f"{url} {os.getpid()}"


def _url(line: str) -> str:
    return line.split()[0]
