"""When the last backup was made: a line in the state folder, because a copy of the database cannot say it of itself."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from .. import clock

#: In the state folder: the time in microseconds since 1970 UTC.
_FILE = "last-backup"


def record(state_dir: Path) -> None:
    """Writes down that a backup was made now. Raises OSError when that cannot be done."""
    # Made under another name and then moved, so that a link in the place of the file is never followed.
    temporary = state_dir / f".{_FILE}.{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(f"{clock.now()}\n")
        temporary.replace(state_dir / _FILE)
    finally:
        temporary.unlink(missing_ok=True)


def last(state_dir: Path) -> int | None:
    """Returns when the last backup was made, in microseconds since 1970 UTC; None when it is not known."""
    with contextlib.suppress(OSError, ValueError):
        return int((state_dir / _FILE).read_text())
    return None
