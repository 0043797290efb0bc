"""What SQLite leaves behind when it writes to a database's file, so that somebody else's writing is noticed.

In WAL mode SQLite writes to the file in checkpoints alone, and notes each in the WAL's index before it begins:
https://www.sqlite.org/walformat.html#the_wal_index_file_format
"""

from __future__ import annotations

import os

#: Where a file has its change counter, 4 bytes: https://www.sqlite.org/fileformat2.html#file_change_counter
_CHANGE_COUNTER = 24
#: The smallest page; a file's first one begins with its header, and has the roots of its tables.
_BEGINNING = 512
#: Where its header has the size and number of pages, the change counter, and what that was when they were counted:
#: https://www.sqlite.org/fileformat2.html#in_header_database_size
_PAGE_SIZE, _PAGES, _CHANGES, _COUNTED_AT = slice(16, 18), slice(28, 32), slice(24, 28), slice(92, 96)
#: Where the index has the two salts of the WAL, and the frames that checkpoints have written and mean to write.
_SALTS, _WRITTEN, _MEANT = slice(32, 40), slice(96, 100), slice(128, 132)
_INDEX_HEADER = 136

#: What others did to a file, in the words of an operator.
OVERWRITTEN = "another file was copied over it: stop the service, and run `scimlite db restore`"
CUT = "something has cut off its end: stop the service, and run `scimlite db restore`"


def change_counter(file: int) -> int:
    """SQLite's count of changes in the header of an open file; 0 for a file without one."""
    return int.from_bytes(os.pread(file, 4, _CHANGE_COUNTER), "big")


def beginning(file: int) -> bytes:
    """The beginning of an open file."""
    return os.pread(file, _BEGINNING, 0)


def checkpoint(index: int) -> bytes | None:
    """Which checkpoint was the last, from an open index; None while one is under way or nothing can be told."""
    header = os.pread(index, _INDEX_HEADER, 0) if index >= 0 else b""
    if len(header) < _INDEX_HEADER or header[_WRITTEN] != header[_MEANT]:
        return None
    return header[_SALTS] + header[_WRITTEN]


class Traces:
    """The beginning and size of a file, and the last checkpoint that had written to it; None when that is not known."""

    def __init__(self) -> None:
        self.checkpoint: bytes | None = None
        self.beginning = b""
        self.size = 0

    def compare(self, file: int, index: int) -> str | None:
        """Returns CUT or OVERWRITTEN when an open file differs from what it was after the same checkpoint.

        Else the file is remembered as it is. In: the descriptors of the file and of the WAL's index, -1 for none.
        """
        before = checkpoint(index)
        found, size = beginning(file), os.fstat(file).st_size
        after = checkpoint(index)
        # A checkpoint that began meanwhile may have written any part of it.
        known = after if before == after else None
        if known is not None and known == self.checkpoint:
            if found != self.beginning:
                return OVERWRITTEN
            if size < self.size:
                return CUT
        # After another checkpoint it may be shorter, also than its header says: pages that were written again
        # since stay in the WAL when a reader holds it back. But a WAL begins anew only when all of it is in the file.
        elif known is not None and not any(known[8:]) and self.checkpoint is not None and size < _counted(found):
            return CUT
        self.checkpoint, self.beginning, self.size = known, found, size
        return None


def _counted(header: bytes) -> int:
    """The bytes of a file by its own header; 0 for a header that says that its number of pages is out of date."""
    if header[_CHANGES] != header[_COUNTED_AT]:
        return 0
    page = int.from_bytes(header[_PAGE_SIZE], "big")
    return (65536 if page == 1 else page) * int.from_bytes(header[_PAGES], "big")
