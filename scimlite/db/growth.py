"""Statistics of PostgreSQL's tables while they grow from nothing.

A plan that was made while a table was empty is kept, and what it scans then grows with the table: requests, and the
checks of foreign keys too. PostgreSQL's own ANALYZE comes a minute late or more, and where autovacuum is off never. A
plan is made anew when its tables were analyzed, so each table is, whenever it has doubled.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from peewee import SQL, PeeweeException

from .. import deadline
from ..errors import ScimError
from ..redaction import error_log
from .tables import TABLES

if TYPE_CHECKING:
    from .database import Database

#: Seconds from a write to a look at the tables: the first after a table has grown, and the most.
_SOON, _LATE = 1.0, 10.0
#: Seconds after which a look is given up.
_LONGEST = 10.0
#: Pages below which every plan is as good as another one.
_FEW = 4

_NAMES = ", ".join(f"to_regclass('{table._meta.table_name}')" for table in TABLES)
#: The tables of this role that have doubled since they were last analyzed. Their size is the file's, because counts of
#: changed rows come late, or not at all where the operator has switched them off.
_GROWN = SQL(
    f"SELECT relname FROM pg_class WHERE oid IN ({_NAMES}) AND pg_has_role(relowner, 'USAGE') "
    "AND pg_relation_size(oid) / current_setting('block_size')::INTEGER "
    f">= greatest({_FEW}, 2 * relpages::BIGINT)"
)


class Growth:
    """Looks at the tables some seconds after a write, in a thread of its own, so that no request pays for it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.reset()

    def reset(self) -> None:
        """Begins anew; a forked process does so, because it has no thread."""
        #: The thread that will look; None when there is none.
        self._timer: threading.Timer | None = None
        self._pause = _SOON

    def note(self) -> None:
        """Notes that something was written."""
        if self._timer is None:
            timer = threading.Timer(self._pause, self._look)
            timer.name, timer.daemon = "statistics", True
            # Two threads may come here at once: one look too many does no harm.
            self._timer = timer
            try:
                timer.start()
            except RuntimeError:
                # No thread can be started now: the next write tries again.
                self._timer = None

    def _look(self) -> None:
        try:
            with deadline.within(_LONGEST):
                grown = self.analyze()
            self._pause = _SOON if grown else min(2 * self._pause, _LATE)
        except (ScimError, PeeweeException):
            # The database is in trouble, which requests tell; nothing is lost by waiting.
            error_log.debug("No table was analyzed", exc_info=True)
        finally:
            self._db.close()
            self._timer = None

    def analyze(self) -> list[str]:
        """Analyzes the tables that have doubled; returns their names."""
        grown = [name for (name,) in self._db.rows(_GROWN)]
        if grown:
            # What another process analyzes at this moment, or somebody changes, is left out.
            self._db.transact(lambda: self._db.execute(SQL(f"ANALYZE (SKIP_LOCKED) {', '.join(grown)}")))
        return grown
