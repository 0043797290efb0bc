"""What a shell is offered for the names that commands take; nothing when there is no database to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from scimlite.apps import App
    from scimlite.db import Database

_Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_Names = Callable[["Database", click.Context], Iterable[tuple[str, str]]]


def _from_database(names: _Names) -> _Completer:
    """A completer that asks the database; `names` gives names with what each is."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = _ask(names, ctx)
        except Exception:
            # Whatever is wrong, the next command says it. Here it would stand in the middle of what is typed.
            return []
        begun = incomplete.lower()
        return [CompletionItem(name, help=about) for name, about in found if name.lower().startswith(begun)]

    return complete


def _ask(names: _Names, ctx: click.Context) -> list[tuple[str, str]]:
    from scimlite.config import Settings
    from scimlite.db import migration
    from scimlite.installation import database

    with closing(database(Settings.from_environment())) as db:
        # A database that is missing is not made, and one of another version is not read.
        return list(names(db, ctx)) if db.exists() and migration.status(db).current else []


def _app(db: Database, ctx: click.Context) -> App | None:
    from scimlite import apps

    given = next((ctx.params[name] for name in ("app_option", "slug", "app_argument") if ctx.params.get(name)), None)
    return apps.named(db, given) if given else None


def _apps(db: Database, ctx: click.Context) -> Iterable[tuple[str, str]]:
    from scimlite import apps

    return [(app.slug, app.name) for app in apps.every(db)]


def _labels(db: Database, ctx: click.Context) -> Iterable[tuple[str, str]]:
    from scimlite import clock
    from scimlite.admin import tokens

    app = _app(db, ctx)
    return [] if app is None else [(token.label, token.state(clock.now())) for token in tokens.every(db, app)]


def _schemas(db: Database, ctx: click.Context) -> Iterable[tuple[str, str]]:
    from scimlite.admin import schemas

    app = _app(db, ctx)
    if app is None:
        return []
    types = [(kind.name, kind.description) for kind in app.resource_types.values()]
    return [*types, *((listed.schema.id, listed.schema.name) for listed in schemas.every(app))]


def _webhooks(db: Database, ctx: click.Context) -> Iterable[tuple[str, str]]:
    from scimlite.events import webhooks

    app = _app(db, ctx)
    return [] if app is None else [(webhook.name, webhook.url) for webhook in webhooks.of_app(db, app.id)]


def _targets(db: Database, ctx: click.Context) -> Iterable[tuple[str, str]]:
    from scimlite.sync.targets import stored

    app = _app(db, ctx)
    return [] if app is None else [(target.name, target.url) for target in stored.of_app(db, app.id)]


def event_types(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer types of events, also behind others and a comma."""
    from scimlite.events.types import TYPES

    before, comma, begun = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{name}") for name in TYPES if name.startswith(begun)]


def catalog(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the entries of the catalogue of declarations."""
    from scimlite.admin import catalog

    begun = incomplete.lower()
    entries = [entry for entry in catalog.every() if entry.name.startswith(begun)]
    return [CompletionItem(entry.name, help=entry.title) for entry in entries]


def file_or_catalog(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the entries of the catalogue, and files when none of them begins like that."""
    return catalog(ctx, param, incomplete) or [CompletionItem(incomplete, type="file")]


def features(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of features, and after `=` the values of one."""
    from scimlite.apps.features import AppSettings

    offered = []
    for feature in fields(AppSettings):
        name = feature.name.replace("_", "-")
        if "=" in incomplete:
            texts = [f"{name}={choice}" for choice in feature.metadata["choices"]]
        else:
            texts = [f"{name}="]
        about = feature.metadata["help"]
        offered += [CompletionItem(text, help=about) for text in texts if text.startswith(incomplete)]
    return offered


#: Slugs of apps, labels of an app's tokens, names of its webhooks, targets, schemas and resource types.
apps = _from_database(_apps)
labels = _from_database(_labels)
webhooks = _from_database(_webhooks)
targets = _from_database(_targets)
schemas = _from_database(_schemas)
