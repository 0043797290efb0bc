"""The index over keys without the attributes that nobody looks users up by: each cost a create a page of its own."""

from __future__ import annotations

from typing import Any

#: What was no longer `sought` when this was written (scim/core.py).
_UNSOUGHT = (
    *("name.formatted", "name.familyName", "name.givenName", "name.middleName"),
    *("name.honorificPrefix", "name.honorificSuffix", "nickName", "profileUrl", "title", "userType"),
    *("preferredLanguage", "locale", "timezone", "active", "photos.value", "x509Certificates.value"),
    *("addresses.formatted", "addresses.streetAddress", "addresses.locality", "addresses.region"),
    *("addresses.postalCode", "addresses.country", "addresses.type", "addresses.primary"),
    *(
        f"{holder}.{sub}"
        for holder in ("emails", "phoneNumbers", "ims", "photos", "entitlements", "roles", "x509Certificates")
        for sub in ("display", "type", "primary")
    ),
)

_STATEMENTS = (
    "ALTER TABLE value ADD COLUMN sought SMALLINT NOT NULL DEFAULT 1",
    "DROP INDEX value_key",
    f"UPDATE value SET sought = 0 WHERE type = 'User' AND path IN ({', '.join(map(repr, _UNSOUGHT))})",
    "CREATE INDEX value_key ON value (app_id, type, path, substr(key, 1, 200)) WHERE sought = 1",
)


def up(migrator: Any, db: Any) -> None:
    """Adds the column and makes the index anew; on SQLite the file keeps its size, and uses what became free."""
    for statement in _STATEMENTS:
        db.execute_sql(statement)
