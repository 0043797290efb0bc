"""The number of disabled users: an index of them alone.

Active users and deleted ones are not in it, so that most writes do not touch it. It takes a second for a million users.
"""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Makes the index."""
    db.execute_sql(
        "CREATE INDEX resource_disabled ON resource (app_id, type, id) WHERE deleted_at IS NULL AND active = 0"
    )
