"""Writing resources: create, replace, patch and delete, each in one transaction, the only ones on resources."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import peewee

from . import journal, links, passwords
from .apps import App, unique_key
from .db import Database, Slot, prepared
from .errors import Uniqueness
from .journal import Action, Entry, Origin
from .models import ResourceRow, ValueRow
from .resources import Resource, lock
from .scim import document as documents
from .scim import patch as patching
from .scim.document import Cleaned, Document
from .scim.schema import ResourceType
from .scim.values import fold


@prepared
def _INSERT(db: Database) -> Any:
    columns = ("app_id", "type", "uuid", "name", "display", "active", "created_at", "modified_at", "document")
    values = {getattr(ResourceRow, column): Slot(column) for column in columns}
    return ResourceRow.insert({**values, ResourceRow.version: 1}).returning(ResourceRow.id)


@prepared
def _INSERT_VALUE(db: Database) -> Any:
    columns = ("app_id", "type", "resource_id", "path", "item", "nth", "key", "unique_key")
    return ValueRow.insert({getattr(ValueRow, column): Slot(column) for column in columns})


@prepared
def _DELETE_VALUE(db: Database) -> Any:
    return ValueRow.delete().where(
        ValueRow.resource_id == Slot("resource_id"),
        ValueRow.path == Slot("path"),
        ValueRow.item == Slot("item"),
        ValueRow.nth == Slot("nth"),
    )


@prepared
def _DELETE_VALUES(db: Database) -> Any:
    return ValueRow.delete().where(ValueRow.resource_id == Slot("resource_id"))


@prepared
def _UPDATE(db: Database) -> Any:
    columns = ("name", "display", "active", "version", "modified_at", "document")
    values = {getattr(ResourceRow, column): Slot(column) for column in columns}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))


@prepared
def _BURY(db: Database) -> Any:
    return ResourceRow.update(
        {
            ResourceRow.deleted_at: Slot("at"),
            ResourceRow.modified_at: Slot("at"),
            ResourceRow.active: 0,
            ResourceRow.version: Slot("version"),
        }
    ).where(ResourceRow.id == Slot("row"))


def create(db: Database, app: App, resource_type: ResourceType, cleaned: Cleaned, origin: Origin) -> Resource:
    """Store a new resource; Uniqueness when a unique value is taken, InvalidValue when a member is refused."""
    password = passwords.change(app, resource_type, cleaned.secrets)
    id = str(uuid.uuid4())
    filled = documents.with_defaults(resource_type, cleaned.document)
    document = {"schemas": filled["schemas"], "id": id, **filled}
    text = orjson.dumps(document).decode()
    at = journal.now()
    who = _Who(resource_type, id, document)

    def work() -> Resource:
        row = db.scalar(
            _INSERT,
            app_id=app.id,
            type=resource_type.name,
            uuid=id,
            name=who.name,
            display=who.display,
            active=who.active,
            created_at=at,
            modified_at=at,
            document=text,
        )
        resource = Resource(row, id, resource_type.name, 1, at, at, text, None, None)
        _write_values(db, app, resource_type, row, set(), documents.value_rows(resource_type, document))
        secret = passwords.apply(db, app, row, password)
        entries = [_entry(Action.CREATED, who, {}, 201, cleaned.ignored, secret)]
        if cleaned.links:
            step = patching.LinkStep(add=dict.fromkeys(cleaned.links))
            entries += links.change(db, app, row, [step], who.pair, 201).entries
        journal.record(db, app.id, origin, entries, at)
        _remember(db, app, who, {})
        return resource

    return _unique(db, app, resource_type, document, None, lambda: db.transact(work))


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
        steps.append(patching.LinkStep(reset=True, add=dict.fromkeys(cleaned.links)))

    def renew(current: Document) -> Document:
        return documents.renewed(resource_type, current, cleaned.document)

    password = passwords.change(app, resource_type, cleaned.secrets)
    return _change(db, app, resource_type, id, _Change(renew, steps, cleaned.ignored, password), origin, if_match)


def patch(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    plan: patching.Plan,
    origin: Origin,
    *,
    if_match: Sequence[str] = (),
) -> Resource:
    """PATCH: all changes of a plan, or none."""

    def renew(current: Document) -> Document:
        return patching.apply(plan.edits, resource_type, current) if plan.edits else current

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
    """Hide a resource and free its names; a tombstone and its member rows stay for a restore."""

    def work() -> None:
        resource = lock(db, app, resource_type, id, if_match)
        who = _Who(resource_type, id, orjson.loads(resource.document))
        at = journal.now()
        db.execute(_BURY, row=resource.row, at=at, version=resource.version + 1)
        db.execute(_DELETE_VALUES, resource_id=resource.row)
        passwords.forget(db, resource.row)
        entries = [_entry(Action.DELETED, who, {}, 204, [])]
        if resource_type.links is not None:
            entries += links.lost_by_deletion(db, resource.row, who.pair, 204)
        journal.record(db, app.id, origin, entries, at)

    db.transact(work)


@dataclass(frozen=True, slots=True)
class _Change:
    """What PUT or PATCH does to a locked resource: a new document, steps on its links, a new password."""

    renew: Callable[[Document], Document]
    steps: Sequence[patching.LinkStep]
    ignored: Sequence[str]
    password: passwords.Change | None


class _Who:
    """The person, group or other resource that a change concerns, for columns and journal."""

    def __init__(self, resource_type: ResourceType, id: str, document: Document) -> None:
        self.id = id
        self.is_user = resource_type.name == "User"
        self.is_group = resource_type.links is not None
        names = documents.names(resource_type, document)
        self.name = names.name or id
        self.display = names.display
        self.external_id = document.get("externalId")
        # A user whose `active` was removed may not use the application: nothing says that it may.
        self.active = int(bool(document.get("active"))) if self.is_user else 1
        self.pair = (id, self.name)
        #: The journal has columns for users and groups; of others it tells in words.
        self.told = [] if self.is_user or self.is_group else [f"{resource_type.name} {self.name!r} ({id})"]


def _change(
    db: Database,
    app: App,
    resource_type: ResourceType,
    id: str,
    change: _Change,
    origin: Origin,
    if_match: Sequence[str],
) -> Resource:
    seen: list[Document] = []

    def work() -> Resource:
        resource = lock(db, app, resource_type, id, if_match)
        old = orjson.loads(resource.document)
        new = change.renew(old)
        seen[:] = [new]
        differences = documents.differences(resource_type, old, new)
        who = _Who(resource_type, id, new)
        linked = links.change(db, app, resource.row, change.steps, who.pair, 200) if change.steps else links.NOTHING
        secret = passwords.apply(db, app, resource.row, change.password)
        entries = linked.entries
        if differences or secret:
            action = _action(who, _Who(resource_type, id, old))
            entries = [_entry(action, who, differences, 200, change.ignored, secret), *entries]
        changed = bool(differences) or linked.changed or secret is not None
        if changed:
            _write(db, app, resource_type, resource, old, new, who)
            _remember(db, app, who, old)
        if entries:
            # Refused members alone change nothing: then the resource's time is of an older change.
            journal.record(db, app.id, origin, entries, resource.modified_at if changed else journal.now())
        return resource

    return _unique(db, app, resource_type, None, id, lambda: db.transact(work), seen)


def _action(now: _Who, before: _Who) -> Action:
    if now.is_user and now.active != before.active:
        return Action.ENABLED if now.active else Action.DISABLED
    return Action.UPDATED


def _write(
    db: Database,
    app: App,
    resource_type: ResourceType,
    resource: Resource,
    old: Document,
    new: Document,
    who: _Who,
) -> None:
    """Write a changed resource: a new version, and only the value rows that differ."""
    before = documents.value_rows(resource_type, old)
    after = documents.value_rows(resource_type, new)
    resource.version += 1
    resource.modified_at = max(journal.now(), resource.modified_at + 1)
    resource.document = orjson.dumps(new).decode()
    db.execute(
        _UPDATE,
        row=resource.row,
        name=who.name,
        display=who.display,
        active=who.active,
        version=resource.version,
        modified_at=resource.modified_at,
        document=resource.document,
    )
    _write_values(db, app, resource_type, resource.row, before, after)


def _write_values(
    db: Database,
    app: App,
    resource_type: ResourceType,
    row: int,
    before: set[documents.ValueRow],
    after: set[documents.ValueRow],
) -> None:
    gone = [{"resource_id": row, "path": v.path, "item": v.item, "nth": v.nth} for v in before - after]
    db.execute_many(_DELETE_VALUE, gone)
    unique = resource_type.unique_paths
    common = {"app_id": app.id, "type": resource_type.name, "resource_id": row}
    db.execute_many(
        _INSERT_VALUE,
        [
            {**common, **value._asdict(), "unique_key": unique_key(value.key) if value.path in unique else None}
            for value in sorted(after - before)
        ],
    )


def _remember(db: Database, app: App, who: _Who, before: Document) -> None:
    """Keep the names a user is known by, when they are new."""
    if not who.is_user:
        return
    names = [fold(who.name)] if before.get("userName") != who.name else []
    if who.external_id and before.get("externalId") != who.external_id:
        names.append(who.external_id)
    journal.known_as(db, app.id, who.id, names)


def _entry(
    action: Action,
    who: _Who,
    changes: dict[str, list[Any]],
    status: int,
    ignored: Iterable[str],
    secret: str | None = None,
) -> Entry:
    """The journal row of a change; `secret` says what became of a password, of which no value may be told."""
    listed = ", ".join(list(ignored)[:20])
    return Entry(
        action,
        user=who.pair if who.is_user else None,
        group=who.pair if who.is_group else None,
        changes=changes or None,
        status=status,
        detail="; ".join(filter(None, [*who.told, secret, listed and f"not taken: {listed}"])) or None,
    )


def _unique(
    db: Database,
    app: App,
    resource_type: ResourceType,
    document: Document | None,
    id: str | None,
    work: Callable[[], Resource],
    seen: list[Document] | None = None,
) -> Resource:
    """Run a write; a violated unique index becomes 409 naming the attribute."""
    try:
        return work()
    except peewee.IntegrityError as error:
        if not db.not_unique(error, "value", "unique_key"):
            raise
        new = document or (seen[0] if seen else {})
        raise Uniqueness(_taken(db, app, resource_type, new, id)) from None


@prepared
def _HOLDERS(db: Database) -> Any:
    return (
        ValueRow.select(ResourceRow.uuid)
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .where(
            ValueRow.app_id == Slot("app"),
            ValueRow.type == Slot("type"),
            ValueRow.path == Slot("path"),
            ValueRow.unique_key == Slot("key"),
        )
    )


def _taken(db: Database, app: App, resource_type: ResourceType, new: Document, id: str | None) -> str:
    """Which unique value is taken, in words."""
    seen: set[tuple[str, str]] = set()
    for value in sorted(documents.value_rows(resource_type, new)):
        if value.path in resource_type.unique_paths:
            if (value.path, value.key) in seen:
                return f"This {resource_type.name} has the same {value.path} twice."
            seen.add((value.path, value.key))
            held = db.rows(_HOLDERS, app=app.id, type=resource_type.name, path=value.path, key=unique_key(value.key))
            if any(row[0] != id for row in held):
                return f"Another {resource_type.name} of this app already has this {value.path}."
    return f"Another {resource_type.name} of this app already has one of these unique values."
