"""What is wrong with a database that cannot be used, in the words of an operator."""

from __future__ import annotations

from enum import StrEnum

from ..errors import Unavailable


class Trouble(StrEnum):
    """A reason for which a database cannot be used, and which is no fault of ours; the value completes "…: "."""

    BUSY = "it is busy"
    UNREACHABLE = "it cannot be reached"
    FULL = "the disk is full"
    READ_ONLY = "it is read-only"
    IO = "its disk reports an I/O error"
    MEMORY = "there is not enough memory"
    BROKEN = "it is damaged"
    REPLACED = "its file is not the file any more that was opened"


#: What ends by itself within seconds; all else waits for an operator.
_PASSING = (Trouble.BUSY, Trouble.UNREACHABLE)
#: Seconds after which clients may try again when an operator has to act.
_LATER = 30


def unavailable(trouble: Trouble, reason: str | None = None) -> Unavailable:
    """Returns the error that a client gets, which carries the reason for the operator.

    In: `reason`, a text that says more than the trouble's own words; it may name files, never stored values.
    """
    reason = reason or trouble.value
    if trouble in _PASSING:
        detail = "The database cannot be reached or is busy; try again in a moment."
        return Unavailable(detail, reason=reason, summary=trouble.value)
    detail = "The database cannot be used at the moment; try again later."
    return Unavailable(detail, retry_after=_LATER, reason=reason, summary=trouble.value)
