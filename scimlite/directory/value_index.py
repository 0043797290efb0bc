"""The value rows of resources: what filters read and what makes values unique, inside the caller's transaction."""

from __future__ import annotations

import hashlib
from typing import Any

import peewee

from ..apps.workspace import Workspace
from ..db import Database, Insert, Slot, prepared
from ..db.tables import ResourceRow, ValueRow
from ..errors import Remedy, Uniqueness
from ..scim import core
from ..scim import document as documents
from ..scim.document import Document
from ..scim.schema import ResourceType

#: A unique key longer than this is kept as its digest (store), because a B-tree entry has a largest size.
LONGEST_UNIQUE_KEY = 256


def unique_key(key: str) -> str:
    """What stands in the unique index for a key: itself, or a digest when it is long."""
    if len(key) <= LONGEST_UNIQUE_KEY:
        return key
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


_COLUMNS = ("app_id", "type", "resource_id", "path", "item", "nth", "key", "unique_key", "sought")
insert_values = Insert(ValueRow, _COLUMNS)


def _replacing(query: Any) -> Any:
    place = [ValueRow.resource_id, ValueRow.path, ValueRow.item, ValueRow.nth]
    return query.on_conflict(conflict_target=place, preserve=[ValueRow.key, ValueRow.unique_key, ValueRow.sought])


_upsert_values = Insert(ValueRow, _COLUMNS, _replacing)


@prepared
def _delete_value(db: Database) -> Any:
    return ValueRow.delete().where(
        ValueRow.resource_id == Slot("resource_id"),
        ValueRow.path == Slot("path"),
        ValueRow.item == Slot("item"),
        ValueRow.nth == Slot("nth"),
    )


@prepared
def _delete_values(db: Database) -> Any:
    return ValueRow.delete().where(ValueRow.resource_id == Slot("resource_id"))


@prepared
def _clear_unique_keys(db: Database) -> Any:
    return ValueRow.update({ValueRow.unique_key: None}).where(
        ValueRow.resource_id == Slot("resource_id"), ValueRow.unique_key.is_null(False)
    )


def indexed(resource_type: ResourceType, value: documents.ValueRow) -> tuple[str | None, int]:
    """The columns `unique_key` and `sought` of a value: how the two indexes have it."""
    unique = unique_key(value.key) if value.path in resource_type.unique_paths else None
    return unique, int(value.path in resource_type.sought_paths)


def write(
    workspace: Workspace,
    resource_type: ResourceType,
    row: int,
    before: set[documents.ValueRow],
    after: set[documents.ValueRow],
) -> None:
    """Make a resource's rows those of `after`, when they are those of `before`: only the difference is written.

    Raises IntegrityError when a unique value is taken, which `unique` understands.
    """
    unique = resource_type.unique_paths
    new = sorted(after - before)
    if before:
        kept = {value[:3] for value in new}
        # Two items may have swapped a unique value: of those the old rows go first.
        gone = [value for value in before - after if value.path in unique or value[:3] not in kept]
        places = [{"resource_id": row, "path": v.path, "item": v.item, "nth": v.nth} for v in gone]
        workspace.db.execute_many(_delete_value, places)
    app_id, kind = workspace.app.id, resource_type.name
    rows = [(app_id, kind, row, *value, *indexed(resource_type, value)) for value in new]
    workspace.db.insert(_upsert_values if before else insert_values, rows)


def free(db: Database, row: int) -> None:
    """Let others have a deleted resource's unique values.

    Its rows stay, for each lies in a page of its own: whoever reads them asks for living resources.
    """
    db.execute(_clear_unique_keys, resource_id=row)


def clear(db: Database, row: int) -> None:
    """Delete all rows of a resource that is to live again, before it gets those of its document."""
    db.execute(_delete_values, resource_id=row)


def conflict(
    workspace: Workspace, resource_type: ResourceType, id: str | None, document: Document, error: peewee.IntegrityError
) -> Uniqueness | None:
    """The error for a write that the database refused because a unique value is taken, naming the attribute.

    In: the document that was to be written, and the id of the resource, None for a new one. None when the database
    refused it for another reason, which is a fault of ours.
    """
    if not workspace.db.not_unique(error, "value", "unique_key"):
        return None
    detail, path = _taken(workspace, resource_type, document, id)
    optional = resource_type.name == core.GROUP.name and path == "displayName"
    return Uniqueness(detail, remedy=Remedy(feature="unique-group-names", value="off") if optional else None)


@prepared
def _holders(db: Database) -> Any:
    return (
        ValueRow.select(ResourceRow.uuid)
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .where(
            ValueRow.app_id == Slot("app"),
            ValueRow.type == Slot("type"),
            ValueRow.path == Slot("path"),
            ValueRow.unique_key == Slot("key"),
        )
    )


def _taken(workspace: Workspace, resource_type: ResourceType, new: Document, id: str | None) -> tuple[str, str | None]:
    """Which unique value is taken, in words, and its path."""
    seen: set[tuple[str, str]] = set()
    for value in sorted(documents.value_rows(resource_type, new)):
        if value.path in resource_type.unique_paths:
            if (value.path, value.key) in seen:
                return f"This {resource_type.name} has the same {value.path} twice.", value.path
            seen.add((value.path, value.key))
            held = workspace.db.rows(
                _holders,
                app=workspace.app.id,
                type=resource_type.name,
                path=value.path,
                key=unique_key(value.key),
            )
            if any(row[0] != id for row in held):
                return f"Another {resource_type.name} of this app already has this {value.path}.", value.path
    return f"Another {resource_type.name} of this app already has one of these unique values.", None
