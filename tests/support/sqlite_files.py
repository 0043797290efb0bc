"""What happens to the file of a SQLite database: somebody takes it away, or its disk has no room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPLACED = ["moved", "deleted", "replaced", "folder renamed", "write-ahead log moved", "index moved"]
_BESIDE = {"write-ahead log moved": "-wal", "index moved": "-shm"}


@contextmanager
def away(folder: Path, how: str) -> Iterator[None]:
    """The file `scimlite.db` of a folder is not the file any more, inside the block; `how` is one of REPLACED."""
    aside = folder.parent / "aside"
    if how == "folder renamed":
        folder.rename(aside)
        yield
        aside.rename(folder)
        return
    file = folder / "scimlite.db"
    place = folder / f"scimlite.db{_BESIDE.get(how, '')}"
    os.link(place, aside)
    if how == "replaced":
        other = folder / "other"
        shutil.copy(file, other)
        other.rename(file)
    else:
        place.unlink()
    yield
    aside.rename(place)


@contextmanager
def small_disk(folder: Path, megabytes: int = 3) -> Iterator[Path]:
    """A new folder with a disk of a few MB, which only root can make; skips the test where that is refused."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "scimlite", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"NOT TESTED: a full disk needs the right to mount a tmpfs ({made.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def without_room(disk: Path) -> Iterator[None]:
    """The disk is full inside the block."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                # This is the end of the room.
                pass
        yield
    finally:
        ballast.unlink()
