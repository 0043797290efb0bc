"""The thread of each worker process that keeps the database tidy."""

from __future__ import annotations

import random
import threading
import time

from scimlite import deadline
from scimlite.admin import housekeeping
from scimlite.db import Database, DatabaseError
from scimlite.errors import ScimError, Unavailable
from scimlite.redaction import error_log

#: Seconds between two rounds of housekeeping, and that a round may take.
_EVERY = 3600
_LONGEST = 300.0


def start(db: Database) -> None:
    """Starts the housekeeping of this process in the service's own database; its thread ends with the process.

    Another object for the same SQLite file could open another file that somebody put in its place.
    """
    threading.Thread(target=_tidy_regularly, args=(db,), name="housekeeping", daemon=True).start()


def _tidy_regularly(db: Database) -> None:
    """Run the housekeeping within seconds of the start and then every hour; several workers may run it at once."""
    # Jitter, so that the workers of several servers do not begin together.
    pause = random.uniform(0, 5)
    while True:
        time.sleep(pause)
        pause = random.uniform(0.9, 1.1) * _EVERY
        try:
            # A missing SQLite file is not made anew.
            if db.exists():
                with deadline.within(_LONGEST):
                    housekeeping.tidy(db)
        except Unavailable as error:
            # No fault of ours, and nothing is lost by waiting.
            error_log.error("housekeeping: database unavailable: %s; again in an hour", error.reason or error.detail)
        except (ScimError, DatabaseError):
            error_log.exception("housekeeping failed; it is tried again in an hour")
        finally:
            db.close()
