"""Changes an app's attribute mapping, and recomputes the stored profiles that an earlier mapping made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import orjson
from peewee import SQL, fn

from .. import apps, journal
from ..apps import App, AppError, compiled_mapping, mapping
from ..apps.mapping import Mapping, MappingError, Row
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.tables import AppRow, ResourceRow
from ..directory import profiles
from ..errors import ScimError
from ..journal import Action, Entry, Scope
from ..scim import core, intake
from ..scim import document as documents
from ..scim.schema import ResourceType
from .apps import require_version
from .rehearsal import ConfirmationNeeded

_KINDS = (core.USER, core.GROUP)
#: Profiles recomputed in one transaction, which is how long other writers wait.
_CHUNK = 500
#: Resources that MissingValuesError names.
_MOST_NAMED = 20


class MissingValuesError(ConfirmationNeeded):
    """Stored users or groups have no value for a row that becomes required, or not all of them were looked at."""

    def __init__(self, total: int, named: list[tuple[str, str]], looked_at: int | None = None) -> None:
        """In: how many have none, the first of them with what they lack, and of how many, when there are more."""
        listed = "\n".join(f"  {name}: {target}" for name, target in named)
        more = f"\n  and {total - len(named):,} more" if total > len(named) else ""
        sentences = [f"{total:,} stored users or groups lack a value that becomes required:\n{listed}{more}"]
        if looked_at is not None:
            sentences.append(
                f"{looked_at:,} users or groups were looked at, and there are more: `scimlite mapping set` and "
                "`scimlite mapping import` look at all of them."
            )
        sentences.append(
            "If the row is set all the same, they stay without the value, and later writes of them are refused."
        )
        super().__init__("\n".join(sentences[0 if total else 1 :]))


def types(app: App) -> list[ResourceType]:
    """Returns the app's resource types that have profiles."""
    return [app.resource_types[kind.endpoint] for kind in _KINDS]


def change(
    scope: Scope,
    slug: str,
    renew: Callable[[Mapping], Mapping],
    *,
    force: bool = False,
    version: int | None = None,
    most: int | None = None,
) -> dict[str, list[Any]]:
    """Change an app's mapping; returns target (`user.title`) to [row before, row after].

    `renew` makes the new mapping of the present one; `recompute` makes the stored profiles follow. Raises AppError when
    a row names an attribute that the app's resources cannot have, MissingValuesError when stored resources have no
    value for a row that becomes required, or when there are more than `most` to look at, unless `force` is set, and
    ChangedMeanwhile when the app has another `version` than the operator saw.
    """
    app = apps.get(scope.db, slug)
    require_version(app, version)
    if not force:
        _refuse_lacking(scope.db, app, _renewed(app, renew), most)
    return scope.db.transact(partial(_change, scope, slug, renew, version))


def set_row(
    scope: Scope, slug: str, resource_type: ResourceType, target: str, values: dict[str, Any], *, force: bool = False
) -> dict[str, list[Any]]:
    """Sets a row of users or of groups; returns and raises what `change` does.

    `values` are members of a row as JSON has them. Without a source, template or constant the row keeps its origin;
    AppError when there is no such row.
    """
    return change(scope, slug, partial(_with_row, resource_type.name, target, values), force=force)


def _with_row(type_name: str, target: str, values: dict[str, Any], current: Mapping) -> Mapping:
    before = next((row for row in current.rows(type_name) if row.target == target), None)
    return current.with_row(type_name, _row(target, before, values))


def _row(target: str, before: Row | None, values: dict[str, Any]) -> Row:
    has_origin = values.keys() & {"source", "template", "constant"}
    if before is None and not has_origin:
        raise AppError(f"There is no row for {target!r} yet: give its source, a template or a constant.")
    kept = before.as_dict() if before is not None and not has_origin else {"target": target}
    return mapping.read({"user": [{**kept, **values}]}).user[0]


def remove_row(scope: Scope, slug: str, resource_type: ResourceType, target: str | None) -> dict[str, list[Any]]:
    """Removes a row of users or of groups; without a target, restores the default mapping.

    Returns and raises what `change` does.
    """
    return change(
        scope, slug, lambda current: mapping.DEFAULT if target is None else current.without(resource_type.name, target)
    )


