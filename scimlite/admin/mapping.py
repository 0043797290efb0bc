"""Another attribute mapping for an app: checked, set, and the stored profiles made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import orjson
from peewee import fn

from .. import apps, journal
from ..apps import App, AppError, compiled_mapping, mapping
from ..apps.mapping import Mapping, MappingError
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.tables import AppRow, ResourceRow
from ..directory import profiles
from ..journal import Action, Entry, Scope
from ..scim import core
from ..scim.schema import ResourceType

_KINDS = (core.USER, core.GROUP)
#: Profiles made anew in one transaction: writers wait for no longer than that takes.
_CHUNK = 500


class Lacking(AppError):
    """Stored resources have no value for a row that is to be required."""

    def __init__(self, total: int, named: list[tuple[str, str]]) -> None:
        listed = "\n".join(f"  {name}: {target}" for name, target in named)
        more = f"\n  and {total - len(named):,} more" if total > len(named) else ""
        super().__init__(
            f"{total:,} lack a value of what is to be required:\n{listed}{more}\n"
            "With --force it is set all the same: they stay without, and later writes of them are refused."
        )


def types(app: App) -> list[ResourceType]:
    """The app's resource types that have profiles."""
    return [app.resource_types[each.endpoint] for each in _KINDS]


def change(
    scope: Scope, slug: str, renew: Callable[[Mapping], Mapping], *, force: bool = False
) -> dict[str, list[Any]]:
    """Give an app another mapping; returns what changed: `user.title` to [from, to].

    Profiles are made anew by `recompute`. Raises AppError when a row names what the app's resources cannot have, and
    Lacking when stored ones have no value for a row that becomes required, unless `force`.
    """
    app = apps.get(scope.db, slug)
    if not force:
        _refuse_lacking(scope.db, app, _renewed(app, renew))
    return scope.db.transact(partial(_change, scope, slug, renew))


def _change(scope: Scope, slug: str, renew: Callable[[Mapping], Mapping]) -> dict[str, list[Any]]:
    app = apps.lock(scope.db, slug)
    new = _renewed(app, renew)
    changes = _changes(mapping.from_json(app.mapping), new)
    if changes:
        apps.update(scope.db, app, mapping=new.to_json(), mapping_version=AppRow.mapping_version + 1)
        journal.record(Workspace.of(scope, app), [Entry(Action.MAPPING_EDITED, changes=changes)])
    return changes


def _renewed(app: App, renew: Callable[[Mapping], Mapping]) -> Mapping:
    try:
        new = renew(mapping.from_json(app.mapping))
        compiled_mapping.check(new, types(app))
    except MappingError as error:
        raise AppError(str(error)) from None
    return new


def _changes(old: Mapping, new: Mapping) -> dict[str, list[Any]]:
    changes: dict[str, list[Any]] = {}
    for kind in _KINDS:
        before, after = ({row.target: row.as_dict() for row in each.rows(kind.name)} for each in (old, new))
        for target in [*before, *(each for each in after if each not in before)]:
            if before.get(target) != after.get(target):
                changes[f"{kind.name.lower()}.{target}"] = [before.get(target), after.get(target)]
        if list(before) != list(after) and not changes:
            changes[f"{kind.name.lower()} targets"] = [list(before), list(after)]
    return changes


def _refuse_lacking(db: Database, app: App, new: Mapping) -> None:
    """Raise Lacking when resources have no value for a row that was not required before."""
    old = mapping.from_json(app.mapping)
    named: list[tuple[str, str]] = []
    total = 0
    for kind in types(app):
        was = {row.target: row for row in old.rows(kind.name)}
        stricter = [row for row in new.rows(kind.name) if row.required and was.get(row.target) != row]
        compiled = compiled_mapping.compile_rows(Mapping(tuple(stricter), tuple(stricter)), kind)
        if not stricter or compiled is None:
            continue
        for name, document in _documents(db, app, kind):
            row = next(compiled.missing(compiled.profile(document)), None)
            if row is not None:
                total += 1
                if len(named) < _MOST_NAMED:
                    named.append((name, f"{row.target} has no value, because {row.origin} has none"))
    if total:
        raise Lacking(total, named)


_MOST_NAMED = 20


def _documents(db: Database, app: App, kind: ResourceType) -> Iterator[tuple[str, Any]]:
    """Names and documents of the living, some at a time."""
    last = 0
    while rows := db.rows(_NAMED, app=app.id, type=kind.name, after=last, limit=_CHUNK):
        yield from ((name, orjson.loads(document)) for _, name, document in rows)
        last = rows[-1][0]


@prepared
def _NAMED(db: Database) -> Any:
    columns = (ResourceRow.id, ResourceRow.name, ResourceRow.document)
    return ResourceRow.select(*columns).where(profiles.living()).order_by(ResourceRow.id).limit(Slot("limit"))


# --- recomputing --------------------------------------------------------------------------------------------------


def stale(db: Database, app: App) -> int:
    """How many stored profiles another mapping made."""
    return sum(
        int(db.scalar(_STALE_COUNT, app=app.id, type=kind.name, after=0, version=app.mapping_version))
        for kind in types(app)
    )


def recompute(db: Database, app: App) -> Iterator[int]:
    """Make the profiles anew that another mapping made; gives how many each step made.

    Each step is a transaction, so that one which is stopped can be gone on with.
    """
    for kind in types(app):
        last = 0
        while rows := db.transact(partial(_recompute_some, db, app, kind, last)):
            last = rows[-1]
            yield len(rows)


def _recompute_some(db: Database, app: App, kind: ResourceType, after: int) -> list[int]:
    rows = db.rows(_STALE, app=app.id, type=kind.name, after=after, version=app.mapping_version, limit=_CHUNK)
    made = []
    for row, document in rows:
        profile = profiles.text(app, kind, orjson.loads(document), lenient=True)
        made.append({"row": row, "profile": profile, "version": app.mapping_version})
    db.execute_many(_STORE, made)
    return [row for row, _ in rows]


@prepared
def _STALE(db: Database) -> Any:
    query = ResourceRow.select(ResourceRow.id, ResourceRow.document)
    query = query.where(profiles.living(), ResourceRow.profile_version != Slot("version"))
    return db.locking(query.order_by(ResourceRow.id).limit(Slot("limit")))


@prepared
def _STALE_COUNT(db: Database) -> Any:
    query = ResourceRow.select(fn.count(ResourceRow.id))
    return query.where(profiles.living(), ResourceRow.profile_version != Slot("version"))


@prepared
def _STORE(db: Database) -> Any:
    values = {ResourceRow.profile: Slot("profile"), ResourceRow.profile_version: Slot("version")}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))
