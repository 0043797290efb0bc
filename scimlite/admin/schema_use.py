"""How much of an app's own schemas is in use: resources that have values of one, counted up to a limit."""

from __future__ import annotations

from collections.abc import Iterable

from ..apps import App
from ..db import Database
from ..db.tables import ResourceRow, ValueRow, sought
from ..scim.schema import Schema
from .schemas import Listed

#: A count ends here, so that a page with many schemas costs the same with 100 users and with 100,000.
MOST = 1000


def holders(db: Database, app: App, listed: Listed) -> int:
    """Returns how many living resources have values of a schema; MOST + 1 for more than MOST."""
    types = [use.resource_type.name for use in listed.uses if use.core]
    if types:
        # Every resource has its core schema.
        resources = ResourceRow.select(ResourceRow.id).where(
            ResourceRow.app_id == app.id, ResourceRow.type.in_(types), ResourceRow.deleted_at.is_null()
        )
        return len(db.rows(resources.limit(MOST + 1)))
    found: set[int] = set()
    for use in listed.uses:
        for path in _paths(listed.schema):
            query = (
                ValueRow.select(ValueRow.resource_id)
                .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
                .where(
                    ValueRow.app_id == app.id,
                    ValueRow.type == use.resource_type.name,
                    ValueRow.path == path,
                    sought(ValueRow),
                    ResourceRow.deleted_at.is_null(),
                )
                .limit(MOST + 1)
            )
            found |= {row[0] for row in db.rows(query)}
            if len(found) > MOST:
                return MOST + 1
    return len(found)


def _paths(schema: Schema) -> Iterable[str]:
    """Yields the index paths of a schema's attributes."""
    return (leaf.path for attribute in schema.attributes for leaf in attribute.leaves())
