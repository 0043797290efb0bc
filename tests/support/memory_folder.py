"""A folder in memory for what the tests write: they sync thousands of small databases, which a disk makes wait for."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_PREFIX = "scimlite-tests-"
#: Bytes that must be free there: a whole run needs a tenth of it.
_ROOM = 4 * 1024**3


def begin() -> Path | None:
    """Makes temporary files of this process, and of those that it starts, in memory; returns the folder.

    None where TMPDIR names another place, and where there is too little room in memory.
    """
    if "TMPDIR" in os.environ or not _has_room():
        return None
    _remove_left()
    folder = _MEMORY / f"{_PREFIX}{os.getpid()}"
    folder.mkdir()
    # Tests run services as other users.
    folder.chmod(0o1777)
    os.environ["TMPDIR"] = str(folder)
    # It is looked up again.
    tempfile.tempdir = None
    return folder


def end(folder: Path) -> None:
    """Gives the memory back."""
    shutil.rmtree(folder, ignore_errors=True)


def _has_room() -> bool:
    try:
        return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM
    except OSError:
        return False


def _remove_left() -> None:
    """Removes what runs have left that were killed."""
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
