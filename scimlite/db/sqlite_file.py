"""The file of a SQLite database, its WAL and its -shm file: whether they are still those that this process opened.

A file that is deleted, moved or replaced stays open for the processes that use it, and so does its WAL: what they write
would be acknowledged and then be nowhere. The -shm file is the index of the WAL and has the locks: processes that use
two of them overwrite what the others wrote.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import Unavailable
from ..redaction import error_log
from .sqlite_traces import CUT, OVERWRITTEN, Traces, beginning, change_counter, checkpoint
from .troubles import Trouble, unavailable

_NO_WAL = "its -wal file is gone: put it back, or restart the service"
_NO_INDEX = "its -shm file is gone: put it back, or restart the service before anything else opens the database"
_OTHER = "another {} file is in the place of its own: put the first one back, or restart the service"
#: The faults that a process tells the others of, by number.
_OF_OTHERS = (None, OVERWRITTEN, CUT)
#: Device and inode.
Identity = tuple[int, int]
#: The WAL that a connection writes to, and its index; None for an index that is in no file.
Beside = tuple[Identity, Identity | None]
_IN_USE = "a running service uses the file that was in its place before: stop that service first"
#: First byte and number of the bytes that each process locks which uses the -shm file, and the database's file:
#: https://www.sqlite.org/walformat.html and https://www.sqlite.org/fileformat2.html#the_lock_byte_page
_INDEX_IN_USE = (128, 1)
_FILE_IN_USE = (0x40000002, 510)
#: Paths that this process has connected to, or its parent. Their locks are not looked at: closing any descriptor of a
#: file gives up all locks that a process has on it, those of its connections too.
_opened: set[str] = set()
#: Descriptors of database files by identity, which are never closed for the same reason.
_descriptors: dict[Identity, int] = {}
_MOST_DESCRIPTORS = 100
#: Seconds between looks at what another process may just be changing.
_PAUSES = (0.005, 0.02, 0.1)


class DatabaseFile:
    """The database's file as this process opened it first; processes that are forked later go by the same file.

    A check costs three or four calls of stat and a read of the index: some 5 us, in a commit of a millisecond.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._main = str(self.path)
        self._wal = f"{self._main}-wal"
        self._index = f"{self._main}-shm"
        #: None before the first connection.
        self._identity: Identity | None = None
        #: What the newest connection of this process has.
        self._beside: Beside | None = None
        #: When the file was written last and its size, as far as this process has looked into it, and what it found.
        self._written = (0, 0)
        self._traces = Traces()
        #: The change counter that any process of this service saw last: a process that does nothing misses checkpoints.
        #: Then 1 when one of them has found the index gone, as a process that comes after that would make another one;
        #: and the number of the fault in `_OF_OTHERS` that one has found, which the next checkpoint hides.
        self._shared = mmap.mmap(-1, 6)
        #: The fault that was logged last, None when the file was right at the last check.
        self._fault: str | None = None

    def check_before_opening(self) -> None:
        """Raises Unavailable when the file that a connection would open is another one, or has lost its WAL.

        A new connection would take the WAL of the other file for its own, or make a new WAL to an index that it shares
        with the old connections: both lead to wrong pages.
        """
        self.check(None)
        opened_before = self._main in _opened
        if not opened_before and _lasts(self._is_of_others):
            raise unavailable(Trouble.REPLACED, _IN_USE)
        if self.wal_is_taken_away and (opened_before or _is_locked(self._index, *_INDEX_IN_USE)):
            raise self._unavailable(_NO_WAL)
        if self._index_is_taken_away(opened_before):
            raise self._unavailable(_NO_INDEX)
        if not opened_before and self._identity is None:
            self._look_into()

    def _look_into(self) -> None:
        """Notes the change counter that the file begins with, for a process that has no connection to it yet."""
        with suppress(OSError):
            file = os.open(self._main, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._written, self._changes = _written(os.fstat(file)), change_counter(file)
                self._traces.beginning = beginning(file)
            finally:
                os.close(file)

    @property
    def _changes(self) -> int:
        return int.from_bytes(self._shared[:4], "big")

    @_changes.setter
    def _changes(self, count: int) -> None:
        self._shared[:4] = count.to_bytes(4, "big")

    def _done_by_others(self, written: tuple[int, int]) -> str | None:
        """What is wrong with a file that was written meanwhile: not by SQLite, or once not; None when nothing is.

        In: when it was written, in nanoseconds, and its size. What is copied over a file that is in use keeps its
        inode. No checkpoint goes back to an older state, and without a checkpoint SQLite writes nothing.
        """
        assert self._identity is not None
        file = _descriptor(self._main, self._identity)
        if file < 0 or self._shared[5]:
            return _OF_OTHERS[self._shared[5]]
        fault = self._traces.compare(file, self._index_descriptor(_identity(self._index)))
        if fault is None and _lasts(lambda: change_counter(file) < self._changes):
            fault = OVERWRITTEN
        if fault is not None:
            self._shared[5] = _OF_OTHERS.index(fault)
            return fault
        self._written, self._changes = written, max(self._changes, change_counter(file))
        return None

    def _index_descriptor(self, index: Identity | None) -> int:
        return -1 if index is None else _descriptor(self._index, index)

    @property
    def wal(self) -> Path:
        """Where the WAL is."""
        return Path(self._wal)

    def set_remains_aside(self) -> None:
        """Renames a WAL whose database is gone, which SQLite would take for that of the next one.

        Raises Unavailable when another process still uses the database that is gone.
        """
        self.check_before_opening()
        with suppress(FileNotFoundError):
            os.rename(self._wal, f"{self._wal}.of-a-lost-database")
        with suppress(FileNotFoundError):
            os.unlink(self._index)

    def _is_of_others(self) -> bool:
        """True when a process uses the index beside the file, and not the file, which it would have locked first."""
        return _is_locked(self._index, *_INDEX_IN_USE) and not _is_locked(self._main, *_FILE_IN_USE)

    @property
    def wal_is_taken_away(self) -> bool:
        """True when there is no WAL beside its index, the -shm file.

        SQLite makes the WAL first and removes it last, so it was somebody else; or a process that was killed left the
        index behind, and then somebody removed the WAL.
        """
        return _lasts(lambda: _identity(self._index) is not None and _identity(self._wal) is None)

    def _index_is_taken_away(self, opened_before: bool) -> bool:
        """True when there is no index beside a WAL that a process uses; SQLite makes it before and removes both."""

        def is_missing() -> bool:
            if _identity(self._index) is not None or _identity(self._wal) is None:
                return False
            # Within a process SQLite goes on with the index that it has.
            return bool(self._shared[4]) if opened_before else _is_locked(self._main, *_FILE_IN_USE)

        return _lasts(is_missing)

    def opened(self) -> Beside | None:
        """Remembers the file of the first connection, and checks that of each later one; returns what is beside it.

        Called after a connection has read. None where SQLite could not make a WAL, in a folder that it only reads.
        """
        wal, index = _identity(self._wal), _identity(self._index)
        if index is None and self._beside is not None and self._beside[0] == wal:
            # SQLite has given this connection the index of the others of this process.
            index = self._beside[1]
        beside = self._beside = (wal, index) if wal is not None else None
        _opened.add(self._main)
        if self._identity is None:
            self._identity = _identity(self._main)
        self.check(beside)
        return beside

    def check(self, beside: Beside | None) -> None:
        """Raises Unavailable when the file, or the WAL or its index of a connection, is not the one that was opened.

        In: what `opened` returned for the connection; None checks the file alone. The log has one line when the
        trouble begins and one when it ends.
        """
        if self._identity is None:
            return
        try:
            # Before the time of the file: a checkpoint may come in between.
            last = checkpoint(self._index_descriptor(beside[1])) if beside is not None else None
            found = os.stat(self._main)
            if (found.st_dev, found.st_ino) == self._identity:
                written = _written(found)
                if self._shared[5] or written != self._written:
                    if (fault := self._done_by_others(written)) is not None:
                        raise self._unavailable(fault)
                elif beside is not None:
                    # A WAL that begins anew does not write to the file.
                    self._traces.checkpoint = last
                if beside is None:
                    return
                wal, index = beside
                found = os.stat(self._wal)
                if (found.st_dev, found.st_ino) == wal:
                    if index is not None:
                        found = os.stat(self._index)
                    if index is None or (found.st_dev, found.st_ino) == index:
                        if self._fault is not None:
                            self._recover()
                        return
        except OSError:
            # Described below.
            pass
        raise self._unavailable(self._described(beside))

    def _unavailable(self, fault: str) -> Unavailable:
        # A command that finds the trouble when it begins says so itself.
        if fault != self._fault and self._identity is not None:
            self._fault = fault
            self._shared[4] = fault == _NO_INDEX
            error_log.error("SQLite file %s: %s. Until then every request is answered with 503.", self._main, fault)
        return unavailable(Trouble.REPLACED, fault)

    def _recover(self) -> None:
        self._fault = None
        self._shared[4] = False
        error_log.warning("SQLite file %s is there again", self._main)

    def _described(self, beside: Beside | None) -> str:
        found = _identity(self._main)
        if found is None:
            return "its file is gone: put it back, or stop the service and run `scimlite db restore`"
        if found != self._identity:
            return "another file is in its place: put the first one back, or restart the service to use the new one"
        wal, index = _identity(self._wal), _identity(self._index)
        if wal is None:
            return _NO_WAL
        if beside is not None and wal != beside[0]:
            return _OTHER.format("-wal")
        return _NO_INDEX if index is None else _OTHER.format("-shm")


def _written(found: os.stat_result) -> tuple[int, int]:
    return found.st_mtime_ns, found.st_size


def _identity(path: str) -> Identity | None:
    """The identity of a file; None when there is none that can be reached."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_locked(path: str, first: int, count: int) -> bool:
    """True when another process has locked bytes of a file. Not for files in `_opened`."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, count, first)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def _lasts(condition: Callable[[], bool]) -> bool:
    """True when a condition holds for longer than other processes take to open or close a database."""
    for pause in _PAUSES:
        if not condition():
            return False
        time.sleep(pause)
    return condition()


def _descriptor(path: str, identity: Identity) -> int:
    """A descriptor of a file with this identity, for reading; -1 when there is none."""
    file = _descriptors.get(identity, -1)
    if file < 0 and len(_descriptors) < _MOST_DESCRIPTORS:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1
        found = os.fstat(file)
        # Kept under its own identity: another file may have come to the path just now.
        _descriptors.setdefault((found.st_dev, found.st_ino), file)
        file = _descriptors.get(identity, -1)
    return file
