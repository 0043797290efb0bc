"""When refusals of a token were last journalled, by cause, so that one cause does not hide the next."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Adds the column in place of the time of the last refusal for any cause."""
    db.execute_sql("ALTER TABLE token ADD COLUMN refusals TEXT")
    db.execute_sql("ALTER TABLE token DROP COLUMN refused_at")
