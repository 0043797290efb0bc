"""On SQLite, an index that counts living resources and skips pages of them without looking into each row."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Replaces the index: of a partial one SQLite does not know that its condition holds. PostgreSQL does."""
    if db.param == "?":
        db.execute_sql("DROP INDEX resource_living")
        db.execute_sql("CREATE INDEX resource_living ON resource (app_id, type, deleted_at, id)")
