"""The life of an app: one connection from an identity provider, with its settings and resource types."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import peewee
from peewee import fn

from . import journal
from .db import Database, Slot, prepared
from .errors import OperatorError
from .features import AppSettings, FeatureError
from .journal import Action, Entry, Origin
from .models import (
    AppRow,
    BrakeRow,
    DepartureRow,
    MemberRow,
    PasswordRow,
    RefusalRow,
    ResourceRow,
    TokenRow,
    ValueRow,
    sought,
)
from .scim import core, declared
from .scim.declared import Declared
from .scim.schema import Attribute, ResourceType, schema

_SLUG = re.compile(r"[a-z0-9-]{1,63}")
_LONGEST_NAME = 200
#: A unique key longer than this is kept as its digest (store), because a B-tree entry has a largest size.
LONGEST_UNIQUE_KEY = 256


class AppError(OperatorError):
    """What an operator asked for cannot be done; the text says why and what to do instead."""


@dataclass(frozen=True)
class App:
    """An app as a request or a command works with it."""

    id: int
    slug: str
    name: str
    enabled: bool
    version: int
    settings: AppSettings
    created_at: int
    #: Schemas and resource types of its own.
    declared: Declared = declared.NOTHING
    #: The attribute mapping as the database keeps it, and its version.
    mapping: str = "{}"
    mapping_version: int = 1

    @cached_property
    def resource_types(self) -> dict[str, ResourceType]:
        """The app's resource types by endpoint; they say exactly what holds here."""
        return _resource_types(self.settings.unique_group_names == "on", self.declared)


@lru_cache(maxsize=1024)
def _resource_types(unique_group_names: bool, declared: Declared) -> dict[str, ResourceType]:
    return declared.resource_types(_built_in(unique_group_names))


@lru_cache(maxsize=2)
def _built_in(unique_group_names: bool) -> dict[str, ResourceType]:
    if not unique_group_names:
        return core.RESOURCE_TYPES
    attributes = [_unique(attribute) for attribute in core.GROUP_SCHEMA.attributes]
    described = schema(core.GROUP_URN, "Group", core.GROUP_SCHEMA.description, attributes, core=True)
    return {**core.RESOURCE_TYPES, core.GROUP.endpoint: replace(core.GROUP, schema=described)}


def _unique(attribute: Attribute) -> Attribute:
    return replace(attribute, uniqueness="server") if attribute.name == "displayName" else attribute


#: What `load` takes, in its order.
COLUMNS = (
    AppRow.id,
    AppRow.slug,
    AppRow.name,
    AppRow.enabled,
    AppRow.version,
    AppRow.settings,
    AppRow.created_at,
    AppRow.declared,
    AppRow.mapping,
    AppRow.mapping_version,
)


@lru_cache(maxsize=4096)
def load(
    id: int,
    slug: str,
    name: str,
    enabled: int,
    version: int,
    settings: str,
    created_at: int,
    declarations: str,
    mapping: str,
    mapping_version: int,
) -> App:
    """An app from its row; parsed once for each version of the row."""
    read = AppSettings.from_json(settings)
    own = declared.from_json(declarations)
    return App(id, slug, name, bool(enabled), version, read, created_at, own, mapping, mapping_version)


@prepared
def _BY_SLUG(db: Database) -> Any:
    return AppRow.select(*COLUMNS).where(AppRow.slug == Slot("slug"), AppRow.deleted_at.is_null())


def find(db: Database, slug: str) -> App | None:
    """The app with this slug, if there is one."""
    row = db.row(_BY_SLUG, slug=slug)
    return load(*row) if row else None


def get(db: Database, slug: str) -> App:
    """The app with this slug or exact name; AppError lists what there is when there is none."""
    found = find(db, slug)
    if found is None:
        named = [app for app in every(db) if app.name == slug]
        if len(named) == 1:
            return named[0]
        known = ", ".join(app.slug for app in every(db)[:10])
        raise AppError(f"There is no app {slug!r}. " + (f"Apps: {known}." if known else "There is no app at all yet."))
    return found


