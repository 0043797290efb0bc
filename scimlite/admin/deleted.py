"""Lists, restores and purges deleted users and groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import peewee
from peewee import fn

from .. import clock, journal
from ..apps import App, AppError
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.sync_tables import SourceLinkRow
from ..db.tables import AliasRow, DepartureRow, MemberRow, PasswordRow, ResourceRow, ValueRow
from ..directory import member_changes, members, tombstones, value_index
from ..directory.attempt import Attempt
from ..directory.identity import Subject, entry
from ..directory.read import Resource
from ..directory.tombstones import DEACTIVATED, DELETED
from ..errors import InvalidValue, NotFound, Remedy, Uniqueness
from ..journal import Action, Entry, Scope
from ..scim import core
from ..scim import document as documents
from ..scim.document import Document
from ..scim.schema import ResourceType

#: Resources purged in one transaction, which is how long other writers wait.
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
        """True when a purge may remove it; False for users who were deleted without being deprovisioned."""
        return self.type != core.USER.name or self.ended != DELETED


# --- restoring ----------------------------------------------------------------------------------------------------


def restore(workspace: Workspace, resource_type: ResourceType, id: str) -> str:
    """Restores a deleted resource with its memberships; returns its state and memberships in words.

    A user who was deprovisioned by being deactivated becomes active again. Raises AppError when there is no such
    resource, when another one has taken a unique value, or when it no longer fits the app's schemas; the last two are
    recorded as refusals.
    """
    try:
        with Attempt(workspace, Action.RESTORED, resource_type, id=id, method="restore") as attempt:
            return _Restoration(attempt, resource_type, id).carry_out()
    except Uniqueness as error:
        raise AppError(f"{error.detail} Rename or delete that one first.") from None
    except InvalidValue as error:
        raise AppError(f"It does not fit the app's schemas any more: {error.detail}") from None
    except NotFound:
        raise AppError(
            f"There is no deleted {resource_type.name.lower()} {id!r} in the app {workspace.app.slug}."
        ) from None


class _Restoration:
    """The restoration of one deleted resource."""

    def __init__(self, attempt: Attempt, resource_type: ResourceType, id: str) -> None:
        self._attempt = attempt
        self._workspace = attempt.workspace
        self._type = resource_type
        self._id = id
        #: The document of the latest attempt, to find the value that a unique index refused.
        self._document: Document = {}

    def carry_out(self) -> str:
        """Restores the resource; returns its state and memberships in words."""
        try:
            return self._workspace.db.transact(self._write)
        except peewee.IntegrityError as error:
            conflict = value_index.conflict(self._workspace, self._type, self._id, self._document, error)
            if conflict is None:
                raise
            conflict.remedy = Remedy(free_value=True)
            raise conflict from None

    def _write(self) -> str:
        workspace, db = self._workspace, self._workspace.db
        row_of_tombstone = db.row(_tombstone_of, app=workspace.app.id, type=self._type.name, uuid=self._id)
        if row_of_tombstone is None:
            raise NotFound(f"There is no deleted {self._type.name} {self._id[:100]!r} in this app.")
        row, version, created_at, modified_at, ended, text = row_of_tombstone
        document = orjson.loads(text)
        changes: dict[str, list[Any]] = {}
        if ended == DEACTIVATED:
            document["active"], changes = True, {"active": [False, True]}
        documents.require(self._type, document)
        self._document = document
        subject = Subject(self._type, self._id, document)
        at = clock.after(modified_at)
        text = orjson.dumps(document).decode()
        resource = Resource(row, self._id, subject.type, version + 1, created_at, at, text)
        tombstones.live_again(db, resource, subject)
        value_index.write(workspace, self._type, row, set(), documents.value_rows(self._type, document))
        entries, regained = _regained(db, self._type, row, subject)
        self._attempt.record([entry(Action.RESTORED, subject, changes, note=regained), *entries], resource, at)
        return f"{'active' if subject.active else 'disabled'}, {regained}" if subject.is_user else regained


def _regained(db: Database, resource_type: ResourceType, row: int, who: Subject) -> tuple[list[Entry], str]:
    """Returns the journal entries of restored memberships, and the memberships in words."""
    if resource_type.links is not None:
        entries = member_changes.regained_by_restore(db, row, who.pair)
        return entries, f"{len(entries)} members" if len(entries) != 1 else "1 member"
    names = [group.name for group in members.groups_of(db, [row]).get(row, []) if group.kind == "direct"]
    if not names:
        return [], "in no group"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    noun = "the group" if len(names) == 1 else f"{len(names)} groups:"
    return [], f"in {noun} {', '.join(names[:_MOST_NAMED])}{more}"


@prepared
def _tombstone_of(db: Database) -> Any:
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
    """Counts the deleted resources of a type in apps, with this text in the name."""
    return int(db.scalar(_listed(db, apps, resource_type, text, fn.count(ResourceRow.id))))


def page(
    db: Database, apps: Sequence[App], resource_type: ResourceType, text: str | None, *, number: int, size: int
) -> list[Tombstone]:
    """Returns a page of the deleted resources in apps, the newest first; the first page is number 1."""
    query = _listed(db, apps, resource_type, text, *_COLUMNS)
    query = query.order_by(ResourceRow.deleted_at.desc(), ResourceRow.id.desc())
    rows = db.rows(query.limit(size).offset(min((number - 1) * size, 2**62)))
    return [_tombstone(row, apps) for row in rows]


def walk(db: Database, apps: Sequence[App], resource_type: ResourceType, text: str | None) -> Iterator[Tombstone]:
    """Yields all deleted resources of a type in apps, the newest first, in chunks."""
    query = _listed(db, apps, resource_type, text, *_COLUMNS)
    query = query.order_by(ResourceRow.deleted_at.desc(), ResourceRow.id.desc()).limit(_CHUNK)
    rows = db.rows(query)
    while rows:
        yield from (_tombstone(row, apps) for row in rows)
        at, id = rows[-1][6], rows[-1][0]
        older = (ResourceRow.deleted_at < at) | ((ResourceRow.deleted_at == at) & (ResourceRow.id < id))
        rows = db.rows(query.where(older))


def _listed(db: Database, apps: Sequence[App], resource_type: ResourceType, text: str | None, *columns: Any) -> Any:
    query = ResourceRow.select(*columns).where(_dead(apps), ResourceRow.type == resource_type.name)
    if text is not None:
        query = query.where(db.contains(fn.lower(ResourceRow.name), text.lower()))
    return query


def _tombstone(row: Sequence[Any], apps: Sequence[App]) -> Tombstone:
    app = next(app for app in apps if app.id == row[1])
    return Tombstone(row[0], app, *row[2:])


def purgeable(db: Database, apps: Sequence[App], before: int) -> dict[tuple[str, str], int]:
    """Counts the deleted resources that may be purged and are older than a time, by app slug and resource type."""
    query = ResourceRow.select(ResourceRow.app_id, ResourceRow.type, fn.count(ResourceRow.id)).where(_old(apps, before))
    slugs = {app.id: app.slug for app in apps}
    return {(slugs[app], kind): number for app, kind, number in db.rows(query.group_by(*query.selected_columns[:2]))}


def _old(apps: Sequence[App], before: int) -> Any:
    """Returns the condition for a purge; it spares users who were deleted while `delete the deactivated` was off."""
    may_go = (ResourceRow.type != core.USER.name) | (ResourceRow.ended != DELETED)
    return _dead(apps) & (ResourceRow.deleted_at < before) & may_go


def purge(scope: Scope, apps: Sequence[App], before: int) -> Iterator[int]:
    """Purges deleted resources that are older than a time; yields how many each step removed.

    Each step is a transaction, so that a run that was stopped can be continued. The journal stays, and gets an entry
    for each purged resource.
    """
    query = ResourceRow.select(*_COLUMNS).where(_old(apps, before)).order_by(ResourceRow.deleted_at).limit(_CHUNK)
    while purged := scope.db.transact(partial(_purge_some, scope, apps, query)):
        yield purged


def _purge_some(scope: Scope, apps: Sequence[App], query: Any) -> int:
    tombstones_found = [_tombstone(row, apps) for row in scope.db.rows(scope.db.locking(query))]
    _remove(scope, apps, tombstones_found)
    return len(tombstones_found)


def purge_named(workspace: Workspace, resource_type: ResourceType, name: str) -> int:
    """Purges resources of a type with this name, living or deleted, and their aliases; returns how many there were.

    The journal stays, and gets an entry for each. For what the connection test made; its names are used once.
    """
    return workspace.db.transact(partial(_purge_named, workspace, resource_type, name))


def _purge_named(workspace: Workspace, resource_type: ResourceType, name: str) -> int:
    db, app = workspace.db, workspace.app
    query = ResourceRow.select(*_COLUMNS).where(
        ResourceRow.app_id == app.id, ResourceRow.type == resource_type.name, ResourceRow.name == name
    )
    found = [_tombstone(row, [app]) for row in db.rows(db.locking(query))]
    rows, ids = [one.row for one in found], [one.id for one in found]
    db.execute(AliasRow.delete().where(AliasRow.app_id == app.id, AliasRow.user_uuid.in_(ids)))
    db.execute(PasswordRow.delete().where(PasswordRow.resource_id.in_(rows)))
    _remove(workspace, [app], found)
    return len(found)


def _remove(scope: Scope, apps: Sequence[App], tombstones_found: list[Tombstone]) -> None:
    """Removes resources with what refers to them, and records it."""
    db = scope.db
    rows = [tombstone.row for tombstone in tombstones_found]
    for table, column in (
        (MemberRow, MemberRow.member_id),
        (MemberRow, MemberRow.group_id),
        (DepartureRow, DepartureRow.resource_id),
        (ValueRow, ValueRow.resource_id),
        (SourceLinkRow, SourceLinkRow.resource_id),
        (ResourceRow, ResourceRow.id),
    ):
        db.execute(table.delete().where(column.in_(rows)))
    for app in apps:
        of_app = [tombstone for tombstone in tombstones_found if tombstone.app.id == app.id]
        if of_app:
            at = clock.after(*(tombstone.deleted_at for tombstone in of_app))
            journal.record(Workspace.of(scope, app), [_purged(tombstone) for tombstone in of_app], at=at)


def _purged(tombstone: Tombstone) -> Entry:
    pair = (tombstone.id, tombstone.name)
    is_user, is_group = (tombstone.type == kind.name for kind in (core.USER, core.GROUP))
    return Entry(
        Action.PURGED,
        user=pair if is_user else None,
        group=pair if is_group else None,
        detail=None if is_user or is_group else f"{tombstone.type} {tombstone.name!r} ({tombstone.id})",
    )
