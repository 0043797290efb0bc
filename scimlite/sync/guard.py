"""Whether a run may write: the guard looks at the whole plan before the first write, and says why not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..directory.brake_limits import Limits
from .reading import USER
from .rules import Rules

#: A change of one attribute is suspicious from this number of users on, the loss of members from this size of a group.
_MANY_USERS, _LARGE_GROUP = 100, 20
#: So few are not there, or refused, without a question, whatever their share is.
_FEW = 3


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run found out, in numbers."""

    #: Linked users who are active here.
    active: int
    #: Linked users and groups that have a resource here and are not known to be gone, by type.
    linked: Mapping[str, int]
    #: Of those, how many were read, by type.
    found: Mapping[str, int]
    #: Entries that were read, and of them those that are refused.
    read: int
    refused: int
    #: Users who would be disabled or deleted.
    removals: int
    #: Users who would leave groups, and the groups that would lose over half of more than twenty.
    members_removed: int = 0
    halved: tuple[str, ...] = ()
    #: Groups that would be deleted.
    groups_removed: int = 0
    #: How many users each attribute would change for, where over a hundred would be changed.
    changes: Mapping[str, int] = field(default_factory=dict)
    #: True when the last run read by another mapping: then many changes are what was asked for.
    new_mapping: bool = False
    #: What directory this is, and what it was at the last run; None for the first one.
    identity: str = ""
    former: str | None = None
    #: True when everything was read.
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What an operator accepted: numbers that may not be exceeded."""

    removals: int | None = None
    changes: int | None = None
    identity: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a run is held: a sentence, and what accepts it."""

    reason: str
    #: `removals`, `changes` or `identity`; None when nothing accepts it, and the source is to be mended.
    accepts: str | None
    number: int | None = None

    def data(self) -> dict[str, Any]:
        """The hold as JSON has it."""
        return asdict(self)


def judge(facts: Facts, rules: Rules, users: Limits, members: Limits, accepted: Acceptance) -> list[Hold]:
    """Why a run may not write; empty when it may.

    In: the app's limits for users disabled and deleted, and for users removed from groups.
    """
    return [
        *_identity(facts, accepted),
        *_removals(facts, rules, users, members, accepted),
        *_refused(facts, rules),
        *_changes(facts, rules, accepted),
    ]


def _identity(facts: Facts, accepted: Acceptance) -> list[Hold]:
    if facts.former is None or facts.former == facts.identity or accepted.identity:
        return []
    return [Hold(f"this is another directory: it was {facts.former}, and is {facts.identity}", "identity")]


def _removals(facts: Facts, rules: Rules, users: Limits, members: Limits, accepted: Acceptance) -> list[Hold]:
    """All that takes something away is accepted by one number: users, groups and memberships together."""
    going = facts.removals + facts.groups_removed + facts.members_removed
    if accepted.removals is not None and going <= accepted.removals:
        return []
    reasons = []
    for type, linked in facts.linked.items() if facts.whole else ():
        found = facts.found.get(type, 0)
        if linked and not found and (type == USER or linked > _FEW):
            reasons.append(f"none of the {linked:,} linked {type.lower()}s was found")
        elif linked - found > _FEW and found * 100 < rules.hold_below * linked:
            reasons.append(f"only {found:,} of the {linked:,} linked {type.lower()}s were found")
    if users.on and users.exceeded_by(facts.removals, facts.active):
        share = facts.removals * 100 // max(facts.active, 1)
        reasons.append(f"{facts.removals:,} of {facts.active:,} active users ({share} %) would be disabled or deleted")
    if members.on and members.exceeded_by(facts.members_removed):
        reasons.append(f"{facts.members_removed:,} memberships would be removed")
    if facts.halved:
        reasons.append(f"the group {facts.halved[0]} would lose more than half of its members")
    return [Hold("; ".join(reasons), "removals", going)] if reasons else []


def _refused(facts: Facts, rules: Rules) -> list[Hold]:
    if not facts.whole or facts.refused <= _FEW or facts.refused * 100 <= rules.hold_refused * facts.read:
        return []
    return [Hold(f"{facts.refused:,} of {facts.read:,} entries are refused; mend the mapping or the entries", None)]


def _changes(facts: Facts, rules: Rules, accepted: Acceptance) -> list[Hold]:
    linked = facts.linked.get(USER, 0)
    if facts.new_mapping or linked <= _MANY_USERS:
        return []
    many = {name: number for name, number in facts.changes.items() if number * 100 > rules.hold_changes * linked}
    most = max(many.values(), default=0)
    if not many or (accepted.changes is not None and most <= accepted.changes):
        return []
    listed = ", ".join(sorted(many))
    return [Hold(f"{listed} would change for {most:,} of {linked:,} users", "changes", most)]


def is_halved(before: int, removed: int) -> bool:
    """True when a group of over twenty members would lose more than half of them."""
    return before > _LARGE_GROUP and removed * 2 > before
