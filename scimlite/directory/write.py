"""Writes resources: create, replace, patch and delete, each one attempt and one transaction.

Every client of the service writes here, and so does whoever writes without HTTP: what is done or refused leaves the
same trace in the journal.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import orjson
import peewee

from .. import clock
from ..apps import features
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.tables import ResourceRow
from ..journal import Action, Entry
from ..scim import document as documents
from ..scim import messages, patch_apply, patch_plan, versions
from ..scim import patch as patching
from ..scim.document import Cleaned, Document
from ..scim.schema import ResourceType
from . import brakes, member_changes, passwords, profiles, tombstones, value_index
from .attempt import Attempt
from .identity import Subject, entry, remember
from .read import Resource, lock

Json = Any
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: the resource as it is now, and which part of it the caller named."""

    resource: Resource
    #: What a POST or PUT gave, checked.
    document: Document = field(default_factory=dict)
    #: What a PATCH changed.
    edits: Sequence[Any] = ()


def create(
    workspace: Workspace,
    resource_type: ResourceType,
    body: Json,
    *,
    revive_since: int = 0,
    attempt: Attempt | None = None,
) -> Written:
    """Store a new resource (RFC 7644 section 3.3).

    In: the resource as JSON; a user may get the id of one who ended after `revive_since` (tombstones.revivable).
    Raises the errors of `document.clean`, Uniqueness when a unique value is taken, InvalidValue when a member is
    refused or the app's mapping lacks a required value, BadRequest when a feature that is off forbids it.
    """
    with attempt or Attempt(workspace, Action.CREATED, resource_type, method="POST", body=body) as attempt:
        cleaned = documents.clean(resource_type, body)
        return Written(_Creation(attempt, resource_type, cleaned, revive_since).carry_out(), cleaned.document)


def replace(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    body: Json,
    *,
    if_match: Sequence[str] = (),
    attempt: Attempt | None = None,
) -> Written:
    """Make a resource what the body says, links included (RFC 7644 section 3.5.1).

    In: `if_match`, the versions of which the resource must have one; none is no condition, `*` any. Raises NotFound,
    PreconditionFailed, and the errors of `create`; TooManyRequests when a brake holds it.
    """
    with attempt or Attempt(workspace, Action.UPDATED, resource_type, id=id, method="PUT", body=body) as attempt:
        cleaned = documents.clean(resource_type, body)
        change = _Change(
            attempt,
            resource_type,
            id,
            if_match,
            renew=lambda current: documents.renewed(resource_type, current, cleaned.document),
            steps=[patch_plan.LinkStep(reset=True, add=dict.fromkeys(cleaned.links))] if resource_type.links else [],
            ignored=cleaned.ignored,
            password=passwords.change(workspace.app, resource_type, cleaned.secrets),
        )
        return Written(change.carry_out(), cleaned.document)


def patch(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    body: Json,
    *,
    if_match: Sequence[str] = (),
    attempt: Attempt | None = None,
) -> Written:
    """Carry out all operations of a PatchOp message, or none (RFC 7644 section 3.5.2).

    In: the message as JSON; `if_match` as for `replace`. Raises the errors of `messages.load_patch`, `patch.plan` and
    `replace`.
    """
    with attempt or Attempt(workspace, Action.UPDATED, resource_type, id=id, method="PATCH", body=body) as attempt:
        app = workspace.app
        ignore_unknown = app.settings.unknown_attributes == "ignore"
        plan = patching.plan(messages.load_patch(body), resource_type, ignore_unknown=ignore_unknown)
        if plan.links:
            features.allow_change(app.settings, app.slug, resource_type, members=True)
        change = _Change(
            attempt,
            resource_type,
            id,
            if_match,
            renew=partial(patch_apply.apply, plan.edits, resource_type) if plan.edits else _unchanged,
            steps=plan.links,
            ignored=plan.ignored,
            password=passwords.change(app, resource_type, plan.secrets),
        )
        return Written(change.carry_out(), edits=plan.edits)


