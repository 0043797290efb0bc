"""Carries out a POST: stores a new resource in one transaction."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import peewee

from .. import clock
from ..apps import features
from ..db import Database, Slot, prepared
from ..db.tables import ResourceRow
from ..journal import Action
from ..scim import ceilings, patch_plan
from ..scim import document as documents
from ..scim.document import Document
from ..scim.intake import Cleaned
from ..scim.schema import ResourceType
from . import member_changes, passwords, profiles, tombstones, value_index
from .attempt import Attempt
from .identity import Subject, entry, remember
from .read import Resource


class Creation:
    """A new resource, prepared outside the transaction that stores it."""

    def __init__(self, attempt: Attempt, resource_type: ResourceType, cleaned: Cleaned, revive_since: int) -> None:
        app = attempt.workspace.app
        features.allow_create(app.settings, app.slug, resource_type, with_members=bool(cleaned.links))
        self._attempt = attempt
        self._workspace = attempt.workspace
        self._type = resource_type
        self._cleaned = cleaned
        self._revive_since = revive_since
        # Prepared before the transaction begins, because other writers wait during a transaction.
        self._filled = documents.with_defaults(resource_type, cleaned.document)
        self._new = _identified(self._filled, str(uuid.uuid4()))
        self._text = orjson.dumps(self._new)
        ceilings.check(resource_type, self._new, len(self._text), attempt.workspace.limits, {})
        self._profile = profiles.text(app, resource_type, self._new)
        self._values = documents.value_rows(resource_type, self._new)
        # Last, because it costs more than all the rest.
        self._password = passwords.change(attempt.workspace, resource_type, cleaned.secrets)

    def carry_out(self) -> Resource:
        """Stores the resource; Uniqueness names the attribute when a unique value is taken."""
        try:
            return self._workspace.db.transact(self._write)
        except peewee.IntegrityError as error:
            conflict = value_index.conflict(self._workspace, self._type, None, self._new, error)
            if conflict is None:
                raise
            raise conflict from None

    def _write(self) -> Resource:
        workspace = self._workspace
        revived = tombstones.revivable(workspace, self._type, self._filled, self._revive_since)
        document = _identified(self._filled, revived.id) if revived else self._new
        subject = Subject(self._type, document["id"], document)
        if revived:
            resource = tombstones.revive(workspace.db, revived, subject, orjson.dumps(document).decode())
        else:
            at = clock.after(member_changes.newest(workspace, self._cleaned.links))
            resource = self._insert(subject, self._text.decode(), at)
        value_index.write(workspace, self._type, resource.row, set(), self._values)
        notes = [tombstones.REVIVED if revived else None, passwords.apply(workspace, resource.row, self._password)]
        action = Action.RESTORED if revived else Action.CREATED
        entries = [entry(action, subject, {}, self._cleaned.ignored, "; ".join(filter(None, notes)))]
        if self._cleaned.links:
            step = patch_plan.LinkStep(add=dict.fromkeys(self._cleaned.links))
            displays = self._cleaned.displays
            entries += member_changes.change(workspace, resource.row, [step], subject.pair, displays).entries
        self._attempt.record(entries, resource, resource.modified_at)
        remember(workspace, subject, {})
        # No group holds a new resource, and a new group has only the members of the body.
        resource.derived = []
        resource.links = None if self._cleaned.links else []
        return resource

    def _insert(self, subject: Subject, text: str, at: int) -> Resource:
        app = self._workspace.app
        row = self._workspace.db.scalar(
            _insert_resource,
            app_id=app.id,
            type=subject.type,
            uuid=subject.id,
            name=subject.name,
            display=subject.display,
            active=subject.active,
            active_since=at if subject.is_user and subject.active else None,
            created_at=at,
            modified_at=at,
            document=text,
            profile=self._profile,
            profile_version=app.mapping_version,
        )
        return Resource(row, subject.id, subject.type, 1, at, at, text)


def _identified(document: Document, id: str) -> Document:
    """A new document with its id, in the order in which clients see the members."""
    return {"schemas": document["schemas"], "id": id, **document}


@prepared
def _insert_resource(db: Database) -> Any:
    columns = (
        "app_id",
        "type",
        "uuid",
        "name",
        "display",
        "active",
        "active_since",
        "created_at",
        "modified_at",
        "document",
        "profile",
        "profile_version",
    )
    values = {getattr(ResourceRow, column): Slot(column) for column in columns}
    return ResourceRow.insert({**values, ResourceRow.version: 1}).returning(ResourceRow.id)
