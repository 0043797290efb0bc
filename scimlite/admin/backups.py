"""When the last backup was made: a line in the state folder, because a copy of the database cannot say it of itself."""

from __future__ import annotations

from pathlib import Path

from .. import clock, own_files

#: In the state folder: the time in microseconds since 1970 UTC.
_FILE = "last-backup"


def record(state_dir: Path) -> None:
    """Writes down that a backup was made now. Raises UntrustedPlace and OSError when that cannot be done."""
    own_files.replace(state_dir / _FILE, f"{clock.now()}\n")


def last(state_dir: Path) -> int | None:
    """Returns when the last backup was made, in microseconds since 1970 UTC; None when it is not known.

    Raises UntrustedPlace when somebody else could have written it.
    """
    try:
        return int(own_files.read(state_dir / _FILE))
    except (OSError, ValueError):
        return None