def delete(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    *,
    if_match: Sequence[str] = (),
    attempt: Attempt | None = None,
) -> None:
    """Hide a resource and free its names (RFC 7644 section 3.6); its tombstone and member rows stay for a restore.

    In: `if_match` as for `replace`. Raises NotFound, PreconditionFailed, BadRequest when a feature that is off forbids
    it, TooManyRequests when a brake holds it.
    """
    with attempt or Attempt(workspace, Action.DELETED, resource_type, id=id, method="DELETE") as attempt:
        features.allow_delete(workspace.app.settings, workspace.app.slug, resource_type)
        _braked(workspace, partial(_delete, attempt, resource_type, id, if_match))


def _unchanged(document: Document) -> Document:
    return document


def _braked(workspace: Workspace, write: Callable[[], T]) -> T:
    """Run a write in its transaction; one that is one too many for a brake trips it when it has been rolled back."""
    try:
        return workspace.db.transact(write)
    except brakes.Tripped as tripped:
        brakes.trip(workspace, tripped)
        raise


def _count_removed(workspace: Workspace, linked: member_changes.Linked) -> None:
    if linked.removed:
        brakes.count(workspace, brakes.MEMBERS, linked.removed)


# --- create -------------------------------------------------------------------------------------------------------


class _Creation:
    """A new resource on its way into the database."""

    def __init__(self, attempt: Attempt, resource_type: ResourceType, cleaned: Cleaned, revive_since: int) -> None:
        app = attempt.workspace.app
        features.allow_create(app.settings, app.slug, resource_type, with_members=bool(cleaned.links))
        self._attempt = attempt
        self._workspace = attempt.workspace
        self._type = resource_type
        self._cleaned = cleaned
        self._revive_since = revive_since
        # All of this before the transaction begins, because other writers wait while one is under way.
        self._password = passwords.change(app, resource_type, cleaned.secrets)
        self._filled = documents.with_defaults(resource_type, cleaned.document)
        self._new = _identified(self._filled, str(uuid.uuid4()))
        self._profile = profiles.text(app, resource_type, self._new)
        self._values = documents.value_rows(resource_type, self._new)

    def carry_out(self) -> Resource:
        """Store it; a violated unique index becomes 409 naming the attribute."""
        try:
            return self._workspace.db.transact(self._write)
        except peewee.IntegrityError as error:
            conflict = value_index.conflict(self._workspace, self._type, None, self._new, error)
            if conflict is None:
                raise
            raise conflict from None

    def _write(self) -> Resource:
        workspace, at = self._workspace, clock.now()
        revived = tombstones.revivable(workspace, self._type, self._filled, self._revive_since)
        document = _identified(self._filled, revived.id) if revived else self._new
        subject = Subject(self._type, document["id"], document)
        if revived:
            resource = tombstones.revive(workspace.db, revived, subject, orjson.dumps(document).decode(), at)
        else:
            resource = self._insert(subject, orjson.dumps(document).decode(), at)
        value_index.write(workspace, self._type, resource.row, set(), self._values)
        details = [tombstones.REVIVED if revived else None, passwords.apply(workspace, resource.row, self._password)]
        action = Action.RESTORED if revived else Action.CREATED
        entries = [entry(action, subject, {}, self._cleaned.ignored, "; ".join(filter(None, details)))]
        if self._cleaned.links:
            step = patch_plan.LinkStep(add=dict.fromkeys(self._cleaned.links))
            entries += member_changes.change(workspace, resource.row, [step], subject.pair).entries
        self._attempt.record(entries, resource, resource.modified_at)
        remember(workspace, subject, {})
        # No group can hold what was not there, and it holds only what it was given.
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
    """A new document with the id that it gets, in the order in which clients see both."""
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


# --- change -------------------------------------------------------------------------------------------------------


