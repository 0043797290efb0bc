"""Installs what a test needs and pip alone cannot bring: Debian's packages as root, and libraries built with them."""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Seconds; Samba takes 40.
_PATIENCE = 420


def install(packages: Sequence[str], is_there: Callable[[], bool]) -> bool:
    """Installs packages unless they are there; True when they are there in the end."""
    if is_there():
        return True
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    with _alone():
        # Another process may have installed them in the meantime.
        if is_there():
            return True
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        # Who installs something else at the same time is waited for.
        apt = ["apt-get", "--quiet", "--yes", "-o", f"DPkg::Lock::Timeout={_PATIENCE}"]
        for words in (["update"], ["install", "--no-install-recommends", *packages]):
            done = subprocess.run(
                [*apt, *words], check=False, env=environment, timeout=_PATIENCE, capture_output=True, text=True
            )
            if done.returncode:
                print(f"{' '.join([*apt, *words])} failed: {done.stderr.strip()[-500:]}", file=sys.stderr)
    return is_there()


def install_library(module: str, requirement: str) -> bool:
    """Installs a library into this environment unless it is there; True when it is there in the end."""
    if importlib.util.find_spec(module) is None:
        with _alone():
            importlib.invalidate_caches()
            if importlib.util.find_spec(module) is None:
                command = [
                    sys.executable,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    requirement,
                ]
                subprocess.run(command, check=False, timeout=_PATIENCE)
                importlib.invalidate_caches()
    return importlib.util.find_spec(module) is not None


@contextmanager
def _alone() -> Iterator[None]:
    """A context that only one process of this machine's tests is in."""
    with (Path(tempfile.gettempdir()) / f"scimlite-packages-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