def preview(app: App, resource_type: ResourceType, body: Any) -> dict[str, Any]:
    """Returns the profile of a resource that is given as SCIM JSON; it is in no group, because only stored ones are.

    Raises AppError when the app would refuse the resource.
    """
    try:
        cleaned = documents.with_defaults(resource_type, intake.clean(resource_type, body).document)
    except ScimError as error:
        raise AppError(f"This would be refused: {error.detail}") from None
    compiled = compiled_mapping.compiled(app.mapping, resource_type)
    assert compiled is not None
    return compiled.joined(compiled.profile(cleaned), ())


def missing(app: App, resource_type: ResourceType, profile: dict[str, Any]) -> list[Row]:
    """Returns the required rows for which a profile has no value."""
    compiled = compiled_mapping.compiled(app.mapping, resource_type)
    return list(compiled.missing(profile)) if compiled else []


def _change(scope: Scope, slug: str, renew: Callable[[Mapping], Mapping], version: int | None) -> dict[str, list[Any]]:
    app = apps.lock(scope.db, slug)
    require_version(app, version)
    new = _renewed(app, renew)
    edited = changes(mapping.from_json(app.mapping), new)
    if edited:
        apps.update(scope.db, app, mapping=new.to_json(), mapping_version=AppRow.mapping_version + 1)
        journal.record(Workspace.of(scope, app), [Entry(Action.MAPPING_EDITED, changes=edited)])
    return edited


def _renewed(app: App, renew: Callable[[Mapping], Mapping]) -> Mapping:
    try:
        new = renew(mapping.from_json(app.mapping))
        compiled_mapping.check(new, types(app))
    except MappingError as error:
        raise AppError(str(error)) from None
    return new


def changes(old: Mapping, new: Mapping) -> dict[str, list[Any]]:
    """Returns what differs between two mappings: target (`user.title`) to [row before, row after]."""
    found: dict[str, list[Any]] = {}
    for kind in _KINDS:
        before, after = ({row.target: row.as_dict() for row in version.rows(kind.name)} for version in (old, new))
        for target in [*before, *(target for target in after if target not in before)]:
            if before.get(target) != after.get(target):
                found[f"{kind.name.lower()}.{target}"] = [before.get(target), after.get(target)]
        if list(before) != list(after) and not found:
            found[f"{kind.name.lower()} targets"] = [list(before), list(after)]
    return found


def in_words(row: Any) -> str:
    """Returns a row of `changes` as operators read it, such as `title (upper, required)`; or the order of targets."""
    if not isinstance(row, dict):
        return ", ".join(row)
    origin = row.get("source") or row.get("template") or json.dumps(row.get("constant"), ensure_ascii=False)
    marks = [*row.get("transform", []), *(["required"] if row.get("required") else [])]
    marks += [f"default {json.dumps(row['default'], ensure_ascii=False)}"] if "default" in row else []
    return origin + (f" ({', '.join(marks)})" if marks else "")


def _refuse_lacking(db: Database, app: App, new: Mapping, most: int | None) -> None:
    """Raises MissingValuesError when resources have no value for a row that was not required before.

    Looks at `most` resources; when there are more, nobody knows of the others.
    """
    old = mapping.from_json(app.mapping)
    named: list[tuple[str, str]] = []
    total = looked_at = 0
    for kind in types(app):
        before = {row.target: row for row in old.rows(kind.name)}
        stricter = [row for row in new.rows(kind.name) if row.required and before.get(row.target) != row]
        compiled = compiled_mapping.compile_rows(Mapping(tuple(stricter), tuple(stricter)), kind)
        if not stricter or compiled is None:
            continue
        for name, document in _documents(db, app, kind):
            if looked_at == most:
                raise MissingValuesError(total, named, looked_at)
            looked_at += 1
            row = next(compiled.missing(compiled.profile(document)), None)
            if row is not None:
                total += 1
                if len(named) < _MOST_NAMED:
                    named.append((name, f"{row.target} has no value, because {row.origin} has none"))
    if total:
        raise MissingValuesError(total, named)