def every(db: Database) -> list[App]:
    """All apps, by slug."""
    query = AppRow.select(*COLUMNS).where(AppRow.deleted_at.is_null()).order_by(AppRow.slug)
    return [load(*row) for row in db.rows(query)]


def ever(db: Database, name: str) -> list[int]:
    """Ids of apps that have or had this slug or name, deleted ones included: the journal keeps them."""
    return [row[0] for row in db.rows(AppRow.select(AppRow.id).where((AppRow.slug == name) | (AppRow.name == name)))]


def slug_of(name: str) -> str:
    """A slug made from a name: `Entra ID` is `entra-id`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")


def create(db: Database, name: str, slug: str | None, origin: Origin) -> App:
    """Make an app; AppError when the name or slug cannot be used or the slug is taken."""
    name = _checked_name(name)
    chosen = slug if slug is not None else slug_of(name)
    if not _SLUG.fullmatch(chosen):
        raise AppError(f"{chosen!r} cannot be a slug: 1 to 63 of a-z, 0-9 and hyphens. Choose one with --slug.")

    def work() -> None:
        values = {"slug": chosen, "name": name, "enabled": 1, "settings": "{}", "version": 1, "mapping_version": 1}
        db.execute(AppRow.insert(**values, created_at=journal.now()))
        made = find(db, chosen)
        assert made is not None
        journal.record(db, made.id, origin, [Entry(Action.APP_CREATED, detail=f"{name} ({chosen})")])

    try:
        db.transact(work)
    except peewee.IntegrityError as error:
        if db.not_unique(error, "app", "slug"):
            raise AppError(f"There is an app {chosen!r} already. Choose another slug with --slug.") from None
        raise
    made = find(db, chosen)
    assert made is not None
    return made


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise AppError(f"An app's name has 1 to {_LONGEST_NAME} printable characters.")
    return name


def edit(
    db: Database, slug: str, origin: Origin, *, name: str | None = None, features: dict[str, str] | None = None
) -> App:
    """Rename an app or set features; AppError when a feature does not exist or stored data contradict it."""

    def work() -> None:
        app = lock(db, slug)
        settings = app.settings
        for feature, value in (features or {}).items():
            try:
                settings = settings.with_feature(feature, value)
            except FeatureError as error:
                raise AppError(str(error)) from None
        renamed = _checked_name(name) if name is not None else app.name
        if settings.unique_group_names != app.settings.unique_group_names:
            _switch_unique_group_names(db, app, on=settings.unique_group_names == "on")
        if settings.passwords != app.settings.passwords:
            # What came while they were dropped is lost: none that is older may let anybody in.
            db.execute(PasswordRow.delete().where(PasswordRow.app_id == app.id))
        changes = _setting_changes(app, settings, renamed)
        if changes:
            update(db, app, settings=settings.to_json(), name=renamed)
            journal.record(db, app.id, origin, [Entry(Action.APP_EDITED, changes=changes)])

    db.transact(work)
    return get(db, slug)


def lock(db: Database, slug: str) -> App:
    """The app as it is now, its row locked until the transaction ends; AppError when there is none."""
    db.rows(db.locking(AppRow.select(AppRow.id).where(AppRow.id == get(db, slug).id)))
    return get(db, slug)


def _setting_changes(app: App, settings: AppSettings, name: str) -> dict[str, list[Any]]:
    before, after = {"name": app.name, **asdict(app.settings)}, {"name": name, **asdict(settings)}
    return {key: [before[key], after[key]] for key in after if before[key] != after[key]}


def update(db: Database, app: App, **values: Any) -> None:
    """Change the row of a locked app: a new version, which is what caches go by."""
    db.execute(AppRow.update(**values, version=AppRow.version + 1).where(AppRow.id == app.id))


def _switch_unique_group_names(db: Database, app: App, *, on: bool) -> None:
    """Make the database enforce unique group names, or stop; refused while two groups share a name."""
    of_groups = (ValueRow.app_id == app.id) & (ValueRow.type == core.GROUP.name)
    names = of_groups & (ValueRow.path == "displayName") & sought(ValueRow)
    if not on:
        db.execute(ValueRow.update(unique_key=None).where(names))
        return
    rows = db.rows(
        ValueRow.select(ValueRow.key, ResourceRow.name, ValueRow.resource_id)
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .where(names, ResourceRow.deleted_at.is_null())
    )
    shared = [key for key, times in Counter(row[0] for row in rows).items() if times > 1]
    if shared:
        listed = ", ".join(sorted({row[1] for row in rows if row[0] in shared})[:10])
        raise AppError(f"unique-group-names cannot be on while groups share a name: {listed}.")
    for key, _, resource_id in rows:
        query = ValueRow.update(unique_key=unique_key(key))
        db.execute(query.where(names, ValueRow.resource_id == resource_id))


def unique_key(key: str) -> str:
    """What stands in the unique index for a key: itself, or a digest when it is long."""
    if len(key) <= LONGEST_UNIQUE_KEY:
        return key
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def set_enabled(db: Database, slug: str, origin: Origin, *, enabled: bool) -> App:
    """Let the app's tokens work, or stop them at once in every worker."""

    def work() -> None:
        app = lock(db, slug)
        if app.enabled != enabled:
            update(db, app, enabled=int(enabled))
            action = Action.APP_ENABLED if enabled else Action.APP_DISABLED
            journal.record(db, app.id, origin, [Entry(action)])

    db.transact(work)
    return get(db, slug)


