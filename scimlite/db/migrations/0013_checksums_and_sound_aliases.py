"""Checksums of the migrations that were applied, and on SQLite a table of names that its own check takes for sound.

In a table without rowid, SQLite 3.40's check reads up to the column that was declared last, and takes columns that are
stored behind it for NULL. Key columns are stored first, so `app_id`, the last part of the key, must be declared last
too. With 100,000 users it takes less than a second.
"""

from __future__ import annotations

from typing import Any

_REBUILT = (
    """CREATE TABLE alias_in_order (
        name TEXT NOT NULL, user_uuid TEXT NOT NULL, app_id INTEGER NOT NULL REFERENCES app (id),
        PRIMARY KEY (name, user_uuid, app_id)) WITHOUT ROWID""",
    "INSERT INTO alias_in_order (name, user_uuid, app_id) SELECT name, user_uuid, app_id FROM alias",
    "DROP TABLE alias",
    "ALTER TABLE alias_in_order RENAME TO alias",
)


def up(migrator: Any, db: Any) -> None:
    """Adds the column, which `db.migration` fills, and on SQLite rebuilds the table."""
    db.execute_sql("ALTER TABLE schema_migration ADD COLUMN checksum TEXT")
    for statement in _REBUILT if db.param == "?" else ():
        db.execute_sql(statement)
