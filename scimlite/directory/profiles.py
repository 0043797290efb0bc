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
    """A user's or group's profile, and what the application needs to know beside it."""

    id: str
    active: bool
    values: dict[str, Json]
    #: userName or displayName.
    name: str
    #: The version of the resource, which each change raises; coming into a group changes the group only.
    version: int
    #: How the resource ended, in a word; None for a living one.
    ended: str | None
    document: str
    #: The key of its row, in the order of creation.
    row: int

    @property
    def external_id(self) -> str | None:
        """The identity provider's id of the resource."""
        # Most documents have none, and the search costs less than reading one.
        found: str | None = orjson.loads(self.document).get("externalId") if '"externalId"' in self.document else None
        return found


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
    profile_version: int
    profile: str | None
    document: str
    name: str
    version: int
    ended: str | None


#: The columns of _Stored, in its order.
_COLUMNS = (
    ResourceRow.id,
    ResourceRow.uuid,
    ResourceRow.active,
    ResourceRow.profile_version,
    ResourceRow.profile,
    ResourceRow.document,
    ResourceRow.name,
    ResourceRow.version,
    ResourceRow.ended,
)


def read(workspace: Workspace, resource_type: ResourceType, ids: Sequence[str]) -> dict[str, dict[str, Json]]:
    """The current profiles of resources of one type by their ids, with the names of groups joined.

    A deleted resource has the profile that it had before. A profile of an older version of the mapping is made again,
    so that no caller gets an outdated one.
    """
    return {profile.id: profile.values for profile in by_ids(workspace, resource_type, ids)}


def by_ids(workspace: Workspace, resource_type: ResourceType, ids: Sequence[str]) -> list[Profile]:
    """The resources of one type with these ids, as far as they are stored; also deleted ones."""
    rows = workspace.db.rows(_by_id, ids=list(ids), app=workspace.app.id, type=resource_type.name)
    return _profiles(workspace, resource_type, rows)


def walk(workspace: Workspace, resource_type: ResourceType) -> Iterator[Profile]:
    """The profiles of all living resources of a type; it reads some at a time and keeps no transaction open."""
    last = 0
    while found := page(workspace, resource_type, last, _CHUNK):
        yield from found
        last = found[-1].row


def page(workspace: Workspace, resource_type: ResourceType, after: int, limit: int) -> list[Profile]:
    """Up to `limit` living resources of a type behind a row, in the order of creation."""
    rows = workspace.db.rows(_page, app=workspace.app.id, type=resource_type.name, after=after, limit=limit)
    return _profiles(workspace, resource_type, rows)


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
        profiles.append(
            Profile(
                resource.id,
                bool(resource.active),
                values,
                resource.name,
                resource.version,
                resource.ended,
                resource.document,
                resource.row,
            )
        )
    return profiles


def _values(app: App, compiled: Compiled, resource: _Stored) -> dict[str, Json]:
    if resource.profile is not None and resource.profile_version == app.mapping_version:
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
    resources = [_Stored._make(row) for row in db.rows(_by_id, app=app.id, ids=ids, type=group_type.name)]
    names = {resource.id: _values(app, compiled, resource).get("name") for resource in resources}
    return {user: [(link.id, names.get(link.id)) for link in links] for user, links in groups.items()}


@prepared
def _by_id(db: Database) -> Any:
    # SQLite would look through everybody by the index of app and type: 40 ms with 60,000 users.
    of_app = (ResourceRow.app_id == Slot("app")) & (db.unindexed(ResourceRow.type) == Slot("type"))
    return ResourceRow.select(*_COLUMNS).where(of_app, db.one_of(ResourceRow.uuid, "ids"))
