"""The pass of a run over the members of groups: a step of some groups at once, until none has more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ...db import Database, chunks
from . import member_pushing, memberships
from .links import Item
from .member_pushing import MemberResult
from .memberships import Step
from .pushing import Pusher
from .remote import StoppedError
from .settling import Settler
from .stored import LinkState, Target

#: Groups of one transaction.
_BATCH = 20


class Sender(Protocol):
    """What it needs of the pass that it is a part of."""

    def send(self, calls: Sequence[Callable[[], MemberResult]]) -> list[MemberResult]:
        """Runs calls in threads, and returns their results in order."""

    def write(self) -> None:
        """Writes what was settled."""

    def keep(self) -> None:
        """Holds the target longer, inside the caller's transaction."""


@dataclass(slots=True)
class _Open:
    """A group whose members are compared: how far, and what went wrong."""

    item: Item
    adds: bool = True
    after: int = 0
    step: Step | None = None
    reason: str | None = None
    troubled: int = 0
    ended: bool = False


class GroupMembers:
    """Adds and removes the members of groups that differ."""

    def __init__(self, sender: Sender, db: Database, target: Target, pusher: Pusher, settler: Settler) -> None:
        self._sender = sender
        self._db = db
        self._target = target
        self._pusher = pusher
        self._settler = settler
        self._most = target.options.members

    def go(self, items: Sequence[Item]) -> None:
        """Compares the members of groups. Raises StoppedError and LeaseLostError."""
        for some in chunks(items, _BATCH):
            groups = [_Open(item) for item in some]
            while groups := [group for group in groups if self._find_step(group)]:
                self._round(groups)
            self._sender.write()

    def _find_step(self, group: _Open) -> bool:
        """Finds the next step of a group; at its end the group is settled."""
        while not group.ended:
            row = group.item.link.resource_id
            group.step = memberships.next_step(self._db, self._target, row, group.after, self._most, adds=group.adds)
            if group.step is not None:
                return True
            if not group.adds:
                break
            group.adds, group.after = False, 0
        if group.reason is not None:
            self._settler.refuse(group.item, group.reason)
        elif not group.ended:
            self._settler.close_group(group.item, LinkState.OK)
        return False

    def _round(self, groups: Sequence[_Open]) -> None:
        """Carries out a step of each group."""
        self._db.transact(partial(self._note, groups))
        calls = [
            partial(member_pushing.push, self._pusher, group.item.link.remote_id, group.step)
            for group in groups
            if group.step is not None and group.item.link.remote_id is not None
        ]
        results = self._sender.send(calls)
        pairs = list(zip(groups, results, strict=True))
        self._db.transact(partial(self._write, pairs))
        for group, result in pairs:
            self._move(group, result)
        stop = next((result for result in results if result.stop), None)
        if stop is None and all(result.trouble for result in results):
            stop = results[0]
        if stop is not None:
            self._sender.write()
            raise StoppedError(stop.reason or "the target does not answer", stop.wait)

    def _note(self, groups: Sequence[_Open]) -> None:
        """Notes that memberships are unknown until the answers come."""
        self._sender.keep()
        for group in groups:
            if group.step is not None:
                memberships.write(self._db, self._target, group.step.group, group.step.members, sure=False)

    def _write(self, pairs: Sequence[tuple[_Open, MemberResult]]) -> None:
        self._sender.keep()
        for group, result in pairs:
            step = group.step
            if step is None:
                continue
            if result.group_missing:
                memberships.forget(self._db, self._target, step.group)
            elif step.adds:
                memberships.write(self._db, self._target, step.group, result.settled, sure=True)
                self._settler.forget_there(result.missing)
            else:
                memberships.forget(self._db, self._target, step.group, result.settled)

    def _move(self, group: _Open, result: MemberResult) -> None:
        """Goes on behind the step, whatever came of it: what failed is tried again by another run."""
        assert group.step is not None
        self._settler.count("members_added" if group.step.adds else "members_removed", len(result.settled))
        group.after = group.step.members[-1].row
        if result.reason is not None:
            group.reason = result.reason
        if result.missing:
            group.reason = group.reason or "a member was deleted at the target, and is pushed again"
        if result.group_missing:
            # The next look makes it anew.
            link = group.item.link
            link.remote_id, link.digests, link.version = None, "{}", 0
            self._settler.reopen(group.item)
            group.ended = True
