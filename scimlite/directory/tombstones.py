"""Tombstones: deleted resources that are kept, restored, revived, and in the end purged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from peewee import fn

from .. import clock, journal
from ..apps import App, AppError
from ..apps.features import AppSettings
from ..db import Database, Slot, prepared
from ..db.tables import AliasRow, DepartureRow, MemberRow, ResourceRow, ValueRow
from ..errors import InvalidValue, Uniqueness
from ..events import signals
from ..journal import Action, Entry, Origin
from ..scim import core
from ..scim import document as documents
from ..scim.document import Document
from ..scim.schema import ResourceType
from . import members, passwords, value_index
from .identity import Subject, entry
from .read import Resource

#: How a resource ended: by DELETE, or because it was deprovisioned, by DELETE or by `active` becoming false.
DELETED = "deleted"
DEPROVISIONED = "deprovisioned"
DEACTIVATED = "deactivated"
#: What the journal says of a user who was revived.
REVIVED = "revived: created with the externalId of a deleted user, whose memberships do not come back"

#: Resources purged in one transaction: writers wait for no longer than that takes.
_CHUNK = 500
#: Groups that are named in a journal entry.
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A deleted resource; times are microseconds since 1970 UTC."""

    row: int
    app: App
    type: str
    id: str
    name: str
    display: str | None
    deleted_at: int
    #: DELETED, DEPROVISIONED or DEACTIVATED.
    ended: str

    @property
    def purgeable(self) -> bool:
        """Whether it may go when it is old enough: a user who was deleted, not deprovisioned, is kept."""
        return self.type != core.USER.name or self.ended != DELETED


# --- burying ------------------------------------------------------------------------------------------------------


def deprovisions(settings: AppSettings) -> bool:
    """Whether users who are deactivated or deleted in the source are deprovisioned here."""
    return settings.delete_the_deactivated == "on"


def why(settings: AppSettings, *, deactivated: bool) -> str:
    """Why a user was deprovisioned or kept, for the journal."""
    if deactivated:
        return "deactivated in the source, and delete-the-deactivated is on: deprovisioned"
    if deprovisions(settings):
        return "delete-the-deactivated is on: deprovisioned"
    return "delete-the-deactivated is off: disabled, hidden and kept"


def bury(db: Database, row: int, at: int, version: int, ended: str) -> None:
    """Hide a locked resource and free its unique values; its document and member rows stay for a restore."""
    db.execute(_BURY, row=row, at=at, version=version, ended=ended)
    value_index.free(db, row)
    passwords.forget(db, row)


@prepared
def _BURY(db: Database) -> Any:
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


def revivable(db: Database, app: App, resource_type: ResourceType, document: Document, since: int) -> Revived | None:
    """The one tombstone with the externalId of a user who is created, if the app revives and it ended after `since`.

    Locked until the transaction ends. Never by userName: a name that is used again must not inherit a leaver's
    account.
    """
    external_id = document.get("externalId")
    if app.settings.revive != "on" or resource_type.name != core.USER.name or not external_id:
        return None
    rows = db.rows(_BY_EXTERNAL_ID, app=app.id, type=resource_type.name, name=external_id[:500], since=since)
    same = [row for row in rows if orjson.loads(row[5]).get("externalId") == external_id]
    return Revived(*same[0][:5]) if len(same) == 1 else None


@prepared
def _BY_EXTERNAL_ID(db: Database) -> Any:
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
    db.execute(_FORGET_MEMBERSHIPS, row=revived.row)
    _live_again(db, resource, who)
    return resource


