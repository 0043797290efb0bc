"""The thread of each worker process that keeps the database tidy."""

from __future__ import annotations

import random
import threading
import time

from scimlite.admin import housekeeping
from scimlite.config import Settings
from scimlite.db import DatabaseError
from scimlite.errors import ScimError, Unavailable
from scimlite.installation import database
from scimlite.redaction import error_log

#: Seconds between two rounds of housekeeping.
_EVERY = 3600


def start(settings: Settings) -> None:
    """Starts the housekeeping of this process; its thread ends with the process."""
    threading.Thread(target=_tidy_regularly, args=(settings,), name="housekeeping", daemon=True).start()


def _tidy_regularly(settings: Settings) -> None:
    """Run the housekeeping within seconds of the start and then every hour; several workers may run it at once."""
    # Jitter, so that the workers of several servers do not begin together.
    pause = random.uniform(0, 5)
    while True:
        time.sleep(pause)
        pause = random.uniform(0.9, 1.1) * _EVERY
        db = database(settings)
        try:
            # A missing SQLite file is not made anew.
            if db.exists():
                housekeeping.tidy(db)
        except Unavailable:
            # No fault of ours, and nothing is lost by waiting.
            error_log.error("housekeeping: no answer from the database; again in an hour")
        except (ScimError, DatabaseError):
            error_log.exception("housekeeping failed; it is tried again in an hour")
        finally:
            db.close()
