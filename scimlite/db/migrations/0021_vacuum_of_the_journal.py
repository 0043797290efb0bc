"""PostgreSQL looks over new entries of the journal after some 10,000, and not only after a fifth of all.

An index answers alone only about pages that were vacuumed after they were written. With ten million entries the newest
two million would not be, and a chart of 30,000 of them reads each: 160 ms in place of 20. Nothing of the journal
changes, so that a vacuum reads the new pages alone.
"""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Sets when PostgreSQL vacuums the table by itself; SQLite has no such thing."""
    if db.param != "?":
        db.execute_sql(
            "ALTER TABLE journal SET "
            "(autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000)"
        )
