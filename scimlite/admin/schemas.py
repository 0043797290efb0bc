"""Declares, lists and removes the schemas and resource types of an app's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .. import apps, journal
from ..apps import App, AppError, compiled_mapping, mapping
from ..apps.mapping import MappingError
from ..apps.workspace import Workspace
from ..journal import Action, Entry, Scope
from ..scim import declaration_form, declared
from ..scim.declaration import DeclarationError, DeclaredType
from ..scim.declaration_diff import Difference, differences
from ..scim.declared import Declared, Origin
from ..scim.schema import ResourceType, Schema
from ..suggestions import did_you_mean
from . import catalog, conversion

#: Characters of all declarations of an app as JSON.
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Use:
    """A resource type that has a schema: as its core schema, or as an extension that may be required."""

    resource_type: ResourceType
    core: bool
    required: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A schema of an app; `declared` is False for built-in schemas, `origin` the entry of the catalogue, if any."""

    schema: Schema
    declared: bool
    origin: Origin | None
    uses: list[Use]


@dataclass(frozen=True, slots=True)
class Comparison:
    """An app's declarations from an entry of the catalogue beside the entry: the versions, and what differs."""

    name: str
    version: int
    available: int
    differences: list[Difference]


def every(app: App) -> list[Listed]:
    """Returns the schemas of an app's resource types, each once."""
    listed: dict[str, Listed] = {}
    for kind in app.resource_types.values():
        for schema in kind.schemas:
            is_core = kind.schema is schema
            use = Use(kind, is_core, is_core or schema.id in kind.required_extensions)
            default = Listed(schema, schema.id.lower() in app.declared.schemas, app.declared.origin_of(schema.id), [])
            listed.setdefault(schema.id, default).uses.append(use)
    return list(listed.values())


def find(app: App, name: str) -> ResourceType | Listed:
    """Returns the resource type with this name, or the schema with this URN, in any case. Raises AppError."""
    types, schemas = list(app.resource_types.values()), every(app)
    for kind in types:
        if kind.name.lower() == name.lower():
            return kind
    for listed in schemas:
        if listed.schema.id.lower() == name.lower():
            return listed
    names = [*(kind.name for kind in types), *(listed.schema.id for listed in schemas)]
    meant = did_you_mean(name, names)
    raise AppError(f"{app.slug} has no schema or resource type {name!r}.{meant} There is: {', '.join(names)}.")


def add(
    scope: Scope,
    slug: str,
    body: Any,
    *,
    to: Iterable[str] = (),
    required: bool | None = None,
    force: bool = False,
) -> list[str]:
    """Declares the schemas and resource types in JSON (RFC 7643 sections 6 and 7), or replaces their declarations.

    Schemas that are no type's core schema extend the types in `to`. Returns the changes, a sentence each. Raises
    AppError when the declaration contradicts itself, other declarations, or stored resources; `force` deletes stored
    values that are left without an attribute.
    """
    try:
        more = declaration_form.read(body)
    except DeclarationError as error:
        raise AppError(str(error)) from None
    entry = Entry(Action.SCHEMA_DECLARED, detail=_names(more))
    return _change(scope, slug, entry, lambda now: declared.with_more(now, more, to, required), force)


def add_entry(scope: Scope, slug: str, name: str, *, force: bool = False) -> list[str]:
    """Declares an entry of the catalogue, or brings its declarations to the present version.

    Returns the changes, a sentence each. Raises AppError when there is no such entry, when its declarations contradict
    others or stored resources; `force` as for `add`.
    """
    item = catalog.find(name)
    entry = Entry(Action.SCHEMA_DECLARED, detail=f"{item.name} {item.version}: {_names(item.declared)}")
    return _change(
        scope, slug, entry, lambda now: declared.with_entry(now, item.name, item.version, item.declared), force
    )


def compare(app: App, name: str) -> Comparison:
    """Compares what an app declared from an entry of the catalogue with the entry. Raises AppError when it did not."""
    item = catalog.find(name)
    origin = app.declared.origins.get(item.name)
    if origin is None:
        raise AppError(
            f"{app.slug} declares nothing from {item.name}: scimlite schema add {item.name} --app {app.slug}"
        )
    current = app.declared.of_origin(origin)
    return Comparison(item.name, origin.version, item.version, list(differences(current, item.declared)))


def replace_all(scope: Scope, slug: str, new: Declared, *, force: bool = False) -> list[str]:
    """Puts checked declarations in place of all that an app has; returns the changes, a sentence each.

    Raises AppError when the mapping or stored resources contradict them; `force` as for `add`.
    """
    entry = Entry(Action.SCHEMA_DECLARED, detail=_names([*new.types.values(), *new.schemas.values()]) or "nothing")
    return _change(scope, slug, entry, lambda _: new, force)


def remove(scope: Scope, slug: str, name: str, *, force: bool = False) -> list[str]:
    """Removes the declaration of a schema (by URN) or resource type (by name); returns the changes, a sentence each.

    Raises AppError when there is none, and, unless `force`, when resources or values of it are stored.
    """
    entry = Entry(Action.SCHEMA_REMOVED, detail=name)
    return _change(scope, slug, entry, lambda now: declared.without(now, name), force)


def _names(declarations: Iterable[Schema | DeclaredType]) -> str:
    return ", ".join(item.id if isinstance(item, Schema) else item.name for item in declarations)


def _change(scope: Scope, slug: str, entry: Entry, renew: Callable[[Declared], Declared], force: bool) -> list[str]:
    return scope.db.transact(partial(_declare, scope, slug, entry, renew, force))


def _declare(scope: Scope, slug: str, entry: Entry, renew: Callable[[Declared], Declared], force: bool) -> list[str]:
    db = scope.db
    app = apps.lock(db, slug)
    try:
        new = renew(app.declared).to_json()
    except DeclarationError as error:
        raise AppError(str(error)) from None
    if len(new) > max(_LARGEST, len(app.declared.to_json())):
        raise AppError(
            f"The declarations of {slug} would have {len(new):,} characters, and {_LARGEST:,} are the most: they are "
            "read with each request."
        )
    if new == app.declared.to_json():
        return ["It is declared like that already."]
    after = _as_it_would_be(app, new)
    try:
        compiled_mapping.check(mapping.from_json(app.mapping), after.resource_types.values())
    except MappingError as error:
        raise AppError(f"The attribute mapping needs this: {error} Change that first: scimlite mapping") from None
    conversions = conversion.convert(db, app, after.resource_types, force=force)
    apps.update(db, app, declared=new)
    detail = "; ".join([entry.detail or "", *conversions])
    journal.record(Workspace.of(scope, app), [replace(entry, detail=detail)])
    return [f"{entry.action.value.removeprefix('schema_').capitalize()} {entry.detail}.", *conversions]


def _as_it_would_be(app: App, declarations: str) -> App:
    return replace(app, declared=declared.from_json(declarations))
