"""Apps: an app is a connection from an identity provider, with its settings and resource types."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

from ..db import Database, Slot, prepared
from ..db.tables import AppRow
from ..errors import OperatorError
from ..scim import core, declared
from ..scim.declared import Declared
from ..scim.schema import Attribute, ResourceType, schema
from ..scim.strictness import Strictness
from .features import AppSettings


class AppError(OperatorError):
    """An operator's request cannot be carried out; the text says why and what to do instead."""


@dataclass(frozen=True)
class App:
    """An app, read from its row; the fields are named like the columns."""

    id: int
    slug: str
    name: str
    enabled: bool
    version: int
    settings: AppSettings
    created_at: int
    #: The app's own schemas and resource types.
    declared: Declared = declared.NOTHING
    #: The attribute mapping in the database's JSON, and its version.
    mapping: str = "{}"
    mapping_version: int = 1

    @cached_property
    def strictness(self) -> Strictness | None:
        """What the app refuses beyond the RFCs; None when nothing is."""
        return self.settings.strictness

    @cached_property
    def resource_types(self) -> dict[str, ResourceType]:
        """The app's resource types by endpoint, as its features and declarations make them."""
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


#: The columns of an app, named like the fields of App.
COLUMNS = tuple(getattr(AppRow, part.name) for part in fields(App))


@lru_cache(maxsize=4096)
def load(*row: Any) -> App:
    """The app in a row of COLUMNS; parsed once for each version of the row."""
    values = {column.name: value for column, value in zip(COLUMNS, row, strict=True)}
    values["enabled"] = bool(values["enabled"])
    values["settings"] = AppSettings.from_json(values["settings"])
    values["declared"] = declared.from_json(values["declared"])
    return App(**values)


def find(db: Database, slug: str) -> App | None:
    """The app with this slug; None when there is none."""
    row = db.row(_app_by_slug, slug=slug)
    return load(*row) if row else None


@prepared
def _app_by_slug(db: Database) -> Any:
    return AppRow.select(*COLUMNS).where(AppRow.slug == Slot("slug"), AppRow.deleted_at.is_null())


def get(db: Database, slug: str) -> App:
    """The app with this slug or exact name; AppError lists the first ten apps when there is none."""
    app = find(db, slug)
    if app is not None:
        return app
    apps = every(db)
    same_name = [app for app in apps if app.name == slug]
    if len(same_name) == 1:
        return same_name[0]
    slugs = ", ".join(app.slug for app in apps[:10])
    raise AppError(f"There is no app {slug!r}. " + (f"Apps: {slugs}." if slugs else "There is no app at all yet."))


def every(db: Database) -> list[App]:
    """All apps in the order of their slugs."""
    query = AppRow.select(*COLUMNS).where(AppRow.deleted_at.is_null()).order_by(AppRow.slug)
    return [load(*row) for row in db.rows(query)]


def ever(db: Database, name: str) -> list[int]:
    """The ids of apps with this slug or name, deleted apps included, because the journal keeps their entries."""
    return [row[0] for row in db.rows(AppRow.select(AppRow.id).where((AppRow.slug == name) | (AppRow.name == name)))]


def lock(db: Database, slug: str) -> App:
    """The present state of an app whose row stays locked until the transaction ends; AppError when there is none."""
    db.rows(db.locking(AppRow.select(AppRow.id).where(AppRow.id == get(db, slug).id)))
    return get(db, slug)


def update(db: Database, app: App, **values: Any) -> None:
    """Change the row of a locked app and its version, by which caches notice the change."""
    db.execute(AppRow.update(**values, version=AppRow.version + 1).where(AppRow.id == app.id))
