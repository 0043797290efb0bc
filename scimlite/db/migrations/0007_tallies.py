"""How often something happened in an app, by day: small deviations that were taken, tokens that were refused."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Adds the table. The day comes first: a week is read, and what is old is deleted, in one stretch."""
    bigint, without_rowid = ("INTEGER", "WITHOUT ROWID") if db.param == "?" else ("BIGINT", "")
    db.execute_sql(
        f"""CREATE TABLE tally (
        day INTEGER NOT NULL, app_id {bigint} NOT NULL REFERENCES app (id), kind TEXT NOT NULL, name TEXT NOT NULL,
        times {bigint} NOT NULL, PRIMARY KEY (day, app_id, kind, name)) {without_rowid}"""
    )
