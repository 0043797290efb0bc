"""Writing resources: create, replace, patch and delete, each in one transaction, the only ones on resources."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from . import brakes, features, index, journal, links, passwords, profiles, signals, tombstones
from .apps import App
from .db import Database, Slot, prepared
from .journal import Action, Entry, Origin
from .models import ResourceRow
from .resources import Resource, lock
from .scim import document as documents
from .scim import patch_apply, versions
from .scim.document import Cleaned, Document
from .scim.patch_plan import LinkStep, Plan
from .scim.schema import ResourceType
from .subjects import Subject, entry, remember

T = TypeVar("T")


@prepared
def _INSERT(db: Database) -> Any:
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


@prepared
def _UPDATE(db: Database) -> Any:
    columns = ("name", "display", "version", "modified_at", "document", "profile", "profile_version")
    values = {getattr(ResourceRow, column): Slot(column) for column in columns}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))


@prepared
def _TOUCH(db: Database) -> Any:
    """A new version of a resource whose document stays as it is."""
    values = {getattr(ResourceRow, column): Slot(column) for column in ("version", "modified_at")}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))


@prepared
def _SWITCH(db: Database) -> Any:
    """Disable or enable a user."""
    values = {ResourceRow.active: Slot("active"), ResourceRow.active_since: Slot("since")}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))


def create(
    db: Database, app: App, resource_type: ResourceType, cleaned: Cleaned, origin: Origin, *, revive_since: int = 0
) -> Resource:
    """Store a new resource; a user may get the id of one who ended after `revive_since` (tombstones.revivable).

    Raises Uniqueness when a unique value is taken, InvalidValue when a member is refused or the app's mapping lacks a
    required value, BadRequest when a feature that is off forbids it.
    """
    features.allow_create(app.settings, app.slug, resource_type, with_members=bool(cleaned.links))
    password = passwords.change(app, resource_type, cleaned.secrets)
    filled = documents.with_defaults(resource_type, cleaned.document)
    # Made here, because while the transaction is under way others wait for it.
    new = _identified(filled, str(uuid.uuid4()))
    profile = profiles.text(app, resource_type, new)
    values = documents.value_rows(resource_type, new)

    def work() -> Resource:
        revived = tombstones.revivable(db, app, resource_type, filled, revive_since)
        document = _identified(filled, revived.id) if revived else new
        who = Subject(resource_type, document["id"], document)
        text = orjson.dumps(document).decode()
        at = journal.now()
        if revived:
            resource = tombstones.revive(db, revived, who, text, at)
        else:
            resource = _insert(db, app, who, text, profile, at)
        index.write(db, app, resource_type, resource.row, set(), values)
        done = [tombstones.REVIVED if revived else None, passwords.apply(db, app, resource.row, password)]
        action = Action.RESTORED if revived else Action.CREATED
        entries = [entry(action, who, {}, 201, cleaned.ignored, "; ".join(filter(None, done)))]
        if cleaned.links:
            step = LinkStep(add=dict.fromkeys(cleaned.links))
            entries += links.change(db, app, resource.row, [step], who.pair, 201).entries
        _record(db, app, origin, entries, resource.modified_at)
        remember(db, app, who, {})
        return resource

    return index.unique(db, app, resource_type, None, [new], lambda: db.transact(work))


def _identified(document: Document, id: str) -> Document:
    """A new document with the id that it gets, in the order in which clients see both."""
    return {"schemas": document["schemas"], "id": id, **document}


def _insert(db: Database, app: App, who: Subject, text: str, profile: str | None, at: int) -> Resource:
    row = db.scalar(
        _INSERT,
        app_id=app.id,
        type=who.type,
        uuid=who.id,
        name=who.name,
        display=who.display,
        active=who.active,
        active_since=at if who.is_user and who.active else None,
        created_at=at,
        modified_at=at,
        document=text,
        profile=profile,
        profile_version=app.mapping_version,
    )
    return Resource(row, who.id, who.type, 1, at, at, text)


def replace_resource(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    cleaned: Cleaned,
    origin: Origin,
    *,
    if_match: Sequence[str] = (),
) -> Resource:
    """PUT: the document becomes what was sent (RFC 7644 section 3.5.1), links included."""
    steps = []
    if resource_type.links is not None:
        steps.append(LinkStep(reset=True, add=dict.fromkeys(cleaned.links)))

    def renew(current: Document) -> Document:
        return documents.renewed(resource_type, current, cleaned.document)

    password = passwords.change(app, resource_type, cleaned.secrets)
    return _change(db, app, resource_type, id, _Change(renew, steps, cleaned.ignored, password), origin, if_match)


def patch(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    plan: Plan,
    origin: Origin,
    *,
    if_match: Sequence[str] = (),
) -> Resource:
    """PATCH: all changes of a plan, or none."""

    def renew(current: Document) -> Document:
        return patch_apply.apply(plan.edits, resource_type, current) if plan.edits else current

    if plan.links:
        features.allow_change(app.settings, app.slug, resource_type, members=True)
    password = passwords.change(app, resource_type, plan.secrets)
    return _change(db, app, resource_type, id, _Change(renew, plan.links, plan.ignored, password), origin, if_match)


def delete(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    origin: Origin,
    *,
    if_match: Sequence[str] = (),
) -> None:
    """Hide a resource and free its names; a tombstone and its member rows stay for a restore.

    Raises BadRequest when a feature that is off forbids it, TooManyRequests when a brake holds it.
    """
    features.allow_delete(app.settings, app.slug, resource_type)

    def work() -> None:
        resource = lock(db, app, resource_type, id, if_match)
        who = Subject(resource_type, id, orjson.loads(resource.document))
        told, ended = None, tombstones.DELETED
        if who.is_user:
            brakes.count(db, app, brakes.USERS, [resource.row])
            told = tombstones.why(app.settings, deactivated=False)
            ended = tombstones.DEPROVISIONED if tombstones.deprovisions(app.settings) else ended
        entries = [entry(Action.DELETED, who, {}, 204, told=told)]
        if who.is_group:
            lost = links.lost_by_deletion(db, resource.row, who.pair, 204)
            _count_removed(db, app, lost)
            entries += lost.entries
        at = journal.now()
        tombstones.bury(db, resource.row, at, resource.version + 1, ended)
        _record(db, app, origin, entries, at)

    _braked(db, app, origin, work)


def _record(db: Database, app: App, origin: Origin, entries: Sequence[Entry], at: int) -> None:
    """Journal what was done, and announce it when it is durable."""
    journal.record(db, app.id, origin, entries, at)
    signals.announce(db, app, origin, entries)


def _count_removed(db: Database, app: App, linked: links.Linked) -> None:
    if linked.removed:
        brakes.count(db, app, brakes.MEMBERS, linked.removed)


def _braked(db: Database, app: App, origin: Origin, work: Callable[[], T]) -> T:
    """Run a write in its transaction; one that is one too many for a brake trips it when it has been rolled back."""
    try:
        return db.transact(work)
    except brakes.Tripped as tripped:
        brakes.trip(db, app, tripped, origin)
        raise


@dataclass(frozen=True, slots=True)
class _Change:
    """What PUT or PATCH does to a locked resource: a new document, steps on its links, a new password."""

    renew: Callable[[Document], Document]
    steps: Sequence[LinkStep]
    ignored: Sequence[str]
    password: passwords.Change | None


def _change(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    change: _Change,
    origin: Origin,
    if_match: Sequence[str],
) -> Resource:
    tried: list[Document] = []

    def work() -> Resource:
        # The answer shows the groups, which the write does not change.
        resource = lock(db, app, resource_type, id, if_match, with_derived=True)
        old = orjson.loads(resource.document)
        new = change.renew(old)
        tried[:] = [new]
        changes = versions.changes(resource_type, old, new)
        differences = versions.differences(changes)
        before = Subject(resource_type, id, old)
        who = Subject(resource_type, id, new) if changes else before
        linked = links.change(db, app, resource.row, change.steps, who.pair, 200) if change.steps else links.NOTHING
        secret = passwords.apply(db, app, resource.row, change.password)
        deactivates = before.active and not who.active
        features.allow_change(
            app.settings,
            app.slug,
            resource_type,
            deactivates=bool(deactivates),
            otherwise=secret is not None or bool(differences.keys() - ({"active"} if deactivates else ())),
            members=linked.changed,
        )
        if deactivates:
            brakes.count(db, app, brakes.USERS, [resource.row])
            resource.gone = tombstones.deprovisions(app.settings)
        _count_removed(db, app, linked)
        entries = linked.entries
        if differences or secret:
            why = tombstones.why(app.settings, deactivated=True) if resource.gone else None
            told = "; ".join(filter(None, [why, secret]))
            entries = [entry(_action(resource, who, before), who, differences, 200, change.ignored, told), *entries]
        changed = bool(differences) or linked.changed or secret is not None
        if changed:
            _write(db, app, resource_type, resource, changes, new, before, who)
            remember(db, app, who, old)
        if entries:
            # Refused members alone change nothing: then the resource's time is of an older change.
            _record(db, app, origin, entries, resource.modified_at if changed else journal.now())
        return resource

    return index.unique(db, app, resource_type, id, tried, lambda: _braked(db, app, origin, work))


def _action(resource: Resource, now: Subject, before: Subject) -> Action:
    if resource.gone:
        return Action.DELETED
    if now.active != before.active:
        return Action.ENABLED if now.active else Action.DISABLED
    return Action.UPDATED


def _write(
    db: Database,
    app: App,
    resource_type: ResourceType,
    resource: Resource,
    changes: Sequence[versions.Change],
    new: Document,
    before: Subject,
    who: Subject,
) -> None:
    """Write a changed resource: a new version, and only the value rows that differ; what is gone is buried."""
    resource.version += 1
    resource.modified_at = max(journal.now(), resource.modified_at + 1)
    if not changes:
        db.execute(_TOUCH, row=resource.row, version=resource.version, modified_at=resource.modified_at)
        return
    resource.document = orjson.dumps(new).decode()
    db.execute(
        _UPDATE,
        row=resource.row,
        name=who.name,
        display=who.display,
        version=resource.version,
        modified_at=resource.modified_at,
        document=resource.document,
        # Nothing that an application lacks may keep a user from being disabled.
        profile=profiles.text(app, resource_type, new, lenient=who.active < before.active),
        profile_version=app.mapping_version,
    )
    if who.active != before.active:
        since = resource.modified_at if who.active else None
        db.execute(_SWITCH, row=resource.row, active=who.active, since=since)
    if resource.gone:
        tombstones.bury(db, resource.row, resource.modified_at, resource.version, tombstones.DEACTIVATED)
        return
    index.write(db, app, resource_type, resource.row, *versions.changed_rows(changes))