class _Change:
    """A PUT or PATCH on its way: a new document, steps on the links, and a new password of one resource."""

    def __init__(
        self,
        attempt: Attempt,
        resource_type: ResourceType,
        id: str,
        if_match: Sequence[str],
        *,
        renew: Callable[[Document], Document],
        steps: Sequence[patch_plan.LinkStep],
        ignored: Sequence[str],
        password: passwords.Change | None,
    ) -> None:
        self._attempt = attempt
        self._workspace = attempt.workspace
        self._type = resource_type
        self._id = id
        self._if_match = if_match
        self._renew = renew
        self._steps = steps
        self._ignored = ignored
        self._password = password
        #: The document that was last about to be stored.
        self._new: Document = {}

    def carry_out(self) -> Resource:
        """Store the change; a violated unique index becomes 409 naming the attribute."""
        try:
            return _braked(self._workspace, self._write)
        except peewee.IntegrityError as error:
            conflict = value_index.conflict(self._workspace, self._type, self._id, self._new, error)
            if conflict is None:
                raise
            raise conflict from None

    def _write(self) -> Resource:
        workspace = self._workspace
        # The answer shows the groups, which the write does not change.
        resource = lock(workspace, self._type, self._id, self._if_match, with_derived=True)
        old = orjson.loads(resource.document)
        new = self._new = self._renew(old)
        changes = versions.changes(self._type, old, new)
        differences = versions.differences(changes)
        before = Subject(self._type, self._id, old)
        after = Subject(self._type, self._id, new) if changes else before
        linked = member_changes.NOTHING
        if self._steps:
            linked = member_changes.change(workspace, resource.row, self._steps, after.pair)
        password = passwords.apply(workspace, resource.row, self._password)
        self._check(resource, before, after, differences, linked, password)
        entries = self._entries(resource, before, after, differences, password) + linked.entries
        changed = bool(differences) or linked.changed or password is not None
        if changed:
            self._store(resource, changes, before, after)
            remember(workspace, after, old)
        if entries:
            # Refused members alone change nothing: then the resource's time is of an older change.
            self._attempt.record(entries, resource, resource.modified_at if changed else clock.now())
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
        """Raise what features and brakes have against the change; note whether it deprovisions the user."""
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
        if deactivates:
            brakes.count(self._workspace, brakes.USERS, [resource.row])
            resource.gone = tombstones.deprovisions(settings)
        _count_removed(self._workspace, linked)

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
        return [entry(action, after, differences, self._ignored, "; ".join(filter(None, [reason, password])))]

    def _store(self, resource: Resource, changes: Sequence[versions.Change], before: Subject, after: Subject) -> None:
        """Write a new version, and only the value rows that differ; a user who is deprovisioned is buried."""
        workspace, db = self._workspace, self._workspace.db
        resource.version += 1
        resource.modified_at = max(clock.now(), resource.modified_at + 1)
        if not changes:
            db.execute(_new_version, row=resource.row, version=resource.version, modified_at=resource.modified_at)
            return
        resource.document = orjson.dumps(self._new).decode()
        db.execute(
            _update_resource,
            row=resource.row,
            name=after.name,
            display=after.display,
            version=resource.version,
            modified_at=resource.modified_at,
            document=resource.document,
            # A value that the application lacks never keeps a user from being disabled.
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
    """A new version of a resource whose document stays as it is."""
    values = {getattr(ResourceRow, column): Slot(column) for column in ("version", "modified_at")}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))


@prepared
def _switch_user(db: Database) -> Any:
    """Disable or enable a user."""
    values = {ResourceRow.active: Slot("active"), ResourceRow.active_since: Slot("since")}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))


# --- delete -------------------------------------------------------------------------------------------------------


def _delete(attempt: Attempt, resource_type: ResourceType, id: str, if_match: Sequence[str]) -> None:
    workspace = attempt.workspace
    settings = workspace.app.settings
    resource = lock(workspace, resource_type, id, if_match)
    subject = Subject(resource_type, id, orjson.loads(resource.document))
    reason, ended = None, tombstones.DELETED
    if subject.is_user:
        brakes.count(workspace, brakes.USERS, [resource.row])
        reason = tombstones.why(settings, deactivated=False)
        ended = tombstones.DEPROVISIONED if tombstones.deprovisions(settings) else ended
    entries = [entry(Action.DELETED, subject, {}, told=reason)]
    if subject.is_group:
        lost = member_changes.lost_by_deletion(workspace.db, resource.row, subject.pair)
        _count_removed(workspace, lost)
        entries += lost.entries
    at = clock.now()
    tombstones.bury(workspace.db, resource.row, at, resource.version + 1, ended)
    attempt.record(entries, resource, at)
