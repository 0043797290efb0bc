"""Profiles of apps with the default mapping become new ones, because its `email` has another source."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Counts up the version of the mapping, so that whoever reads a profile makes it anew."""
    db.execute_sql("UPDATE app SET mapping_version = mapping_version + 1, version = version + 1 WHERE mapping = '{}'")