def _live_again(db: Database, resource: Resource, who: Subject) -> None:
    # What it was found by is of the time when it ended: since then schemas may have changed.
    value_index.clear(db, resource.row)
    db.execute(
        _RESTORE,
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
def _FORGET_MEMBERSHIPS(db: Database) -> Any:
    return MemberRow.delete().where(MemberRow.member_id == Slot("row"))


# --- restoring ----------------------------------------------------------------------------------------------------


def restore(db: Database, app: App, resource_type: ResourceType, id: str, origin: Origin) -> str:
    """Give a deleted resource back as it was, with its memberships; returns what came back, in words.

    A user who was deprovisioned by being deactivated is active again. AppError when there is no such tombstone, when
    a unique value was taken meanwhile, or when it does not fit the app's schemas any more.
    """
    tried: list[Document] = []

    def work() -> str:
        found = db.row(_TOMBSTONE, app=app.id, type=resource_type.name, uuid=id)
        if found is None:
            raise AppError(f"There is no deleted {resource_type.name.lower()} {id!r} in the app {app.slug}.")
        row, version, created_at, modified_at, ended, text = found
        document = orjson.loads(text)
        changes: dict[str, list[Any]] = {}
        if ended == DEACTIVATED:
            document["active"], changes = True, {"active": [False, True]}
        documents.require(resource_type, document)
        tried[:] = [document]
        who = Subject(resource_type, id, document)
        at = max(clock.now(), modified_at + 1)
        text = orjson.dumps(document).decode()
        _live_again(db, Resource(row, id, who.type, version + 1, created_at, at, text), who)
        value_index.write(db, app, resource_type, row, set(), documents.value_rows(resource_type, document))
        entries, told = _regained(db, app, resource_type, row, who)
        restored = entry(Action.RESTORED, who, changes, None, told=told)
        journal.record(db, app.id, origin, [restored, *entries], at)
        signals.announce(db, app, origin, [restored, *entries])
        return f"{'active' if who.active else 'disabled'}, {told}" if who.is_user else told

    try:
        return value_index.unique(db, app, resource_type, id, tried, lambda: db.transact(work))
    except Uniqueness as error:
        raise AppError(f"{error.detail} Rename or delete that one first.") from None
    except InvalidValue as error:
        raise AppError(f"It does not fit the app's schemas any more: {error.detail}") from None


def _regained(db: Database, app: App, resource_type: ResourceType, row: int, who: Subject) -> tuple[list[Entry], str]:
    """The journal entries of memberships that came back, and all of it in words."""
    if resource_type.links is not None:
        entries = members.regained_by_restore(db, row, who.pair)
        return entries, f"{len(entries)} members" if len(entries) != 1 else "1 member"
    names = [group.display for group in members.groups_of(db, app.id, [row]).get(row, []) if group.kind == "direct"]
    if not names:
        return [], "in no group"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    noun = "the group" if len(names) == 1 else f"{len(names)} groups:"
    return [], f"in {noun} {', '.join(names[:_MOST_NAMED])}{more}"


@prepared
def _TOMBSTONE(db: Database) -> Any:
    columns = (
        ResourceRow.id,
        ResourceRow.version,
        ResourceRow.created_at,
        ResourceRow.modified_at,
        ResourceRow.ended,
        ResourceRow.document,
    )
    return db.locking(
        ResourceRow.select(*columns).where(
            ResourceRow.app_id == Slot("app"),
            ResourceRow.uuid == Slot("uuid"),
            ResourceRow.type == Slot("type"),
            ResourceRow.deleted_at.is_null(False),
        )
    )


@prepared
def _RESTORE(db: Database) -> Any:
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


# --- lists and purging --------------------------------------------------------------------------------------------

_COLUMNS = (
    ResourceRow.id,
    ResourceRow.app_id,
    ResourceRow.type,
    ResourceRow.uuid,
    ResourceRow.name,
    ResourceRow.display,
    ResourceRow.deleted_at,
    ResourceRow.ended,
)


def _dead(apps: Sequence[App]) -> Any:
    return (ResourceRow.app_id.in_([app.id for app in apps])) & ResourceRow.deleted_at.is_null(False)


def count(db: Database, apps: Sequence[App], resource_type: ResourceType, text: str | None = None) -> int:
    """How many tombstones there are in apps, with this text in the name."""
    return int(db.scalar(_listed(db, apps, resource_type, text, fn.count(ResourceRow.id))))


def page(
    db: Database, apps: Sequence[App], resource_type: ResourceType, text: str | None, *, number: int, size: int
) -> list[Tombstone]:
    """A page of the tombstones in apps, the newest first; the first page is number 1."""
    query = _listed(db, apps, resource_type, text, *_COLUMNS)
    query = query.order_by(ResourceRow.deleted_at.desc(), ResourceRow.id.desc())
    rows = db.rows(query.limit(size).offset(min((number - 1) * size, 2**62)))
    return [_tombstone(row, apps) for row in rows]


def _listed(db: Database, apps: Sequence[App], resource_type: ResourceType, text: str | None, *columns: Any) -> Any:
    query = ResourceRow.select(*columns).where(_dead(apps), ResourceRow.type == resource_type.name)
    if text is not None:
        query = query.where(db.contains(fn.lower(ResourceRow.name), text.lower()))
    return query


def _tombstone(row: Sequence[Any], apps: Sequence[App]) -> Tombstone:
    app = next(each for each in apps if each.id == row[1])
    return Tombstone(row[0], app, *row[2:])


def purgeable(db: Database, apps: Sequence[App], before: int) -> dict[tuple[str, str], int]:
    """How many tombstones may go that are older than a time, by app slug and resource type."""
    query = ResourceRow.select(ResourceRow.app_id, ResourceRow.type, fn.count(ResourceRow.id)).where(_old(apps, before))
    slugs = {app.id: app.slug for app in apps}
    return {(slugs[app], kind): number for app, kind, number in db.rows(query.group_by(*query.selected_columns[:2]))}


def _old(apps: Sequence[App], before: int) -> Any:
    """Users who were deleted while `delete the deactivated` was off are kept, however old they are."""
    may_go = (ResourceRow.type != core.USER.name) | (ResourceRow.ended != DELETED)
    return _dead(apps) & (ResourceRow.deleted_at < before) & may_go


def purge(db: Database, apps: Sequence[App], before: int, origin: Origin) -> Iterator[int]:
    """Delete tombstones that are older than a time, for good; gives how many each step deleted.

    Each step is a transaction, so that one which is stopped can be gone on with. The journal stays, and gets an entry
    for each.
    """
    query = ResourceRow.select(*_COLUMNS).where(_old(apps, before)).order_by(ResourceRow.deleted_at).limit(_CHUNK)
    while gone := db.transact(lambda: _purge_some(db, apps, query, origin)):
        yield gone


def _purge_some(db: Database, apps: Sequence[App], query: Any, origin: Origin) -> int:
    found = [_tombstone(row, apps) for row in db.rows(db.locking(query))]
    rows = [each.row for each in found]
    for table, column in (
        (MemberRow, MemberRow.member_id),
        (MemberRow, MemberRow.group_id),
        (DepartureRow, DepartureRow.resource_id),
        (ValueRow, ValueRow.resource_id),
        (ResourceRow, ResourceRow.id),
    ):
        db.execute(table.delete().where(column.in_(rows)))
    for each in found:
        pair = (each.id, each.name)
        told = Entry(
            Action.PURGED,
            user=pair if each.type == core.USER.name else None,
            group=pair if each.type == core.GROUP.name else None,
            detail=None if each.type in (core.USER.name, core.GROUP.name) else f"{each.type} {each.name!r} ({each.id})",
        )
        journal.record(db, each.app.id, origin, [told])
    return len(found)
