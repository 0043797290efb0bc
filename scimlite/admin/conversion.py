"""Fits stored resources to changed declarations: refuses the change, indexes values again, or deletes values.

All of it happens inside the transaction of the declaration.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from peewee import Case, fn

from .. import clock
from ..apps import App, AppError
from ..db import Database, chunks
from ..db.tables import MemberRow, ResourceRow, ValueRow
from ..directory import value_index
from ..errors import InvalidValue
from ..scim import document as documents
from ..scim.attribute import Attribute
from ..scim.document import Document
from ..scim.schema import ResourceType
from .rehearsal import ConfirmationNeeded

_CHUNK = 500
#: Resources that are named in one message.
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class _Stored:
    row: int
    uuid: str
    name: str
    version: int
    modified_at: int
    document: Document


@dataclass(frozen=True, slots=True)
class _Difference:
    """Index paths that lose their attribute, whose keys or patterns change, and whether more is required."""

    lost: frozenset[str]
    rekeyed: frozenset[str]
    patterned: frozenset[str]
    stricter: bool


def convert(db: Database, app: App, after: dict[str, ResourceType], *, force: bool) -> list[str]:
    """Fits stored resources to the resource types that the app is about to have; returns the changes, a sentence each.

    Raises ConfirmationNeeded for values that lose their attribute, unless `force` deletes them, and AppError for
    resources without a value that becomes required, for values that do not match a new pattern, and for values that
    become unique and that several resources share.
    """
    types = {kind.name: kind for kind in after.values()}
    actions: list[str] = []
    for before in app.resource_types.values():
        now = types.get(before.name)
        if now is None:
            actions += _remove_type(db, app, before, force=force)
            continue
        difference = _difference(before, now)
        if before.member_of_groups and not now.member_of_groups:
            actions += _remove_from_groups(db, app, before, force=force)
        if difference.lost:
            actions += _remove_values(db, app, before, now, difference.lost, force=force)
        if difference.stricter:
            _require(db, app, now)
        if difference.patterned:
            _match(db, app, now, difference.patterned)
        if difference.rekeyed:
            actions += _reindex(db, app, now, difference.rekeyed)
    return actions


def _difference(before: ResourceType, after: ResourceType) -> _Difference:
    old, new = _leaves(before), _leaves(after)
    lost = frozenset(path for path in old if path not in new or _form(*old[path]) != _form(*new[path]))
    same = old.keys() & new.keys() - lost
    rekeyed = frozenset(path for path in same if _keying(old[path][1]) != _keying(new[path][1]))
    patterned = frozenset(path for path in same if new[path][1].pattern not in ("", old[path][1].pattern))
    return _Difference(lost, rekeyed, patterned, not _required(after) <= _required(before))


def _leaves(resource_type: ResourceType) -> dict[str, tuple[Attribute, Attribute]]:
    """Returns index path to (top-level attribute, attribute), for every attribute with simple values."""
    return {leaf.path: (holder, leaf) for _, holder in resource_type.attributes for leaf in holder.leaves()}


def _form(holder: Attribute, leaf: Attribute) -> tuple[str, bool, bool]:
    return leaf.type, leaf.multi_valued, holder.multi_valued


def _keying(leaf: Attribute) -> tuple[bool, bool]:
    return leaf.case_exact, leaf.uniqueness != "none"


def _required(resource_type: ResourceType) -> set[str]:
    paths = {
        part.path
        for _, attribute in resource_type.attributes
        for part in (attribute, *attribute.sub_attributes)
        if part.required
    }
    return paths | resource_type.required_extensions


def _stored(db: Database, app: App, resource_type: ResourceType, *, tombstones: bool = False) -> Iterator[_Stored]:
    """Yields the resources of a type, read in chunks."""
    columns = (
        ResourceRow.id,
        ResourceRow.uuid,
        ResourceRow.name,
        ResourceRow.version,
        ResourceRow.modified_at,
        ResourceRow.document,
    )
    query = ResourceRow.select(*columns).where(_of(app, resource_type))
    if not tombstones:
        query = query.where(ResourceRow.deleted_at.is_null())
    last = 0
    while page := db.rows(query.where(ResourceRow.id > last).order_by(ResourceRow.id).limit(_CHUNK)):
        for row in page:
            id, uuid, name, version, modified_at, document = row
            yield _Stored(id, uuid, name, version, modified_at, orjson.loads(document))
        last = page[-1][0]


def _of(app: App, resource_type: ResourceType) -> Any:
    return (ResourceRow.app_id == app.id) & (ResourceRow.type == resource_type.name)


def _values_of(app: App, resource_type: ResourceType) -> Any:
    """Returns the condition for the values of a type's resources; by resource, as the key index lacks some of them."""
    return ValueRow.resource_id.in_(ResourceRow.select(ResourceRow.id).where(_of(app, resource_type)))


def _remove_type(db: Database, app: App, resource_type: ResourceType, *, force: bool) -> list[str]:
    of_type = _of(app, resource_type)
    count = db.scalar(ResourceRow.select(fn.count(ResourceRow.id)).where(of_type, ResourceRow.deleted_at.is_null()))
    if count and not force:
        raise ConfirmationNeeded(f"{count} resources of the type {resource_type.name} would be deleted.")
    if not force:
        return []
    leaving = _remove_from_groups(db, app, resource_type, force=True) if resource_type.member_of_groups else []
    db.execute(ValueRow.delete().where(_values_of(app, resource_type)))
    db.execute(ResourceRow.delete().where(of_type))
    return [*leaving, f"{count} resources of the type {resource_type.name} were deleted."] if count else leaving


