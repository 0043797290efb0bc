"""Says in one sentence why a file of ours cannot be used: which place is in the way, whose it is, and what to do."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

_ELSEWHERE = "name another place with SCIMLITE_STATE_DIR or SCIMLITE_DATABASE_URL"


def obstacle(path: Path, *, write: bool = True) -> str | None:
    """Returns why this user cannot use a file, or cannot make it; None when the permissions allow it.

    In: the file's absolute path; `write`, False for a file that is only read. Nothing is opened or made.
    """
    folder = Path(path.anchor)
    for part in (*list(reversed(path.parents))[1:], path):
        if not os.access(folder, os.X_OK):
            return _refusal(folder)
        try:
            mode = part.stat().st_mode
        except FileNotFoundError:
            if not write:
                return f"{part} does not exist"
            return None if os.access(folder, os.W_OK) else f"{part} cannot be made: {_refusal(folder)}"
        except OSError as error:
            return f"{part} cannot be used ({error.strerror}): {_ELSEWHERE}"
        if part is path:
            break
        if not stat.S_ISDIR(mode):
            return f"{part} is no folder: {_ELSEWHERE}"
        folder = part
    if not stat.S_ISREG(mode):
        return f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'a device or the like'} and no file: {_ELSEWHERE}"
    if not os.access(path, os.R_OK | (os.W_OK if write else 0)):
        return _refusal(path)
    # The database makes files beside its own.
    return _refusal(folder) if write and not os.access(folder, os.W_OK) else None


def _refusal(place: Path) -> str:
    """Why a file or folder that exists refuses this user."""
    found = place.stat()
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        return f"{place} is on a file system that is read-only: {_ELSEWHERE}"
    if found.st_uid != os.geteuid():
        owner = _name(found.st_uid)
        return f"{place} belongs to {owner}, and this is {_name(os.geteuid())}: run this as {owner}, or {_ELSEWHERE}"
    rights = "u+rwx" if stat.S_ISDIR(found.st_mode) else "u+rw"
    return f"the mode of {place} is {stat.S_IMODE(found.st_mode):04o}: run chmod {rights} {place}, or {_ELSEWHERE}"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
