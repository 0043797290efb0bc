"""Decides before the first write whether a run takes away too much: pure arithmetic over numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...apps.features import AppSettings
from ...directory import brakes
from ...directory.brake_limits import Limits
from ...directory.departures import MEMBERS, USERS
from ...errors import OperatorError
from .scopes import Census
from .stored import Options


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing is pushed, and the number of removals that an operator is to accept."""

    reason: str
    removals: int

    @property
    def data(self) -> dict[str, Any]:
        """The form in a row."""
        return {"reason": self.reason, "removals": self.removals}


class HeldError(OperatorError):
    """A run takes away too much: nothing more is pushed before an operator accepts it."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold.reason)
        self.hold = hold


def judge(census: Census, settings: AppSettings, options: Options, accepted: int | None) -> Hold | None:
    """Returns why a run is held; None when it may go on.

    In: what it would take away; the app's features, whose brakes count where the target has no numbers of its own;
    how many removals an operator accepts.
    """
    reason = _excess(census, settings, options)
    if reason is None or (accepted is not None and census.total <= accepted):
        return None
    more = "" if accepted is None else f"; {accepted:,} were accepted"
    return Hold(f"{reason}{more}", census.total)


def _excess(census: Census, settings: AppSettings, options: Options) -> str | None:
    """What would be too much, in words."""
    if census.empty and census.users:
        return f"the app has nobody left to push, and {census.users:,} users would be disabled or deleted at the target"
    if census.groups and census.groups == census.groups_there > 1:
        return f"all {census.groups:,} groups would be deleted at the target"
    brake = brakes.limits(settings, USERS)
    number = brake.number if options.most_users is None else options.most_users
    percent = brake.percent if options.most_percent is None else options.most_percent
    limits = Limits(number, percent, 0)
    if limits.on and limits.exceeded_by(census.users, census.users_there):
        return f"{census.users:,} of {census.users_there:,} users would be disabled or deleted at the target"
    if limits.on and limits.exceeded_by(census.groups, census.groups_there):
        return f"{census.groups:,} of {census.groups_there:,} groups would be deleted at the target"
    most = brakes.limits(settings, MEMBERS).number if options.most_memberships is None else options.most_memberships
    # Without a number of its own the brake on members is off, and a share is too much that would be of users.
    of_members = limits if most is None else Limits(most, None, 0)
    if of_members.on and of_members.exceeded_by(census.memberships, census.memberships_there):
        return f"{census.memberships:,} of {census.memberships_there:,} memberships would end at the target"
    return None
