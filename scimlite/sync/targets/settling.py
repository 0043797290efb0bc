"""Writes how requests went into links, counts it, and journals what was given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ... import journal
from ...apps.workspace import Workspace
from ...db import Database
from ...journal import Action, Entry
from ...scim import core
from . import links, memberships
from .links import Item, Link
from .memberships import Member
from .preparing import Prepared
from .pushing import Act, Done, Result
from .stored import LinkState, Target


class Settler:
    """Settles the users and groups of one run: in memory, until `write` writes it all in one transaction.

    A transaction may run twice, so nothing is decided in it.
    """

    def __init__(self, db: Database, workspace: Workspace, target: Target, counts: Counter[str]) -> None:
        self._db = db
        self._workspace = workspace
        self._target = target
        self._counts = counts
        self._begin()

    def _begin(self) -> None:
        self._new: Counter[str] = Counter()
        self._changed: list[Link] = []
        self._dropped: list[Link] = []
        self._anew: list[Link] = []
        self._whole_groups: list[tuple[int, Sequence[Member]]] = []
        self._entries: list[Entry] = []

    def settle_unsent(self, prepared: Prepared, *, with_members: bool) -> None:
        """Settles what needed no request."""
        self._close(prepared, prepared.item.link.active if prepared.shaped is None else None, with_members=with_members)

    def settle(self, prepared: Prepared, result: Result, *, with_members: bool) -> None:
        """Settles what the target answered to; `with_members`, whether members are pushed by themselves, afterwards."""
        link = prepared.item.link
        link.remote_id = result.remote_id
        if result.done is Done.REFUSED:
            if result.anew:
                self._anew.append(link)
            self.refuse(prepared.item, result.reason or "refused")
            return
        self._new[self._counted_as(prepared, result)] += 1
        if result.done is Done.DELETED:
            self._dropped.append(link)
            return
        if result.anew:
            self._anew.append(link)
        self._close(prepared, None, with_members=with_members)

    def refuse(self, item: Item, reason: str) -> None:
        """Counts a refusal; after the last one it is parked, and journalled."""
        link = item.link
        self._new["refused"] += 1
        if links.note_refusal(link, reason):
            self._new["parked"] += 1
            subject = (link.uuid, item.name if item.version is not None else None)
            of_group = link.type == core.GROUP.name
            self._entries.append(
                Entry(
                    Action.TARGET_PARKED,
                    journal.Outcome.REFUSED,
                    user=None if of_group else subject,
                    group=subject if of_group else None,
                    detail=f"target {self._target.name}: {reason}",
                )
            )
        self._changed.append(link)

    def count(self, name: str, number: int) -> None:
        """Counts what is no user and no group."""
        self._new[name] += number

    def close_group(self, item: Item, state: LinkState) -> None:
        """Notes that a group and its members are as they should be."""
        item.link.state, item.link.tries, item.link.reason = state.value, 0, None
        self._changed.append(item.link)

    def reopen(self, item: Item) -> None:
        """Has something looked at again that is not at the target any more."""
        self._changed.append(item.link)

    def forget_there(self, members: Sequence[Member]) -> None:
        """Has members pushed again who are not at the target any more, inside the caller's transaction."""
        links.forget_there(self._db, self._target, [member.row for member in members])

    def write(self) -> None:
        """Writes all that was settled, inside the caller's transaction; `clear` follows once it is durable."""
        for link in self._anew:
            links.forget_memberships(self._db, link)
        for group, members in self._whole_groups:
            memberships.forget(self._db, self._target, group)
            memberships.write(self._db, self._target, group, members, sure=True)
        links.put(self._db, self._changed)
        links.drop(self._db, self._dropped)
        links.reopen_groups(self._db, self._target, [link.resource_id for link in self._anew])
        if self._entries:
            journal.record(self._workspace, self._entries)

    def clear(self) -> None:
        """Counts what was written, and begins anew."""
        self._counts.update(self._new)
        self._begin()

    def _close(self, prepared: Prepared, active: int | None, *, with_members: bool) -> None:
        link = prepared.item.link
        of_group = link.type == core.GROUP.name
        link.digests = links.digests_text(prepared.digests)
        if active is None:
            active = int(prepared.act is Act.PUSH and (of_group or prepared.item.active))
        link.active = active
        link.tries, link.reason = 0, None
        # A group with members to compare is as it should be once they are.
        open_group = of_group and with_members and prepared.act is Act.PUSH
        link.state = (LinkState.SENDING if open_group else prepared.state).value
        if prepared.members is not None:
            self._whole_groups.append((link.resource_id, prepared.members))
        self._changed.append(link)

    def _counted_as(self, prepared: Prepared, result: Result) -> str:
        if result.done is not Done.CHANGED:
            return result.done.value
        was, now = bool(prepared.item.link.active), prepared.item.active
        return Done.CHANGED.value if was == now else ("enabled" if now else Done.DISABLED.value)
