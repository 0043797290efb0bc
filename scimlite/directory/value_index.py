"""The value rows of resources, which filters read and which make values unique; written in the caller's transaction."""

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

#: Characters of a unique key; a longer key is stored as its digest, because the size of a B-tree entry is limited.
LONGEST_UNIQUE_KEY = 256


def unique_key(key: str) -> str:
    """The unique index's text for a key: the key, or its digest when it is long."""
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
    """The columns `unique_key` and `sought` of a value, which two indexes cover."""
    unique = unique_key(value.key) if value.path in resource_type.unique_paths else None
    return unique, int(value.path in resource_type.sought_paths)


def write(
    workspace: Workspace,
    resource_type: ResourceType,
    row: int,
    before: set[documents.ValueRow],
    after: set[documents.ValueRow],
) -> None:
    """Replaces a resource's value rows `before` with `after`; only the difference is written.

    Raises IntegrityError when a unique value is taken, which `conflict` explains.
    """
    unique = resource_type.unique_paths
    new = sorted(after - before)
    if before:
        kept = {value[:3] for value in new}
        # Two items may have swapped a unique value, so old rows of unique values are deleted first.
        gone = [value for value in before - after if value.path in unique or value[:3] not in kept]
        places = [{"resource_id": row, "path": v.path, "item": v.item, "nth": v.nth} for v in gone]
        workspace.db.execute_many(_delete_value, places)
    app_id, kind = workspace.app.id, resource_type.name
    rows = [(app_id, kind, row, *value, *indexed(resource_type, value)) for value in new]
    workspace.db.insert(_upsert_values if before else insert_values, rows)


def free(db: Database, row: int) -> None:
    """Lets other resources have the unique values of a deleted one.

    Its value rows stay, because each lies in another page of the file, and searches ask for living resources anyway.
    """
    db.execute(_clear_unique_keys, resource_id=row)


def clear(db: Database, row: int) -> None:
    """Deletes the value rows of a tombstone before it gets those of its new life."""
    db.execute(_delete_values, resource_id=row)


def conflict(
    workspace: Workspace, resource_type: ResourceType, id: str | None, document: Document, error: peewee.IntegrityError
) -> Uniqueness | None:
    """The error for a write that failed because a unique value is taken; it names the attribute.

    In: the document of the write, and the id of the resource, None for a new one. Returns None when the database
    refused the write for another reason, which is an error in this program.
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
    """A sentence about the unique value that is taken, and its path."""
    seen: set[tuple[str, str]] = set()
    for value in sorted(documents.value_rows(resource_type, new)):
        if value.path in resource_type.unique_paths:
            if (value.path, value.key) in seen:
                return f"This {resource_type.name} has the same {value.path} twice.", value.path
            seen.add((value.path, value.key))
            holders = workspace.db.rows(
                _holders,
                app=workspace.app.id,
                type=resource_type.name,
                path=value.path,
                key=unique_key(value.key),
            )
            if any(row[0] != id for row in holders):
                return f"Another {resource_type.name} of this app already has this {value.path}.", value.path
    return f"Another {resource_type.name} of this app already has one of these unique values.", None
