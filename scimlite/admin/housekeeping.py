"""Housekeeping: what has to be tidied away from time to time, whether or not a client asks for anything."""

from __future__ import annotations

from dataclasses import dataclass

from ..db import Database
from ..journal import refusals


@dataclass(frozen=True, slots=True)
class Tidied:
    """How much was tidied away."""

    #: Kept requests that were older than a week.
    refusals: int


def tidy(db: Database) -> Tidied:
    """Delete what is kept for a limited time only; some at a time, so that writers do not wait.

    Raises Unavailable when the database is locked or cannot be reached; what was done until then is done.
    """
    return Tidied(refusals.forget_old(db))