def _documents(db: Database, app: App, kind: ResourceType) -> Iterator[tuple[str, Any]]:
    """Yields names and documents of living resources, read in chunks."""
    last = 0
    while rows := db.rows(_named_documents, app=app.id, type=kind.name, after=last, limit=_CHUNK):
        yield from ((name, orjson.loads(document)) for _, name, document in rows)
        last = rows[-1][0]


@prepared
def _named_documents(db: Database) -> Any:
    columns = (ResourceRow.id, ResourceRow.name, ResourceRow.document)
    return ResourceRow.select(*columns).where(profiles.living()).order_by(ResourceRow.id).limit(Slot("limit"))


# --- recomputing --------------------------------------------------------------------------------------------------


def stale(db: Database, app: App) -> int:
    """Returns how many stored profiles were made by an earlier mapping."""
    return sum(
        int(db.scalar(_count_stale, app=app.id, type=kind.name, after=0, version=app.mapping_version))
        for kind in types(app)
    )


def stale_up_to(db: Database, app: App, most: int) -> int:
    """Returns the same count, which ends at `most`, so that it costs no more with many users."""
    slots = {"app": app.id, "version": app.mapping_version, "limit": most}
    return min(most, sum(len(db.rows(_find_stale[kind.name], **slots)) for kind in types(app)))


def recompute(db: Database, app: App) -> Iterator[int]:
    """Recomputes the profiles that an earlier mapping made; yields how many each step recomputed.

    Each step is a transaction, so that a run that was stopped can be continued.
    """
    for kind in types(app):
        last = 0
        while rows := db.transact(partial(_recompute_some, db, app, kind, last)):
            last = rows[-1]
            yield len(rows)


def recompute_some(db: Database, app: App, most: int = 4 * _CHUNK) -> int:
    """Recomputes about as many profiles as one request has time for; returns how many."""
    done = 0
    for count in recompute(db, app):
        done += count
        if done >= most:
            break
    return done


def _recompute_some(db: Database, app: App, kind: ResourceType, after: int) -> list[int]:
    rows = db.rows(_select_stale, app=app.id, type=kind.name, after=after, version=app.mapping_version, limit=_CHUNK)
    made = []
    for row, document in rows:
        profile = profiles.text(app, kind, orjson.loads(document), lenient=True)
        made.append({"row": row, "profile": profile, "version": app.mapping_version})
    db.execute_many(_store_profile, made)
    return [row for row, _ in rows]


@prepared
def _select_stale(db: Database) -> Any:
    query = ResourceRow.select(ResourceRow.id, ResourceRow.document)
    query = query.where(profiles.living(), ResourceRow.profile_version != Slot("version"))
    return db.locking(query.order_by(ResourceRow.id).limit(Slot("limit")))


def _statement_of(type_name: str) -> Any:
    """Returns the statement that finds stale profiles of a type.

    With the type in its text: in one plan for all types, PostgreSQL looks for groups among all users (40 ms).
    """

    @prepared
    def find(db: Database) -> Any:
        query = ResourceRow.select(ResourceRow.id).where(
            ResourceRow.app_id == Slot("app"),
            ResourceRow.type == SQL(f"'{type_name}'"),
            ResourceRow.deleted_at.is_null(),
            ResourceRow.profile_version != Slot("version"),
        )
        return query.order_by(ResourceRow.id).limit(Slot("limit"))

    return find


_find_stale = {kind.name: _statement_of(kind.name) for kind in _KINDS}


@prepared
def _count_stale(db: Database) -> Any:
    query = ResourceRow.select(fn.count(ResourceRow.id))
    return query.where(profiles.living(), ResourceRow.profile_version != Slot("version"))


@prepared
def _store_profile(db: Database) -> Any:
    values = {ResourceRow.profile: Slot("profile"), ResourceRow.profile_version: Slot("version")}
    return ResourceRow.update(values).where(ResourceRow.id == Slot("row"))
