"""An app as a file: its name, profile, features, mapping and declarations, without tokens and other secrets.

What configuration tools keep: the same app gives the same file, and importing it again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ..apps import App, AppError, app_profile, compiled_mapping, mapping, named
from ..apps.features import AppSettings
from ..apps.mapping import Mapping, MappingError
from ..journal import Scope
from ..scim import declaration_form, declared
from ..scim.declaration import DeclarationError, DeclaredType
from ..scim.declared import Declared, Origin
from ..scim.schema import Schema
from . import apps, schemas
from . import mapping as mappings

Json = Any

#: The form of the file; a change that this version could not read gets the next number.
VERSION = 1
_MEMBERS = ("scimlite_app", "slug", "name", "profile", "features", "mapping", "declarations", "catalog")


@dataclass(frozen=True, slots=True)
class AppFile:
    """A file that was read and checked by itself; what it leaves out is None, or as in a new app."""

    slug: str | None = None
    name: str | None = None
    profile: str = app_profile.DEFAULT
    #: Every feature with its value, as operators write them.
    features: dict[str, str] = field(default_factory=dict)
    mapping: Mapping = mapping.DEFAULT
    declared: Declared = declared.NOTHING


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the app as it is now, whether it was made, and the changes, a sentence each."""

    app: App
    created: bool
    changes: list[str]


def export(app: App) -> dict[str, Json]:
    """Returns the file of an app as plain data; members that are as in a new app of its profile are left out."""
    base = _features(app.profile)
    features = {name: text for name, text in _spelled(app.settings).items() if text != base[name]}
    now = mapping.from_json(app.mapping)
    body: dict[str, Json] = {"scimlite_app": VERSION, "slug": app.slug, "name": app.name, "profile": app.profile}
    if features:
        body["features"] = dict(sorted(features.items()))
    if now != mapping.DEFAULT:
        body["mapping"] = now.as_dict()
    return body | _declarations(app.declared)


def read(body: Json) -> AppFile:
    """Checks a file by itself. Raises AppError that names the member which is unknown, missing or wrong."""
    if not isinstance(body, dict):
        raise AppError("The file of an app is a JSON object, as `scimlite app export` prints it.")
    unknown = [name for name in body if name not in _MEMBERS]
    if unknown:
        raise AppError(f"The file has an unknown member {unknown[0]!r}. Members: {', '.join(_MEMBERS)}.")
    if "scimlite_app" not in body:
        raise AppError(f"The file has no member scimlite_app: add it with {VERSION}, the version of its form.")
    if body["scimlite_app"] != VERSION or isinstance(body["scimlite_app"], bool):
        raise AppError(f"scimlite_app is {VERSION}, the version of the file that this scimlite reads.")
    texts = {name: _text(body, name) for name in ("slug", "name", "profile")}
    profile = texts["profile"] or app_profile.DEFAULT
    try:
        rows = mapping.read(body["mapping"]) if "mapping" in body else mapping.DEFAULT
    except MappingError as error:
        raise AppError(f"mapping: {error}") from None
    features = _features(profile) | _given_features(body.get("features", {}))
    declarations = _declared(body.get("declarations", []), body.get("catalog", {}))
    return AppFile(texts["slug"], texts["name"], profile, features, rows, declarations)


def load(
    scope: Scope, file: AppFile, slug: str | None = None, *, create: bool = False, force: bool = False
) -> Imported:
    """Makes an app what a file says, as a whole or not at all; features, mapping and declarations become the file's.

    In: `slug`, the app in place of the file's; `create`, makes the app when it is missing; `force`, goes on where
    stored values would be lost. Raises AppError, and ConfirmationNeeded unless `force`.
    """
    target = slug or file.slug
    if target is None:
        raise AppError("The file has no slug: name the app with --app.")
    return scope.db.transact(partial(_load, scope, file, target, create, force))


def _load(scope: Scope, file: AppFile, target: str, create: bool, force: bool) -> Imported:
    before = named(scope.db, target)
    if before is None and not create:
        raise AppError(f"There is no app {target!r}. Give --create to make it.")
    app = before or apps.create(scope, file.name or target, target, profile=file.profile)
    changes = [] if before else [f"Made the app {app.slug}; it has no token yet."]
    changes += _edit(scope, app, file)
    changes += _declare(scope, app, file, force)
    rows = mappings.change(scope, app.slug, lambda _: file.mapping, force=force)
    changes += [f"mapping, {path}: {_shown(old)} -> {_shown(new)}" for path, (old, new) in rows.items()]
    return Imported(apps.get(scope.db, app.slug), before is None, changes)


