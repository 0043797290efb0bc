"""The links of a source: which entry there is which resource here, and what was written last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from peewee import JOIN

from ..db import Database, Insert, Slot, chunks, prepared
from ..db.sync_tables import SourceLinkRow
from ..db.tables import ResourceRow

_CHUNK = 500


class Linked(StrEnum):
    """The state of a link."""

    OK = "ok"
    #: Not found by the last full runs; nothing was done yet.
    MISSING = "missing"
    #: Not there any more: the user was disabled or deleted.
    GONE = "gone"
    #: There, and refused here; it may have a resource or none.
    REFUSED = "refused"


class Key(NamedTuple):
    """An entry of a source: its type and its immutable id."""

    type: str
    key: str


@dataclass(slots=True)
class Link:
    """A link as it was written last, and its resource as it is now."""

    #: The key of the resource's row; None where the entry was refused before it had one.
    row: int | None
    digest: str
    ties: str
    version: int
    state: str
    missing_runs: int
    missing_since: int | None
    reason: str | None
    #: The resource's id; None without a resource.
    uuid: str | None = None
    name: str | None = None
    #: The resource's present version; 0 when it is deleted, or none.
    present: int = 0
    active: bool = False

    @property
    def lives(self) -> bool:
        """True when its resource is there, and not deleted."""
        return self.present > 0

    @property
    def drifted(self) -> bool:
        """True when somebody else changed the resource since the source wrote it."""
        return self.lives and self.present != self.version


class Update(NamedTuple):
    """A link to write."""

    key: Key
    row: int | None
    digest: str
    ties: str
    version: int
    state: str
    missing_runs: int = 0
    missing_since: int | None = None
    reason: str | None = None


def of_source(db: Database, app_id: int, source_id: int) -> dict[Key, Link]:
    """All links of a source."""
    made: dict[Key, Link] = {}
    for type, key, *rest in db.rows(_of_source, app=app_id, source=source_id):
        row, digest, ties, version, state, runs, since, reason, uuid, name, present, active, deleted_at = rest
        living = deleted_at is None and present is not None
        made[Key(type, key)] = Link(
            *(row, digest, ties, version, state, runs, since, reason, uuid, name),
            present=present if living else 0,
            active=bool(active) and living,
        )
    return made


def write(db: Database, app_id: int, source_id: int, updates: Sequence[Update]) -> None:
    """Writes links in the caller's transaction."""
    for part in chunks(updates, _CHUNK):
        db.insert(_upsert, [(app_id, source_id, *update.key, *update[1:]) for update in part])


def forget(db: Database, app_id: int, rows: Sequence[int]) -> None:
    """Takes away the links of resources that are no more, in the caller's transaction."""
    query = SourceLinkRow.delete().where(SourceLinkRow.app_id == app_id)
    db.execute(query.where(SourceLinkRow.resource_id.in_(list(rows))))


def owner_of(db: Database, app_id: int, row: int) -> tuple[int, Key] | None:
    """The source that a resource is linked to, and its entry; None for one that no source has."""
    found = db.row(_owner, app=app_id, row=row)
    return (found[0], Key(*found[1:])) if found else None


@prepared
def _of_source(db: Database) -> Any:
    link = SourceLinkRow
    columns = ("type", "key", "resource_id", "digest", "ties", "version", "state", "missing_runs", "missing_since")
    resource = (ResourceRow.uuid, ResourceRow.name, ResourceRow.version, ResourceRow.active, ResourceRow.deleted_at)
    return (
        link.select(*[getattr(link, column) for column in columns], link.reason, *resource)
        .join(ResourceRow, JOIN.LEFT_OUTER, on=(ResourceRow.id == link.resource_id))
        .where(link.app_id == Slot("app"), link.source_id == Slot("source"))
    )


@prepared
def _owner(db: Database) -> Any:
    link = SourceLinkRow
    query = link.select(link.source_id, link.type, link.key)
    return query.where(link.app_id == Slot("app"), link.resource_id == Slot("row"))


_COLUMNS = (
    *("app_id", "source_id", "type", "key", "resource_id", "digest", "ties", "version", "state"),
    *("missing_runs", "missing_since", "reason"),
)


def _replacing(query: Any) -> Any:
    link = SourceLinkRow
    place = [link.app_id, link.source_id, link.type, link.key]
    return query.on_conflict(conflict_target=place, preserve=[getattr(link, name) for name in _COLUMNS[4:]])


_upsert = Insert(SourceLinkRow, _COLUMNS, _replacing)
