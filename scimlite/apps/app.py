"""An app: one connection from an identity provider, with its settings and resource types; found, read and locked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from ..db import Database, Slot, prepared
from ..db.tables import (
    AppRow,
)
from ..errors import OperatorError
from ..scim import core, declared
from ..scim.declared import Declared
from ..scim.schema import Attribute, ResourceType, schema
from .features import AppSettings


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
        return _resource_types(self.settings.unique_group_names, self.declared)


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
def _app_by_slug(db: Database) -> Any:
    return AppRow.select(*COLUMNS).where(AppRow.slug == Slot("slug"), AppRow.deleted_at.is_null())


def find(db: Database, slug: str) -> App | None:
    """The app with this slug, if there is one."""
    row = db.row(_app_by_slug, slug=slug)
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


def lock(db: Database, slug: str) -> App:
    """The app as it is now, its row locked until the transaction ends; AppError when there is none."""
    db.rows(db.locking(AppRow.select(AppRow.id).where(AppRow.id == get(db, slug).id)))
    return get(db, slug)


def update(db: Database, app: App, **values: Any) -> None:
    """Change the row of a locked app: a new version, which is what caches go by."""
    db.execute(AppRow.update(**values, version=AppRow.version + 1).where(AppRow.id == app.id))
