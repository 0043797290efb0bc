"""Schemas and resource types of an app's own, as an operator declares them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from .. import apps, journal
from ..apps import App, AppError, compiled_mapping, mapping
from ..apps.mapping import MappingError
from ..apps.workspace import Workspace
from ..journal import Action, Entry, Scope
from ..scim import declaration_form, declared
from ..scim.declaration import DeclarationError
from ..scim.declared import Declared
from ..scim.schema import Schema
from . import conversion


def add(
    scope: Scope,
    slug: str,
    body: Any,
    *,
    to: Iterable[str] = (),
    required: bool | None = None,
    force: bool = False,
) -> list[str]:
    """Declare what JSON holds (RFC 7643 sections 6 and 7), or declare it anew; returns what was done, in words.

    Schemas that are no type's core schema extend the types that `to` names. AppError when the declaration contradicts
    itself, what is declared already, or what is stored; `force` deletes values that it leaves no attribute for.
    """
    try:
        more = declaration_form.read(body)
    except DeclarationError as error:
        raise AppError(str(error)) from None
    names = ", ".join(each.id if isinstance(each, Schema) else each.name for each in more)
    entry = Entry(Action.SCHEMA_DECLARED, detail=names)
    return _change(scope, slug, entry, lambda now: declared.with_more(now, more, to, required), force)


def remove(scope: Scope, slug: str, name: str, *, force: bool = False) -> list[str]:
    """Take back the declaration of a schema (by URN) or resource type (by name); returns what was done, in words.

    AppError when there is none, or when something of it is stored and `force` does not say that it goes too.
    """
    entry = Entry(Action.SCHEMA_REMOVED, detail=name)
    return _change(scope, slug, entry, lambda now: declared.without(now, name), force)


def _change(scope: Scope, slug: str, entry: Entry, renew: Callable[[Declared], Declared], force: bool) -> list[str]:
    return scope.db.transact(partial(_declare, scope, slug, entry, renew, force))


def _declare(scope: Scope, slug: str, entry: Entry, renew: Callable[[Declared], Declared], force: bool) -> list[str]:
    db = scope.db
    app = apps.lock(db, slug)
    try:
        new = renew(app.declared).to_json()
    except DeclarationError as error:
        raise AppError(str(error)) from None
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