@dataclass(frozen=True, slots=True)
class Contents:
    """How much an app holds."""

    users: int
    disabled_users: int
    groups: int
    #: Resources of the app's own types.
    others: int
    memberships: int


def contents(db: Database, app: App) -> Contents:
    """Count the app's living users, groups and memberships."""
    living = ResourceRow.select(fn.count(ResourceRow.id)).where(
        ResourceRow.app_id == app.id, ResourceRow.deleted_at.is_null()
    )
    users = living.where(ResourceRow.type == "User")
    return Contents(
        db.scalar(users),
        db.scalar(users.where(ResourceRow.active == 0)),
        db.scalar(living.where(ResourceRow.type == "Group")),
        db.scalar(living.where(ResourceRow.type.not_in(["User", "Group"]))),
        _memberships(db, app),
    )


def _memberships(db: Database, app: App) -> int:
    """Count what living groups hold, less the deleted: their memberships stay, so that they can be restored."""
    holder, held = ResourceRow.alias(), ResourceRow.alias()
    of_groups = (
        MemberRow.select(fn.count(MemberRow.member_id))
        .join(holder, on=(holder.id == MemberRow.group_id))
        .where(holder.app_id == app.id, holder.type == "Group", holder.deleted_at.is_null())
    )
    of_deleted = of_groups.join(held, on=(held.id == MemberRow.member_id)).where(
        held.app_id == app.id, held.deleted_at.is_null(False)
    )
    return int(db.scalar(of_groups)) - int(db.scalar(of_deleted))


def delete(db: Database, slug: str, origin: Origin) -> App:
    """Remove an app with its users, groups and tokens; the journal stays and keeps the app's name."""

    def work() -> App:
        app = lock(db, slug)
        held = contents(db, app)
        resources = ResourceRow.select(ResourceRow.id).where(ResourceRow.app_id == app.id)
        # Aliases stay: the journal of a deleted app is still searched by name.
        db.execute(ValueRow.delete().where(ValueRow.resource_id.in_(resources)))
        for table in (MemberRow, PasswordRow, DepartureRow, BrakeRow, RefusalRow, ResourceRow, TokenRow):
            db.execute(table.delete().where(table.app_id == app.id))
        update(db, app, enabled=0, deleted_at=journal.now())
        others = f" and {held.others} other resources" if held.others else ""
        detail = f"{app.name} ({app.slug}) with {held.users} users and {held.groups} groups{others}"
        journal.record(db, app.id, origin, [Entry(Action.APP_DELETED, detail=detail)])
        return app

    return db.transact(work)
