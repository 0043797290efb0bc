"""Carries out a PUT or PATCH of one resource in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import peewee

from .. import clock
from ..apps import features
from ..db import Database, Slot, prepared
from ..db.tables import ResourceRow
from ..journal import Action, Entry
from ..scim import ceilings, patch_plan, versions
from ..scim.document import Document
from ..scim.preconditions import Preconditions
from ..scim.schema import ResourceType
from . import brakes, departures, member_changes, ownership, passwords, profiles, tombstones, value_index
from .attempt import Attempt
from .identity import Subject, entry, remember
from .read import Resource, lock


@dataclass(frozen=True, slots=True)
class Revision:
    """The changes that a PUT or PATCH makes to a resource."""

    #: Makes the new document from the stored one.
    renew: Callable[[Document], Document]
    #: Changes of links, in order.
    steps: Sequence[patch_plan.LinkStep]
    #: Attributes of the request that are left out.
    ignored: Sequence[str]
    password: passwords.Change | None
    #: What the client calls linked resources, by id.
    displays: Mapping[str, str] = field(default_factory=dict)


class Change:
    """A revision of one resource, to be carried out in one transaction."""

    def __init__(
        self, attempt: Attempt, resource_type: ResourceType, id: str, preconditions: Preconditions, revision: Revision
    ) -> None:
        self._attempt = attempt
        self._workspace = attempt.workspace
        self._type = resource_type
        self._id = id
        self._preconditions = preconditions
        self._revision = revision
        #: The document to store; a unique index may refuse it.
        self._new: Document = {}
        #: The same as JSON, where it differs from the stored one.
        self._text = b""

    def carry_out(self) -> Resource:
        """Stores the change; Uniqueness names the attribute when a unique value is taken."""
        try:
            return brakes.transact(self._workspace, self._write)
        except peewee.IntegrityError as error:
            conflict = value_index.conflict(self._workspace, self._type, self._id, self._new, error)
            if conflict is None:
                raise
            raise conflict from None

    def _write(self) -> Resource:
        workspace = self._workspace
        # With the groups, because the answer shows them and the write does not change them.
        resource = lock(workspace, self._type, self._id, self._preconditions, with_derived=True)
        old = orjson.loads(resource.document)
        new = self._new = self._revision.renew(old)
        changes = versions.changes(self._type, old, new)
        if changes:
            self._text = orjson.dumps(new)
            ceilings.check(self._type, new, len(self._text), workspace.limits, old)
        differences = versions.differences(changes)
        before = Subject(self._type, self._id, old)
        after = Subject(self._type, self._id, new) if changes else before
        linked = member_changes.NOTHING
        if self._revision.steps:
            linked = member_changes.change(
                workspace, resource.row, self._revision.steps, after.pair, self._revision.displays
            )
        password = passwords.apply(workspace, resource.row, self._revision.password)
        self._check(resource, before, after, differences, linked, password)
        entries = self._entries(resource, before, after, differences, password) + linked.entries
        changed = bool(differences) or linked.changed or password is not None
        if changed:
            resource.modified_at = clock.after(resource.modified_at, linked.since)
            self._store(resource, changes, before, after)
            remember(workspace, after, old)
        if entries:
            # When members are refused and nothing changes, `modified_at` is the time of an older change.
            at = resource.modified_at if changed else clock.after(resource.modified_at, linked.since)
            self._attempt.record(entries, resource, at)
        return resource

    def _check(
        self,
        resource: Resource,
        before: Subject,
        after: Subject,
        differences: dict[str, list[Any]],
        linked: member_changes.Linked,
        password: str | None,
    ) -> None:
        """Raises BadRequest or TooManyRequests when a feature or brake forbids the change; sets `resource.gone`."""
        settings = self._workspace.app.settings
        deactivates = bool(before.active and not after.active)
        features.allow_change(
            settings,
            self._workspace.app.slug,
            self._type,
            deactivates=deactivates,
            edits=password is not None or bool(differences.keys() - ({"active"} if deactivates else ())),
            members=linked.changed,
        )
        if ownership.may_matter(self._workspace):
            ownership.check(self._workspace, resource.row, differences, members=linked.changed)
        if deactivates:
            brakes.count(self._workspace, departures.USERS, [resource.row])
            resource.gone = tombstones.deprovisions(settings)
        brakes.count(self._workspace, departures.MEMBERS, linked.removed)

    def _entries(
        self,
        resource: Resource,
        before: Subject,
        after: Subject,
        differences: dict[str, list[Any]],
        password: str | None,
    ) -> list[Entry]:
        if not differences and not password:
            return []
        reason = tombstones.why(self._workspace.app.settings, deactivated=True) if resource.gone else None
        action = Action.UPDATED
        if resource.gone:
            action = Action.DELETED
        elif after.active != before.active:
            action = Action.ENABLED if after.active else Action.DISABLED
        note = "; ".join(filter(None, [self._attempt.note, reason, password]))
        return [entry(action, after, differences, self._revision.ignored, note)]

    def _store(self, resource: Resource, changes: Sequence[versions.Change], before: Subject, after: Subject) -> None:
        """Writes the new version and the value rows that differ; buries a user who is deprovisioned."""
        workspace, db = self._workspace, self._workspace.db
        resource.version += 1
        if not changes:
            db.execute(_new_version, row=resource.row, version=resource.version, modified_at=resource.modified_at)
            return
        resource.document = self._text.decode()
        db.execute(
            _update_resource,
            row=resource.row,
            name=after.name,
            display=after.display,
            version=resource.version,
            modified_at=resource.modified_at,
            document=resource.document,
            # Lenient, because a missing value must not keep a user from being disabled.
            profile=profiles.text(workspace.app, self._type, self._new, lenient=after.active < before.active),
            profile_version=workspace.app.mapping_version,
        )
        if after.active != before.active:
            since = resource.modified_at if after.active else None
            db.execute(_switch_user, row=resource.row, active=after.active, since=since)
        if resource.gone:
            tombstones.bury(db, resource.row, resource.modified_at, resource.version, tombstones.DEACTIVATED)
            return
        value_index.write(workspace, self._type, resource.row, *versions.changed_rows(changes))


@prepared
def _update_resource(db: Database) -> Any:
    columns = ("name", "display", "version", "modified_at", "document", "profile", "profile_version")
    values = {getattr(ResourceRow, column): Slot(column) for column in columns}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))


@prepared
def _new_version(db: Database) -> Any:
    """The document stays as it is."""
    values = {getattr(ResourceRow, column): Slot(column) for column in ("version", "modified_at")}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))


@prepared
def _switch_user(db: Database) -> Any:
    """Disables or enables a user."""
    values = {ResourceRow.active: Slot("active"), ResourceRow.active_since: Slot("since")}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))
