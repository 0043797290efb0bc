"""The passes of a run over users, groups and members: some are noted, sent by threads, and settled; then the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Protocol, TypeVar

from ... import clock
from ...apps.workspace import Workspace
from ...db import Database, chunks
from ...scim import core
from ...scim.schema import ResourceType
from . import documents, links, memberships
from .group_members import GroupMembers
from .links import Item
from .preparing import Prepared, Preparer
from .pushing import Act, Done, Pusher, Result
from .remote import StoppedError
from .scopes import Scope
from .settling import Settler
from .stored import LinkState, Target

R = TypeVar("R")

#: Connections to a target.
_AT_ONCE = 4
#: Users or groups of one transaction.
_BATCH = 40
#: After so many requests in a row without a useful answer the run ends.
_MOST_TROUBLE = 5


class Holder(Protocol):
    """What a pass needs of its run."""

    def keep(self) -> None:
        """Holds the target longer, inside the caller's transaction."""

    def begin(self) -> None:
        """Makes the row of the run."""

    def tell(self) -> None:
        """Says how far the run is."""

    @property
    def beat(self) -> float:
        """Seconds after which the target is held longer."""

    def recount(self) -> int:
        """How many active users may go by now. Raises HeldError when they are too many."""


class Pass:
    """The passes of one run."""

    def __init__(
        self,
        holder: Holder,
        db: Database,
        workspace: Workspace,
        target: Target,
        scope: Scope,
        pusher: Pusher,
        preparer: Preparer,
        counts: Counter[str],
    ) -> None:
        self._holder = holder
        self._db = db
        self._target = target
        self._scope = scope
        self._pusher = pusher
        self._preparer = preparer
        self._counts = counts
        self._settler = Settler(db, workspace, target, counts)
        self._threads = ThreadPoolExecutor(_AT_ONCE, f"target-{target.id}")
        #: Those whose requests got no useful answer, until it is known whether that is theirs or the target's fault.
        self._troubled: list[tuple[Prepared, Result]] = []
        self._answered = False
        #: How many more active users may go: what appeared since the census waits for the next one.
        self._allowance = 0

    def go(self, removals: int) -> None:
        """Pushes all that differs. Raises StoppedError, LeaseLostError, and what the database raises."""
        self._allowance = removals
        user, *groups = self._scope.types
        for resource_type in self._scope.types:
            self._purged(resource_type)
        self._living(user)
        if self._counts[Done.CREATED] or self._counts[Done.ADOPTED]:
            # Managers who are there by now.
            self._living(user, again=True)
        for group in groups:
            found = self._living(group)
            if self._pusher.patch:
                GroupMembers(self, self._db, self._target, self._pusher, self._settler).go(found)
        self._end_trouble()

    def close(self) -> None:
        """Lets the threads end."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    # --- users and groups -----------------------------------------------------------------------------------------

    def _purged(self, resource_type: ResourceType) -> None:
        for rows in chunks(self._scope.purged(resource_type, clock.now()), _BATCH):
            self._batch(resource_type, links.load_purged(self._db, self._target, rows), {})

    def _living(self, resource_type: ResourceType, *, again: bool = False) -> list[Item]:
        """Pushes what differs of a type; returns the groups whose members are to be compared."""
        found: list[Item] = []
        for due in chunks(self._scope.due(resource_type, clock.now(), again=again), _BATCH):
            items = links.load(self._db, self._target, [each.row for each in due])
            found += self._batch(resource_type, items, {each.row: each.wanted for each in due})
        return found

    def _batch(self, resource_type: ResourceType, items: Sequence[Item], wanted: Mapping[int, bool]) -> list[Item]:
        if self._pusher.remote.stopping:
            raise StoppedError("the run was stopped, because its process is to end")
        prepared = self._preparer.prepare(resource_type, items, wanted, patch=self._pusher.patch)
        self._spend(prepared)
        for each in prepared:
            _note(each)
        self._db.transact(partial(self._write_notes, prepared))
        sent = [each for each in prepared if each.task is not None]
        results = self.send([partial(self._pusher.push, each.task) for each in sent if each.task is not None])
        self._settle(prepared, {id(each): result for each, result in zip(sent, results, strict=True)})
        self.write()
        self._stop_if_told(results)
        if resource_type.name != core.GROUP.name:
            return []
        unanswered = {id(each) for each, result in zip(sent, results, strict=True) if result.done is Done.TROUBLE}
        return [each.item for each in prepared if id(each) not in unanswered and _has_members(each)]

    def _spend(self, prepared: Sequence[Prepared]) -> None:
        """Counts the active users who go; when more go than were counted before, the run is judged again."""
        going = sum(_goes(each) for each in prepared)
        self._allowance -= going
        if self._allowance < 0:
            # These are not gone yet, so they are counted with the others.
            self._allowance = self._holder.recount() - going

    def _write_notes(self, prepared: Sequence[Prepared]) -> None:
        """Writes what requests are going to be about."""
        self._holder.keep()
        self._holder.begin()
        links.put(self._db, [each.item.link for each in prepared])
        for each in prepared:
            if each.members is not None:
                memberships.write(self._db, self._target, each.item.link.resource_id, each.members, sure=False)

    def _settle(self, prepared: Sequence[Prepared], results: Mapping[int, Result]) -> None:
        """Settles what was answered; what was not waits until it is known whether the target works."""
        answered = False
        for each in prepared:
            result = results.get(id(each))
            if result is None:
                self._settler.settle_unsent(each, with_members=self._pusher.patch)
            elif result.done is not Done.TROUBLE:
                answered = True
                self._settler.settle(each, result, with_members=self._pusher.patch)
            elif not result.stop:
                self._troubled.append((each, result))
        if answered:
            self._answered = True
            self.refuse_troubled()

    def refuse_troubled(self) -> None:
        """Counts what got no useful answer as refused: the target works, so it is these that it cannot take."""
        for each, result in self._troubled:
            self._settler.refuse(each.item, result.reason or "no answer")
        self._troubled.clear()

    def write(self) -> None:
        """Writes what was settled. Raises LeaseLostError."""
        self._db.transact(self._write)
        self._settler.clear()
        self._holder.tell()

    def _write(self) -> None:
        self._holder.keep()
        self._settler.write()

    def _stop_if_told(self, results: Sequence[Result]) -> None:
        for result in results:
            if result.stop:
                raise StoppedError(result.reason or "the target stopped the run", result.wait)
        if len(self._troubled) >= _MOST_TROUBLE:
            raise StoppedError(self._troubled[-1][1].reason or "the target does not answer")

    def _end_trouble(self) -> None:
        """Decides about those that nobody answered. Raises StoppedError when nothing was answered at all."""
        if self._troubled and not self._answered:
            raise StoppedError(self._troubled[-1][1].reason or "the target does not answer")
        self.refuse_troubled()
        self.write()

    def keep(self) -> None:
        """Holds the target longer, inside the caller's transaction. Raises LeaseLostError."""
        self._holder.keep()

    # --- threads --------------------------------------------------------------------------------------------------

    def send(self, calls: Sequence[Callable[[], R]]) -> list[R]:
        """Runs calls in the threads, and returns their results in order; the target is held meanwhile."""
        futures = [self._threads.submit(call) for call in calls]
        open_futures: set[Future[Any]] = set(futures)
        while open_futures:
            done, open_futures = wait(open_futures, timeout=self._holder.beat, return_when=FIRST_COMPLETED)
            if not done:
                self._db.transact(self._holder.keep)
        return [future.result() for future in futures]


def _note(prepared: Prepared) -> None:
    """Has a link say what a request is going to be about."""
    link, version = prepared.item.link, prepared.item.version
    if version is not None and link.version != version:
        # A change deserves all its tries.
        link.tries, link.reason, link.version = 0, None, version
    link.state, link.changed_at = LinkState.SENDING.value, clock.now()
    if prepared.task is not None and prepared.shaped is not None:
        link.digests = links.digests_text(documents.doubtful(prepared.shaped.parts, link.known))


def _goes(prepared: Prepared) -> bool:
    """True for a user who is active at the target, and will not be."""
    link = prepared.item.link
    stays = prepared.item.active if prepared.act is Act.PUSH else prepared.task is None
    return link.active == 1 and link.type == core.USER.name and not stays


def _has_members(prepared: Prepared) -> bool:
    """True for a group that is at the target, and whose members are to be compared."""
    link = prepared.item.link
    return prepared.act is Act.PUSH and link.remote_id is not None and link.state == LinkState.SENDING.value
