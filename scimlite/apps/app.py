"""Apps: an app is a connection from an identity provider, with its settings and resource types."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

from ..db import Database, Slot, prepared
from ..db.tables import AppRow
from ..errors import OperatorError
from ..scim import core, declared
from ..scim.attribute import Attribute
from ..scim.declared import Declared
from ..scim.names import fold
from ..scim.schema import ResourceType, schema
from ..scim.strictness import Strictness
from ..suggestions import did_you_mean
from . import app_profile
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
    #: The name of the bundle of features that was chosen last.
    profile: str = app_profile.DEFAULT
    #: The app's own schemas and resource types.
    declared: Declared = declared.NOTHING
    #: The attribute mapping in the database's JSON, and its version.
    mapping: str = "{}"
    mapping_version: int = 1
    #: True when sources are read into it, so that resources may have an owner.
    sourced: bool = False

    @cached_property
    def strictness(self) -> Strictness | None:
        """What the app refuses beyond the RFCs; None when nothing is."""
        return self.settings.strictness

    @cached_property
    def resource_types(self) -> dict[str, ResourceType]:
        """The app's resource types by endpoint, as its features and declarations make them."""
        sent_displays = self.settings.member_display == "sent"
        return _resource_types(self.settings.unique_group_names, sent_displays, self.declared)


@lru_cache(maxsize=1024)
def _resource_types(unique_group_names: bool, sent_displays: bool, declared: Declared) -> dict[str, ResourceType]:
    return declared.resource_types(_built_in(unique_group_names, sent_displays))


@lru_cache(maxsize=4)
def _built_in(unique_group_names: bool, sent_displays: bool) -> dict[str, ResourceType]:
    attributes = list(core.GROUP_SCHEMA.attributes)
    if unique_group_names:
        attributes = [_unique(attribute) for attribute in attributes]
    if sent_displays:
        attributes = [_with_written_display(attribute) for attribute in attributes]
    if attributes == list(core.GROUP_SCHEMA.attributes):
        return core.RESOURCE_TYPES
    described = schema(core.GROUP_URN, "Group", core.GROUP_SCHEMA.description, attributes, core=True)
    return {**core.RESOURCE_TYPES, core.GROUP.endpoint: replace(core.GROUP, schema=described)}


def _unique(attribute: Attribute) -> Attribute:
    return replace(attribute, uniqueness="server") if attribute.name == "displayName" else attribute


def _with_written_display(attribute: Attribute) -> Attribute:
    """The members with a `display` that clients write when they add a member, and always get back."""
    if not attribute.links:
        return attribute
    subs = (
        replace(sub, mutability="immutable", returned="default") if sub.name == "display" else sub
        for sub in attribute.sub_attributes
    )
    return replace(attribute, sub_attributes=tuple(subs))


#: The columns of an app, named like the fields of App.
COLUMNS = tuple(getattr(AppRow, part.name) for part in fields(App))


@lru_cache(maxsize=4096)
def load(*row: Any) -> App:
    """The app in a row of COLUMNS; parsed once for each version of the row."""
    values = {column.name: value for column, value in zip(COLUMNS, row, strict=True)}
    values["enabled"] = bool(values["enabled"])
    values["sourced"] = bool(values["sourced"])
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


def by_id(db: Database, id: int) -> App | None:
    """The app with this key; None when there is none."""
    row = db.row(AppRow.select(*COLUMNS).where(AppRow.id == id, AppRow.deleted_at.is_null()))
    return load(*row) if row else None


def get(db: Database, name: str) -> App:
    """The app with this slug or name, in any case; AppError lists the first ten apps when there is none."""
    app = named(db, name)
    if app is not None:
        return app
    apps = every(db)
    slugs = ", ".join(app.slug for app in apps[:10])
    meant = did_you_mean(name, [app.slug for app in apps])
    raise AppError(
        f"There is no app {name!r}.{meant} " + (f"Apps: {slugs}." if slugs else "There is no app at all yet.")
    )


def named(db: Database, name: str) -> App | None:
    """The app with this slug, else the one with this name, in any case; None when there is none.

    Raises AppError when several apps have the name.
    """
    app = find(db, name)
    if app is not None:
        return app
    apps, key = every(db), _key(name)
    for matches in (
        [app for app in apps if app.slug == key],
        [app for app in apps if app.name == name],
        [app for app in apps if _key(app.name) == key],
    ):
        if len(matches) > 1:
            slugs = ", ".join(app.slug for app in matches)
            raise AppError(f"{len(matches)} apps are called {name!r}: {slugs}. Give the slug.")
        if matches:
            return matches[0]
    return None


def _key(name: str) -> str:
    """A name or slug as it is compared: without case, and without blanks at the ends."""
    return fold(name.strip())


def every(db: Database) -> list[App]:
    """All apps in the order of their slugs."""
    query = AppRow.select(*COLUMNS).where(AppRow.deleted_at.is_null()).order_by(AppRow.slug)
    return [load(*row) for row in db.rows(query)]


def ever(db: Database, name: str) -> list[int]:
    """The ids of apps that have or had this slug or name, in any case: the journal keeps entries of deleted apps."""
    rows = db.rows(AppRow.select(AppRow.id, AppRow.slug, AppRow.name).order_by(AppRow.id))
    return [id for id, *names in rows if _key(name) in map(_key, names)]


def lock(db: Database, slug: str) -> App:
    """The present state of an app whose row stays locked until the transaction ends; AppError when there is none."""
    db.rows(db.locking(AppRow.select(AppRow.id).where(AppRow.id == get(db, slug).id)))
    return get(db, slug)


def update(db: Database, app: App, **values: Any) -> None:
    """Change the row of a locked app and its version, by which caches notice the change."""
    db.execute(AppRow.update(**values, version=AppRow.version + 1).where(AppRow.id == app.id))