def _edit(scope: Scope, app: App, file: AppFile) -> list[str]:
    edited = apps.edit(scope, app.slug, name=file.name, profile=file.profile, features=file.features)
    old, new = (
        {"name": version.name, "profile": version.profile, **_spelled(version.settings)} for version in (app, edited)
    )
    return [f"{name}: {old[name]} -> {new[name]}" for name in new if old[name] != new[name]]


def _declare(scope: Scope, app: App, file: AppFile, force: bool) -> list[str]:
    if _declarations(file.declared) == _declarations(app.declared):
        return []
    now = mapping.from_json(app.mapping)
    after = replace(app, declared=declared.from_json(file.declared.to_json()))
    try:
        compiled_mapping.check(now, after.resource_types.values())
    except MappingError:
        # Rows that only the present declarations allow go first; the file's rows come after the declarations.
        mappings.change(scope, app.slug, lambda _: _common(now, file.mapping), force=force)
    return schemas.replace_all(scope, app.slug, file.declared, force=force)


def _common(one: Mapping, other: Mapping) -> Mapping:
    """The rows of both mappings."""
    return Mapping(
        tuple(row for row in one.user if row in other.user), tuple(row for row in one.group if row in other.group)
    )


def _shown(row: Json) -> str:
    return "no row" if row is None else str(row)


# --- features -----------------------------------------------------------------------------------------------------


def _spelled(settings: AppSettings) -> dict[str, str]:
    """The features by the names that operators write."""
    return {name.replace("_", "-"): text for name, text in settings.spelled().items()}


def _features(profile: str) -> dict[str, str]:
    """The features of a new app with a profile."""
    return _spelled(AppSettings()) | app_profile.features_of(profile)


def _given_features(body: Json) -> dict[str, str]:
    if not isinstance(body, dict) or not all(isinstance(text, str) for text in body.values()):
        raise AppError('features is an object of names and values, such as {"patch-answer": "body"}.')
    features = {name: apps.checked_feature(name, text) for name, text in body.items()}
    twice = next((name for name, times in Counter(features.values()).items() if times > 1), None)
    if twice is not None:
        raise AppError(f"features has {twice} twice.")
    return {features[name]: text for name, text in body.items()}


def _text(body: dict[str, Json], name: str) -> str | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise AppError(f"{name} takes a text that is not empty.")
    return value


# --- declarations -------------------------------------------------------------------------------------------------


def _declarations(now: Declared) -> dict[str, Json]:
    """Declarations as members of a file, in one order whatever the order in which they were declared."""
    types = sorted(now.types.values(), key=lambda own: own.name.lower())
    of_schemas = sorted(now.schemas.values(), key=lambda schema: schema.id.lower())
    items = [*(own.declaration() for own in types), *(schema.declaration(whole=True) for schema in of_schemas)]
    catalog = {
        name: {"version": origin.version, "names": sorted(origin.names)} for name, origin in sorted(now.origins.items())
    }
    return ({"declarations": items} if items else {}) | ({"catalog": catalog} if catalog else {})


def _declared(items: Json, catalog: Json) -> Declared:
    """The declarations of a file, checked as `schema add` checks them."""
    if not isinstance(items, list):
        raise AppError("declarations is an array of schemas and resource types, as `scimlite schema add` takes them.")
    try:
        more: list[Schema | DeclaredType] = declaration_form.read(items) if items else []
        made = declared.with_more(declared.NOTHING, more)
    except DeclarationError as error:
        raise AppError(f"declarations: {error}") from None
    return replace(made, origins=_origins(catalog, {*made.schemas, *made.types}))


def _origins(catalog: Json, names: set[str]) -> dict[str, Origin]:
    wrong = AppError('catalog takes {"NAME": {"version": 1, "names": [names that are declared in the file]}}.')
    if not isinstance(catalog, dict):
        raise wrong
    origins: dict[str, Origin] = {}
    for name, origin in catalog.items():
        if not isinstance(origin, dict) or origin.keys() != {"version", "names"}:
            raise wrong
        version, own = origin["version"], origin["names"]
        if type(version) is not int or not isinstance(own, list) or not all(isinstance(key, str) for key in own):
            raise wrong
        if not names.issuperset(own):
            raise wrong
        origins[name] = Origin(name, version, frozenset(own))
    return origins
