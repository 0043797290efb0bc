"""Tombstones: deleted resources, which are hidden and kept, and can be restored or revived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from .. import clock
from ..apps.features import AppSettings
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.tables import AliasRow, MemberRow, ResourceRow
from ..scim import core
from ..scim.document import Document
from ..scim.schema import ResourceType
from . import passwords, value_index
from .identity import Subject
from .read import Resource

#: How a resource became a tombstone: by DELETE, by a DELETE that deprovisions a user, or by `active` = false.
DELETED = "deleted"
DEPROVISIONED = "deprovisioned"
DEACTIVATED = "deactivated"
#: The journal's note about a revived user.
REVIVED = "revived: created with the externalId of a deleted user, whose memberships do not come back"


# --- burying ------------------------------------------------------------------------------------------------------


def deprovisions(settings: AppSettings) -> bool:
    """True when users who are deactivated or deleted in the source are deprovisioned here."""
    return settings.delete_the_deactivated


def why(settings: AppSettings, *, deactivated: bool) -> str:
    """The reason why a user was deprovisioned or kept, for the journal."""
    if deactivated:
        return "deactivated in the source, and delete-the-deactivated is on: deprovisioned"
    if deprovisions(settings):
        return "delete-the-deactivated is on: deprovisioned"
    return "delete-the-deactivated is off: disabled, hidden and kept"


def bury(db: Database, row: int, at: int, version: int, ended: str) -> None:
    """Hides a locked resource and frees its unique values; its document and member rows stay for a restore."""
    db.execute(_bury_resource, row=row, at=at, version=version, ended=ended)
    value_index.free(db, row)
    passwords.forget(db, row)


@prepared
def _bury_resource(db: Database) -> Any:
    return ResourceRow.update(
        {
            ResourceRow.deleted_at: Slot("at"),
            ResourceRow.modified_at: Slot("at"),
            ResourceRow.active: 0,
            ResourceRow.active_since: None,
            ResourceRow.version: Slot("version"),
            ResourceRow.ended: Slot("ended"),
        }
    ).where(ResourceRow.id == Slot("row"))


# --- reviving -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Revived:
    """The parts of a tombstone that a POST brings back, and its old document; times are microseconds."""

    row: int
    id: str
    created_at: int
    modified_at: int
    version: int
    document: str


#: The columns of Revived, in its order.
_COLUMNS = (
    ResourceRow.id,
    ResourceRow.uuid,
    ResourceRow.created_at,
    ResourceRow.modified_at,
    ResourceRow.version,
    ResourceRow.document,
)


def revivable(workspace: Workspace, resource_type: ResourceType, document: Document, since: int) -> Revived | None:
    """The tombstone that a new user revives: the only one that has its externalId and ended after `since`.

    None when the app does not revive users. The tombstone stays locked until the transaction ends. A userName never
    finds it: a new user with the name of a former one must not get the former user's account.
    """
    app, external_id = workspace.app, document.get("externalId")
    if not app.settings.revive or resource_type.name != core.USER.name or not external_id:
        return None
    rows = workspace.db.rows(_by_external_id, app=app.id, type=resource_type.name, name=external_id[:500], since=since)
    tombstones = [Revived(*row) for row in rows]
    same = [tombstone for tombstone in tombstones if orjson.loads(tombstone.document).get("externalId") == external_id]
    return same[0] if len(same) == 1 else None


@prepared
def _by_external_id(db: Database) -> Any:
    # Aliases are all names that a user ever had; `revivable` compares with the tombstone's own document.
    users = AliasRow.select(AliasRow.user_uuid).where(AliasRow.app_id == Slot("app"), AliasRow.name == Slot("name"))
    return db.locking(
        ResourceRow.select(*_COLUMNS).where(
            ResourceRow.app_id == Slot("app"),
            ResourceRow.uuid.in_(users),
            ResourceRow.type == Slot("type"),
            ResourceRow.deleted_at > Slot("since"),
        )
    )


def revive(db: Database, revived: Revived, subject: Subject, text: str) -> Resource:
    """Gives a new user the id of a locked tombstone, with a new document and without the old memberships.

    It belongs to the caller's transaction, which also writes the value rows.
    """
    resource = Resource(
        revived.row,
        revived.id,
        subject.type,
        revived.version + 1,
        revived.created_at,
        clock.after(revived.modified_at),
        text,
    )
    db.execute(_delete_memberships, row=revived.row)
    live_again(db, resource, subject)
    return resource


def live_again(db: Database, resource: Resource, subject: Subject) -> None:
    """Makes a tombstone a living resource again, in the caller's transaction, which writes the value rows."""
    # The old value rows go, because the schemas may have changed since the resource was deleted.
    value_index.clear(db, resource.row)
    db.execute(
        _restore_resource,
        row=resource.row,
        name=subject.name,
        display=subject.display,
        version=resource.version,
        at=resource.modified_at,
        active=subject.active,
        since=resource.modified_at if subject.is_user and subject.active else None,
        document=resource.document,
    )


@prepared
def _delete_memberships(db: Database) -> Any:
    return MemberRow.delete().where(MemberRow.member_id == Slot("row"))


@prepared
def _restore_resource(db: Database) -> Any:
    return ResourceRow.update(
        {
            ResourceRow.deleted_at: None,
            ResourceRow.ended: None,
            ResourceRow.name: Slot("name"),
            ResourceRow.display: Slot("display"),
            ResourceRow.active: Slot("active"),
            ResourceRow.active_since: Slot("since"),
            ResourceRow.modified_at: Slot("at"),
            ResourceRow.version: Slot("version"),
            ResourceRow.document: Slot("document"),
            # The profile is made again when it is read, because the mapping may have changed.
            ResourceRow.profile: None,
            ResourceRow.profile_version: 0,
        }
    ).where(ResourceRow.id == Slot("row"))
