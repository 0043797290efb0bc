"""Tombstones: deleted resources that are hidden and kept, and how one lives again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

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

#: How a resource ended: by DELETE, or because it was deprovisioned, by DELETE or by `active` becoming false.
DELETED = "deleted"
DEPROVISIONED = "deprovisioned"
DEACTIVATED = "deactivated"
#: What the journal says of a user who was revived.
REVIVED = "revived: created with the externalId of a deleted user, whose memberships do not come back"


# --- burying ------------------------------------------------------------------------------------------------------


def deprovisions(settings: AppSettings) -> bool:
    """Whether users who are deactivated or deleted in the source are deprovisioned here."""
    return settings.delete_the_deactivated


def why(settings: AppSettings, *, deactivated: bool) -> str:
    """Why a user was deprovisioned or kept, for the journal."""
    if deactivated:
        return "deactivated in the source, and delete-the-deactivated is on: deprovisioned"
    if deprovisions(settings):
        return "delete-the-deactivated is on: deprovisioned"
    return "delete-the-deactivated is off: disabled, hidden and kept"


def bury(db: Database, row: int, at: int, version: int, ended: str) -> None:
    """Hide a locked resource and free its unique values; its document and member rows stay for a restore."""
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
    """A tombstone that a POST brings back: what stays of it."""

    row: int
    id: str
    created_at: int
    modified_at: int
    version: int


def revivable(workspace: Workspace, resource_type: ResourceType, document: Document, since: int) -> Revived | None:
    """The one tombstone with the externalId of a user who is created, if the app revives and it ended after `since`.

    Locked until the transaction ends. Never by userName: a name that is used again must not inherit a leaver's
    account.
    """
    app, external_id = workspace.app, document.get("externalId")
    if not app.settings.revive or resource_type.name != core.USER.name or not external_id:
        return None
    rows = workspace.db.rows(_by_external_id, app=app.id, type=resource_type.name, name=external_id[:500], since=since)
    same = [row for row in rows if orjson.loads(row[5]).get("externalId") == external_id]
    return Revived(*same[0][:5]) if len(same) == 1 else None


@prepared
def _by_external_id(db: Database) -> Any:
    columns = (
        ResourceRow.id,
        ResourceRow.uuid,
        ResourceRow.created_at,
        ResourceRow.modified_at,
        ResourceRow.version,
        ResourceRow.document,
    )
    # Names that users were ever known by; the tombstone's own document has the last word.
    known = AliasRow.select(AliasRow.user_uuid).where(AliasRow.app_id == Slot("app"), AliasRow.name == Slot("name"))
    return db.locking(
        ResourceRow.select(*columns).where(
            ResourceRow.app_id == Slot("app"),
            ResourceRow.uuid.in_(known),
            ResourceRow.type == Slot("type"),
            ResourceRow.deleted_at > Slot("since"),
        )
    )


def revive(db: Database, revived: Revived, who: Subject, text: str, at: int) -> Resource:
    """Give a new user the id of a locked tombstone: the document is another one, and the memberships stay away.

    In the caller's transaction, which writes the value rows.
    """
    resource = Resource(
        revived.row,
        revived.id,
        who.type,
        revived.version + 1,
        revived.created_at,
        max(at, revived.modified_at + 1),
        text,
    )
    db.execute(_delete_memberships, row=revived.row)
    live_again(db, resource, who)
    return resource


def live_again(db: Database, resource: Resource, who: Subject) -> None:
    """Make a tombstone a living resource again, in the caller's transaction, which writes the value rows."""
    # What it was found by is of the time when it ended: since then schemas may have changed.
    value_index.clear(db, resource.row)
    db.execute(
        _restore_resource,
        row=resource.row,
        name=who.name,
        display=who.display,
        version=resource.version,
        at=resource.modified_at,
        active=who.active,
        since=resource.modified_at if who.is_user and who.active else None,
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
            # Made again when it is read: the mapping may have changed meanwhile.
            ResourceRow.profile: None,
            ResourceRow.profile_version: 0,
        }
    ).where(ResourceRow.id == Slot("row"))
