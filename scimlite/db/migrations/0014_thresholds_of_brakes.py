"""How many more users may go before a brake counts again."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Adds the columns; without a value the brake counts at the next departure."""
    for column in ("spare", "spare_version"):
        db.execute_sql(f"ALTER TABLE brake ADD COLUMN {column} INTEGER")
    for column in ("spare_from", "spare_until"):
        db.execute_sql(f"ALTER TABLE brake ADD COLUMN {column} BIGINT")
