"""The user that a token was issued for, and hashes of passwords apart from the documents."""

from __future__ import annotations

from typing import Any

_STATEMENTS = (
    "ALTER TABLE token ADD COLUMN subject TEXT",
    """CREATE TABLE password (
        resource_id {bigint} PRIMARY KEY, app_id {bigint} NOT NULL, hash TEXT NOT NULL, changed_at {bigint} NOT NULL,
        FOREIGN KEY (app_id, resource_id) REFERENCES resource (app_id, id))""",
    "CREATE INDEX password_app ON password (app_id)",
)


def up(migrator: Any, db: Any) -> None:
    """Adds the column and the table."""
    bigint = "INTEGER" if db.param == "?" else "BIGINT"
    for statement in _STATEMENTS:
        db.execute_sql(statement.format(bigint=bigint))
