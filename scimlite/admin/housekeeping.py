"""Housekeeping: deletes, from time to time, data that is kept for a limited time."""

from __future__ import annotations

from dataclasses import dataclass

from ..db import Database
from ..journal import refusals, tallies
from ..operators import attempts, links, sessions


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many rows were deleted."""

    #: Kept requests that were older than a week.
    refusals: int
    #: Counts of days that are too long ago.
    tallies: int
    #: Sessions that have ended, sign-in links that are too old, failed sign-ins that do not count any more.
    sign_ins: int


def tidy(db: Database) -> Tidied:
    """Deletes data that is kept for a limited time only, in chunks, so that writers do not wait.

    Raises Unavailable when the database is locked or cannot be reached; rows deleted until then stay deleted.
    """
    return Tidied(
        refusals=refusals.forget_old(db),
        tallies=tallies.forget_old(db),
        sign_ins=sessions.forget_old(db) + links.forget_old(db) + attempts.forget_old(db),
    )
