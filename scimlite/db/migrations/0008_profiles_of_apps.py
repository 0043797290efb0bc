"""The profile of an app, and the names that clients send for members of groups."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Adds two columns; apps that are there have the default profile."""
    db.execute_sql("ALTER TABLE app ADD COLUMN profile TEXT NOT NULL DEFAULT 'default'")
    db.execute_sql("ALTER TABLE member ADD COLUMN display TEXT")
