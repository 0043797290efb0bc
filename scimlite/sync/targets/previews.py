"""What a run would do, by name: read from the database alone, and nothing is written or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ... import clock
from ...apps.workspace import Workspace
from ...db import chunks
from ...scim import core
from . import documents, guard, links, memberships
from .abilities import Abilities
from .guard import Hold
from .preparing import Prepared, Preparer
from .pushing import Act
from .scopes import Scope
from .stored import Target

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Planned:
    """One user or group that a run would push."""

    #: create, change, disable, enable or delete.
    act: str
    type: str
    id: str
    name: str
    #: The paths of values that differ, for a change.
    paths: list[str] = field(default_factory=list)
    members_added: int = 0
    members_removed: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do."""

    planned: list[Planned]
    #: Why it would be held; None when it would not.
    hold: Hold | None

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each act."""
        found = Counter(each.act for each in self.planned)
        found["members_added"] = sum(each.members_added for each in self.planned)
        found["members_removed"] = sum(each.members_removed for each in self.planned)
        return {name: number for name, number in sorted(found.items()) if number}


def preview(workspace: Workspace, target: Target) -> Preview:
    """What the next run of a target would do; a name that is taken there shows only then."""
    able = Abilities.from_json(target.abilities) if target.abilities is not None else Abilities()
    scope = Scope(workspace.db, workspace.app, target, takes_groups=able.takes_groups)
    hold = guard.judge(scope.census(), workspace.app.settings, target.options, None)
    return Preview(list(_planned(workspace, target, scope, able)), hold)


def _planned(workspace: Workspace, target: Target, scope: Scope, able: Abilities) -> Iterator[Planned]:
    db, now = workspace.db, clock.now()
    preparer = Preparer(db, target, able)
    patch = target.options.patch and able.patch
    for resource_type in scope.types:
        for rows in chunks(scope.purged(resource_type, now), _BATCH):
            for each in preparer.prepare(resource_type, links.load_purged(db, target, rows), {}, patch=patch):
                yield from _named(workspace, target, each)
        for due in chunks(scope.due(resource_type, now), _BATCH):
            items = links.load(db, target, [each.row for each in due])
            wanted = {each.row: each.wanted for each in due}
            for each in preparer.prepare(resource_type, items, wanted, patch=patch):
                yield from _named(workspace, target, each)


def _named(workspace: Workspace, target: Target, prepared: Prepared) -> Iterator[Planned]:
    """What is planned with one; nothing when the target has it as it should be."""
    item, link = prepared.item, prepared.item.link
    if prepared.act is not Act.PUSH:
        if prepared.task is not None:
            yield Planned(prepared.act.value, link.type, link.uuid, item.name)
        return
    assert prepared.shaped is not None
    added = removed = 0
    if link.type == core.GROUP.name:
        added, removed = memberships.count_differences(workspace.db, target, link.resource_id)
    paths = (
        [each["path"] for each in documents.operations(prepared.shaped.parts, prepared.task.known)]
        if prepared.task
        else []
    )
    if link.remote_id is None:
        yield Planned("create", link.type, link.uuid, item.name, [], added, removed)
    elif paths or added or removed:
        same = bool(link.active) == item.active or link.type == core.GROUP.name
        act = "change" if same else ("enable" if item.active else "disable")
        yield Planned(act, link.type, link.uuid, item.name, paths, added, removed)
