"""Schemas and resource types that operators declare."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """A column of `app`: read with the settings and valid for the same version, so that nothing stale is ever used."""
    db.execute_sql("ALTER TABLE app ADD COLUMN declared TEXT NOT NULL DEFAULT '{}'")
