"""How the members of a group differ from those that its source says it has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..db import Database
from ..directory import members
from ..scim.patch_plan import LinkStep
from .links import Key, Link, Linked
from .plan import Step
from .staging import Staging

#: Members that one transaction adds or removes.
MOST_AT_ONCE = 2000

Resolve = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """The ids of resources that leave a group and those that come, and how many members it has now."""

    removed: list[str]
    added: list[str]
    before: int

    def steps(self) -> Iterator[LinkStep]:
        """The difference in parts that one transaction carries out."""
        for start in range(0, len(self.removed), MOST_AT_ONCE):
            yield LinkStep(remove=set(self.removed[start : start + MOST_AT_ONCE]))
        for start in range(0, len(self.added), MOST_AT_ONCE):
            yield LinkStep(add=dict.fromkeys(self.added[start : start + MOST_AT_ONCE]))


def wanted(staging: Staging, step: Step, resolve: Resolve, is_known: Callable[[Key], bool]) -> list[Key]:
    """The entries that a group is to have as members."""
    assert step.entry is not None
    return staging.member_keys(step.entry, resolve, is_known)


def difference(db: Database, group: int | None, ids: Iterable[str], spared: Collection[str]) -> Difference:
    """How a group differs from these members.

    In: its row, None for one that is not there yet; the ids of those who are to be its members; `spared`, the ids of
    those who are missing from the source for a while, and keep what they have.
    """
    present = [link.id for link in members.members_of(db, [group]).get(group, [])] if group is not None else []
    target = dict.fromkeys(ids)
    here = set(present)
    gone = [id for id in present if id not in target and id not in spared]
    return Difference(gone, [id for id in target if id not in here], len(present))


def spared(links: Mapping[Key, Link], missed: Iterable[Step]) -> frozenset[str]:
    """The ids of those who were not found, and to whom nothing is done yet."""
    keys = [step.key for step in missed] + [key for key, link in links.items() if link.state == Linked.MISSING]
    return frozenset(uuid for key in keys if (uuid := links[key].uuid) is not None)
