"""One person of an app by id: as stored, or as far as the report still knows somebody who is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..apps import App
from ..apps.workspace import Workspace
from ..db import Database
from ..db.tables import ResourceRow
from ..journal import Action, report
from ..journal.selection import Selection
from ..scim.schema import ResourceType
from .people import Found, in_order


@dataclass(frozen=True, slots=True)
class Subject:
    """A user or group; `found` is None when only the report knows it."""

    app: App
    id: str
    name: str
    #: active, disabled, deleted; or purged, erased or gone when it is not stored any more.
    state: str
    found: Found | None
    #: The entries of the report about it.
    selection: Selection


def user(db: Database, app: App, id: str) -> Subject | None:
    """Returns a user of an app; None when neither a row nor the report has the id."""
    return _subject(db, app, app.resource_types["Users"], id, Selection(user_id=id.lower(), app_id=app.id))


def group(db: Database, app: App, id: str) -> Subject | None:
    """Returns a group of an app; None when neither a row nor the report has the id."""
    return _subject(db, app, app.resource_types["Groups"], id, Selection(group_id=id.lower(), app_id=app.id))


def _subject(db: Database, app: App, kind: ResourceType, id: str, selection: Selection) -> Subject | None:
    id = id.lower()
    query = ResourceRow.select(ResourceRow.id).where(
        ResourceRow.app_id == app.id, ResourceRow.uuid == id, ResourceRow.type == kind.name
    )
    found = in_order(db, [app], [row[0] for row in db.rows(query)])
    if found:
        return Subject(app, id, found[0].name, found[0].state, found[0], selection)
    entries = report.read(db, selection, limit=1)
    if not entries:
        return None
    newest = entries[0]
    ends = {Action.ERASED.value: "erased", Action.PURGED.value: "purged"}
    name = newest.user if selection.user_id is not None else newest.group
    return Subject(app, id, name or id, ends.get(newest.action, "gone"), None, selection)


def profile(workspace: Workspace, found: Found) -> dict[str, Any] | None:
    """Returns the profile of a user or group as the application reads it; None when a mapping makes none."""
    # Imported here, because lists need no profiles.
    from ..directory import profiles

    kind = next(kind for kind in found.app.resource_types.values() if kind.name == found.type)
    return profiles.read(workspace, kind, [found.id]).get(found.id)
