"""What a run would do: from the links and from what was read. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .links import Key, Link, Linked
from .reading import GROUP, USER
from .rules import Rules
from .staging import Entry


class Act(StrEnum):
    """What is done about one entry."""

    CREATE = "create"
    #: A resource that is there, and that no source has, becomes the entry's.
    ADOPT = "adopt"
    CHANGE = "change"
    #: The user is disabled there.
    DISABLE = "disable"
    #: The user came back, or was enabled there.
    ENABLE = "enable"
    #: Not there any more; disabled, deleted or left alone as the rules say.
    LEAVE = "leave"
    #: Not there, for the first time or not often enough.
    MISS = "miss"
    #: The manager, or the members.
    TIE = "tie"
    REFUSE = "refuse"


@dataclass(slots=True)
class Step:
    """One act about one entry."""

    act: Act
    key: Key
    name: str
    #: What was read; None for who was not there.
    entry: Entry | None = None
    #: Why it is refused.
    reason: str | None = None
    #: The resource that is adopted: its row's key, and its id.
    adopted: tuple[int, str] | None = None


@dataclass(slots=True)
class Plan:
    """All steps, in the order in which they are carried out: a leaver may free a name that a newcomer takes."""

    changes: list[Step] = field(default_factory=list)
    leavers: list[Step] = field(default_factory=list)
    newcomers: list[Step] = field(default_factory=list)
    #: Managers.
    ties: list[Step] = field(default_factory=list)
    #: Groups that are created, changed, or get other members.
    groups: list[Step] = field(default_factory=list)
    missed: list[Step] = field(default_factory=list)
    refused: list[Step] = field(default_factory=list)
    #: Entries that are there and unchanged.
    unchanged: int = 0

    def __iter__(self) -> Iterator[Step]:
        for part in (self.changes, self.leavers, self.newcomers, self.ties, self.groups, self.missed, self.refused):
            yield from part

    def counts(self) -> dict[str, int]:
        """How many steps of each act there are."""
        return dict(Counter(step.act.value for step in self))

    @property
    def removals(self) -> list[Step]:
        """The steps that end what somebody has."""
        return [step for step in (*self.changes, *self.leavers) if step.act in (Act.DISABLE, Act.LEAVE)]


def make(
    links: Mapping[Key, Link],
    entries: Mapping[Key, Entry],
    rules: Rules,
    *,
    absent: Collection[Key],
    whole: bool,
    buries: bool,
) -> Plan:
    """The plan of a run.

    In: the links, and what was read by key; `absent`, the linked entries that were asked for and not found; `whole`,
    True when everything was read, so that who was not found counts as missing once more; `buries`, True when the app
    deletes who is deactivated, so that disabled entries are not created.
    """
    plan = Plan()
    for key, entry in entries.items():
        _plan_entry(plan, links.get(key), entry, buries=buries)
    for key in absent:
        _plan_absent(plan, key, links[key], rules, whole=whole)
    return plan


def _plan_entry(plan: Plan, link: Link | None, entry: Entry, *, buries: bool) -> None:
    if entry.fault is not None:
        plan.refused.append(Step(Act.REFUSE, entry.key, entry.name, entry, entry.fault))
        return
    is_group = entry.key.type == GROUP
    if link is None or not link.lives:
        if not entry.active and buries and not is_group:
            plan.unchanged += 1
        else:
            (plan.groups if is_group else plan.newcomers).append(Step(Act.CREATE, entry.key, entry.name, entry))
        return
    if is_group:
        if entry.changed or entry.ties != link.ties:
            plan.groups.append(Step(Act.CHANGE if entry.changed else Act.TIE, entry.key, entry.name, entry))
        else:
            plan.unchanged += 1
        return
    if entry.changed:
        act = Act.CHANGE
        if entry.active != link.active:
            act = Act.ENABLE if entry.active else Act.DISABLE
        plan.changes.append(Step(act, entry.key, entry.name, entry))
    if entry.ties != link.ties:
        plan.ties.append(Step(Act.TIE, entry.key, entry.name, entry))
    elif not entry.changed:
        plan.unchanged += 1


def _plan_absent(plan: Plan, key: Key, link: Link, rules: Rules, *, whole: bool) -> None:
    """A linked entry that is not there: it is missed first, and left after so many full runs."""
    if link.state == Linked.GONE or (link.state == Linked.REFUSED and not link.lives):
        return
    name = link.name or key.key
    enough = whole and link.missing_runs + 1 >= rules.missing_after
    if not enough or rules.leavers == "ignore" or not link.lives:
        plan.missed.append(Step(Act.MISS, key, name))
    else:
        plan.leavers.append(Step(Act.LEAVE, key, name))


def users(steps: Collection[Step]) -> int:
    """How many of the steps are about users."""
    return sum(step.key.type == USER for step in steps)
