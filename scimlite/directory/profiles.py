"""Profiles: what the application behind scimlite reads of users and groups, stored with them and always current."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..apps import App, compiled_mapping
from ..apps.compiled_mapping import Compiled
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.tables import ResourceRow
from ..scim import core
from ..scim.document import Document
from ..scim.schema import ResourceType
from . import members

Json = Any

#: Resources read at once.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Profile:
    """A living user's or group's profile."""

    id: str
    active: bool
    values: dict[str, Json]


def text(app: App, resource_type: ResourceType, document: Document, *, lenient: bool = False) -> str | None:
    """The profile of a document as it is stored; None for types that have none.

    Raises InvalidValue naming attribute and target when a required row has no value, unless `lenient`.
    """
    compiled = compiled_mapping.compiled(app.mapping, resource_type)
    if compiled is None:
        return None
    profile = compiled.profile(document)
    if not lenient:
        compiled.require(profile)
    return orjson.dumps(profile).decode()


_COLUMNS = (
    ResourceRow.id,
    ResourceRow.uuid,
    ResourceRow.active,
    ResourceRow.profile_version,
    ResourceRow.profile,
    ResourceRow.document,
)


def read(workspace: Workspace, resource_type: ResourceType, ids: Sequence[str]) -> dict[str, dict[str, Json]]:
    """The current profiles of resources of one type by their ids, with the names of groups joined.

    Also of the deleted: what they were. One that another mapping made is made anew, so nobody ever sees a stale one.
    """
    rows = workspace.db.rows(_by_id, ids=list(ids), app=workspace.app.id)
    return {profile.id: profile.values for profile in _profiles(workspace, resource_type, rows)}


def walk(workspace: Workspace, resource_type: ResourceType) -> Iterator[Profile]:
    """The profiles of all living resources of a type, some at a time, without a transaction meanwhile."""
    last = 0
    db, app = workspace.db, workspace.app
    while rows := db.rows(_page, app=app.id, type=resource_type.name, after=last, limit=_CHUNK):
        yield from _profiles(workspace, resource_type, rows)
        last = rows[-1][0]


def living() -> Any:
    """The condition of walking through an app's living resources of a type; Slots: `app`, `type`, `after` (a row)."""
    return (
        (ResourceRow.app_id == Slot("app"))
        & (ResourceRow.type == Slot("type"))
        & (ResourceRow.id > Slot("after"))
        & ResourceRow.deleted_at.is_null()
    )


@prepared
def _page(db: Database) -> Any:
    return ResourceRow.select(*_COLUMNS).where(living()).order_by(ResourceRow.id).limit(Slot("limit"))


def _profiles(workspace: Workspace, resource_type: ResourceType, rows: Sequence[Sequence[Any]]) -> list[Profile]:
    app = workspace.app
    compiled = compiled_mapping.compiled(app.mapping, resource_type)
    if compiled is None:
        return []
    groups: dict[int, list[tuple[str, Json]]] = {}
    if any(row.joined for row in compiled.rows):
        groups = _groups(workspace, [row[0] for row in rows])
    found = []
    for row, id, active, version, stored, document in rows:
        values = _values(app, compiled, version, stored, document)
        found.append(Profile(id, bool(active), compiled.joined(values, groups.get(row, ()))))
    return found


def _values(app: App, compiled: Compiled, version: int, stored: str | None, document: str) -> dict[str, Json]:
    if stored is not None and version == app.mapping_version:
        values: dict[str, Json] = orjson.loads(stored)
        return values
    return compiled.profile(orjson.loads(document))


def _groups(workspace: Workspace, users: list[int]) -> dict[int, list[tuple[str, Json]]]:
    """(id, name) of the groups that users are in, also through others, by the user's row, as groups are mapped."""
    db, app = workspace.db, workspace.app
    held = members.groups_of(db, users)
    group_type = app.resource_types[core.GROUP.endpoint]
    compiled = compiled_mapping.compiled(app.mapping, group_type)
    row = next((each for each in compiled.rows if each.target == "name"), None) if compiled else None
    if row is None or (row.source == "displayName" and not row.transform):
        return {user: [(each.id, each.display) for each in found] for user, found in held.items()}
    ids = sorted({each.id for found in held.values() for each in found})
    names = {}
    for _, id, _, version, stored, document in db.rows(_by_id, app=app.id, ids=ids):
        assert compiled is not None
        names[id] = _values(app, compiled, version, stored, document).get("name")
    return {user: [(each.id, names.get(each.id)) for each in found] for user, found in held.items()}


@prepared
def _by_id(db: Database) -> Any:
    return ResourceRow.select(*_COLUMNS).where(ResourceRow.app_id == Slot("app"), db.one_of(ResourceRow.uuid, "ids"))
