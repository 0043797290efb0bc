"""Profiles: the values of a user or group that the application reads, stored with the resource and always current."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    """The profile of a document, as JSON for the database; None for types without profiles.

    Raises InvalidValue naming attribute and target when a required row has no value, or naming the target when the
    mapping makes a profile that is too large, unless `lenient`.
    """
    compiled = compiled_mapping.compiled(app.mapping, resource_type)
    if compiled is None:
        return None
    profile = compiled.profile(document, lenient=lenient)
    if not lenient:
        compiled.require(profile)
    return orjson.dumps(profile).decode()


class _Stored(NamedTuple):
    """A resource's row, as far as its profile depends on it."""

    row: int
    id: str
    active: int
    version: int
    profile: str | None
    document: str


#: The columns of _Stored, in its order.
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

    A deleted resource has the profile that it had before. A profile of an older version of the mapping is made again,
    so that no caller gets an outdated one.
    """
    rows = workspace.db.rows(_by_id, ids=list(ids), app=workspace.app.id)
    return {profile.id: profile.values for profile in _profiles(workspace, resource_type, rows)}


def walk(workspace: Workspace, resource_type: ResourceType) -> Iterator[Profile]:
    """The profiles of all living resources of a type; it reads some at a time and keeps no transaction open."""
    last = 0
    db, app = workspace.db, workspace.app
    while rows := db.rows(_page, app=app.id, type=resource_type.name, after=last, limit=_CHUNK):
        yield from _profiles(workspace, resource_type, rows)
        last = rows[-1][0]


def living() -> Any:
    """The condition on an app's living resources of a type behind a row; its Slots are `app`, `type` and `after`."""
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
    resources = [_Stored._make(row) for row in rows]
    groups: dict[int, list[tuple[str, Json]]] = {}
    if any(row.joined for row in compiled.rows):
        groups = _groups(workspace, [resource.row for resource in resources])
    profiles = []
    for resource in resources:
        values = compiled.joined(_values(app, compiled, resource), groups.get(resource.row, ()))
        profiles.append(Profile(resource.id, bool(resource.active), values))
    return profiles


def _values(app: App, compiled: Compiled, resource: _Stored) -> dict[str, Json]:
    if resource.profile is not None and resource.version == app.mapping_version:
        values: dict[str, Json] = orjson.loads(resource.profile)
        return values
    return compiled.profile(orjson.loads(resource.document))


def _groups(workspace: Workspace, users: list[int]) -> dict[int, list[tuple[str, Json]]]:
    """(id, name) of the direct and indirect groups of users, by the user's row; the mapping makes the name."""
    db, app = workspace.db, workspace.app
    groups = members.groups_of(db, users)
    group_type = app.resource_types[core.GROUP.endpoint]
    compiled = compiled_mapping.compiled(app.mapping, group_type)
    row = next((row for row in compiled.rows if row.target == "name"), None) if compiled else None
    if compiled is None or row is None or (row.source == "displayName" and not row.transform):
        return {user: [(link.id, link.name) for link in links] for user, links in groups.items()}
    ids = sorted({link.id for links in groups.values() for link in links})
    resources = [_Stored._make(row) for row in db.rows(_by_id, app=app.id, ids=ids)]
    names = {resource.id: _values(app, compiled, resource).get("name") for resource in resources}
    return {user: [(link.id, names.get(link.id)) for link in links] for user, links in groups.items()}


@prepared
def _by_id(db: Database) -> Any:
    return ResourceRow.select(*_COLUMNS).where(ResourceRow.app_id == Slot("app"), db.one_of(ResourceRow.uuid, "ids"))
