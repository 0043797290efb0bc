"""What a run would do, named change by change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..apps.workspace import Workspace
from . import differences
from .guard import Hold
from .plan import Act, Step
from .shaping import Compiled
from .survey import Found


@dataclass
class Preview:
    """What a run would do now, and why it would be held."""

    workspace: Workspace
    found: Found
    mapping: Mapping[str, Compiled]
    holds: list[Hold]

    @property
    def numbers(self) -> dict[str, int]:
        """How many entries were read, and how many would be created, changed and so on."""
        return self.found.numbers

    def rows(self) -> Iterator[tuple[Step, dict[str, list[Any]]]]:
        """Yields every step with what it changes: attribute to [from, to]; of members how many go and come."""
        found, made = self.found, self.found.plan
        there = [
            step for step in (*made.changes, *made.groups, *made.newcomers) if step.act not in (Act.TIE, Act.CREATE)
        ]
        changes = differences.of(self.workspace, there, found.links, found.staging, self.mapping)
        changed = {id(step): change for step, change in changes}
        linked = {id(step): change for step, change in found.member_changes(self.workspace.db)}
        for step in made:
            differs = dict(changed.get(id(step), {}))
            if change := linked.get(id(step)):
                differs["members"] = [f"-{len(change.removed)}", f"+{len(change.added)}"]
            yield step, differs