def _remove_from_groups(db: Database, app: App, resource_type: ResourceType, *, force: bool) -> list[str]:
    """Removes the resources of a type from all groups; deleted ones too, so that a restore brings none back."""
    member, group = ResourceRow.alias(), ResourceRow.alias()
    of_type = member.select(member.id).where(member.app_id == app.id, member.type == resource_type.name)
    living = (
        MemberRow.select(MemberRow.group_id, fn.count(MemberRow.member_id))
        .join(member, on=(member.id == MemberRow.member_id))
        .join(group, on=(group.id == MemberRow.group_id))
        .where(
            MemberRow.app_id == app.id,
            member.type == resource_type.name,
            member.deleted_at.is_null(),
            group.deleted_at.is_null(),
        )
        .group_by(MemberRow.group_id)
    )
    counts: dict[int, int] = dict(db.rows(living))
    total = sum(counts.values())
    if counts and not force:
        raise ConfirmationNeeded(
            f"Groups have {resource_type.name} resources as members ({total}, in {len(counts)} groups). "
            "These members would be removed."
        )
    db.execute(MemberRow.delete().where(MemberRow.app_id == app.id, MemberRow.member_id.in_(of_type)))
    at, before = clock.now(), ResourceRow.modified_at
    changed = {ResourceRow.version: ResourceRow.version + 1, before: Case(None, [(before >= at, before + 1)], at)}
    for chunk in chunks(list(counts), _CHUNK):
        db.execute(ResourceRow.update(changed).where(ResourceRow.id.in_(chunk)))
    return (
        [f"{total} members of the type {resource_type.name} were removed from {len(counts)} groups."] if counts else []
    )


def _remove_values(
    db: Database, app: App, before: ResourceType, after: ResourceType, lost: Collection[str], *, force: bool
) -> list[str]:
    """Deletes the values at index paths of a type, those of deleted resources too."""
    values = _values_of(app, before) & ValueRow.path.in_(sorted(lost))
    held = (
        ValueRow.select(ValueRow.path, fn.count(fn.DISTINCT(ValueRow.resource_id)))
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .where(values, ResourceRow.deleted_at.is_null())
    )
    counts: dict[str, int] = dict(db.rows(held.group_by(ValueRow.path)))
    listing = ", ".join(f"{path} ({count})" for path, count in sorted(counts.items())[:_MOST_NAMED])
    if counts and not force:
        raise ConfirmationNeeded(
            f"{before.name} resources have values of what would go or be of another kind: {listing}. "
            "These values would be deleted."
        )
    if not force:
        return []
    for stored in _stored(db, app, before, tombstones=True):
        kept = documents.finish(after, documents.without(before, stored.document, lost))
        if kept != stored.document:
            _rewrite(db, after, stored, kept)
    db.execute(ValueRow.delete().where(values))
    return [f"Values of {before.name} resources were deleted: {listing}."] if listing else []


def _rewrite(db: Database, resource_type: ResourceType, stored: _Stored, document: Document) -> None:
    names = documents.names(resource_type, document)
    query = ResourceRow.update(
        document=orjson.dumps(document).decode(),
        name=names.name or stored.uuid,
        display=names.display,
        version=stored.version + 1,
        modified_at=clock.after(stored.modified_at),
        # Made anew when it is read.
        profile_version=0,
    )
    db.execute(query.where(ResourceRow.id == stored.row))


def _require(db: Database, app: App, after: ResourceType) -> None:
    lacking: dict[str, list[str]] = defaultdict(list)
    for stored in _stored(db, app, after):
        try:
            documents.require(after, stored.document)
        except InvalidValue as error:
            lacking[error.detail].append(stored.name)
    if lacking:
        listing = " ".join(f"{detail} Missing in {_some(names)}." for detail, names in lacking.items())
        raise AppError(f"Stored {after.name} resources lack what would be required. {listing}")


def _match(db: Database, app: App, after: ResourceType, paths: Collection[str]) -> None:
    wrong: dict[str, list[str]] = defaultdict(list)
    for stored in _stored(db, app, after):
        for leaf, text in documents.texts(after, stored.document, paths):
            if not leaf.takes(text):
                wrong[f"{leaf.path} does not match {leaf.pattern}"].append(stored.name)
    if wrong:
        listing = "; ".join(f"{problem} in {_some(names)}" for problem, names in sorted(wrong.items())[:_MOST_NAMED])
        raise AppError(f"Stored {after.name} resources have values that would be refused: {listing}.")


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:_MOST_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def _reindex(db: Database, app: App, after: ResourceType, paths: Collection[str]) -> list[str]:
    """Writes the index rows of these paths again. Raises AppError while resources share a value that becomes unique."""
    fresh: list[dict[str, Any]] = []
    holders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for stored in _stored(db, app, after):
        common = {"app_id": app.id, "type": after.name, "resource_id": stored.row}
        for value in documents.value_rows(after, stored.document):
            if value.path in paths:
                unique, sought = value_index.indexed(after, value)
                fresh.append({**common, **value._asdict(), "unique_key": unique, "sought": sought})
                if unique is not None:
                    holders[value.path, unique].append(stored.name)
    shared = {key: names for key, names in holders.items() if len(names) > 1}
    if shared:
        listing = "; ".join(f"{path}: {_some(names)}" for (path, _), names in sorted(shared.items())[:_MOST_NAMED])
        raise AppError(f"{after.name} resources share values that would have to be unique. {listing}.")
    db.execute(ValueRow.delete().where(_values_of(app, after), ValueRow.path.in_(sorted(paths))))
    for chunk in chunks(fresh, _CHUNK):
        db.execute(ValueRow.insert_many(chunk))
    return [f"{len(fresh)} values of {after.name} resources were indexed anew."] if fresh else []
