"""Carries out a plan: batches of steps, each in one transaction with its links, through the door of every write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..apps.workspace import Workspace
from ..db import chunks
from ..directory import write
from ..directory.attempt import Attempt
from ..directory.read import Resource
from ..errors import InvalidValue, ScimError, TooManyRequests, Unavailable, Uniqueness
from ..journal import Action
from ..scim import core, messages
from ..scim.document import Place
from . import links
from .links import Key, Link, Linked, Update
from .memberships import Resolve, difference, spared, wanted
from .plan import Act, Plan, Step
from .reading import GROUP, USER
from .rules import Rules
from .shaping import Compiled
from .staging import Staging, ties_of

#: Steps in one transaction, which is how long other writers wait.
_BATCH = 50
_MANAGER = "manager"


@dataclass
class Means:
    """What carrying out a plan needs."""

    workspace: Workspace
    source_id: int
    mapping: Mapping[str, Compiled]
    #: As they were written last; it is kept current.
    links: dict[Key, Link]
    staging: Staging
    resolve: Resolve
    rules: Rules
    #: When the run began, in microseconds since 1970 UTC.
    started_at: int
    #: True when everything was read.
    whole: bool
    #: Said in each transaction: the run goes on; raises LeaseLostError when it is another's by now.
    renew: Callable[[], None]
    #: Called with how many steps were carried out.
    told: Callable[[int], None]


@dataclass
class _Outcome:
    """What a batch did; a transaction may be tried several times, so each try begins with a new one."""

    updates: list[Update] = field(default_factory=list)
    refused: list[tuple[Step, Attempt, ScimError]] = field(default_factory=list)
    #: The rows and ids of new resources.
    made: dict[Key, tuple[int, str]] = field(default_factory=dict)


_Do = Callable[[_Outcome, Step], None]


class Applying:
    """A plan on its way into the app."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._db = means.workspace.db
        self._types = {each.name: each for each in means.workspace.app.resource_types.values()}
        #: Rows and ids of the entries that have a resource by now.
        self._known = {key: (link.row, link.uuid) for key, link in means.links.items() if link.lives}
        self.refused = 0
        self.members_added = 0
        self.members_removed = 0

    def carry_out(self, plan: Plan) -> None:
        """Carries out all steps. What is refused is recorded, and the rest goes on.

        Raises LeaseLostError, Unavailable, and TooManyRequests when a brake holds the rest.
        """
        self._refuse_faults(plan.refused)
        again = self._all(plan.changes, self._write_user)
        self._all(plan.leavers, self._leave)
        again += self._all(_managers_first(plan.newcomers), self._write_user)
        # A name may have become free meanwhile: somebody else had it until this run changed that.
        self._all(again, self._write_user, last=True)
        ties = [step for step in plan.ties + plan.newcomers if self._lacks_tie(step)]
        self._all(ties, self._write_manager)
        self._all([step for step in plan.groups if step.act is not Act.TIE], self._write_group)
        kept = spared(self._means.links, plan.missed)
        for step in plan.groups:
            if step.key in self._known:
                self._write_members(step, kept)
        self._all(plan.missed, self._miss)

    # --- batches --------------------------------------------------------------------------------------------------

    def _all(self, steps: Sequence[Step], do: _Do, *, last: bool = False) -> list[Step]:
        """Carries out steps in batches; returns users who were refused because a name was taken, to be tried again."""
        again: list[Step] = []
        for batch in chunks(steps, _BATCH):
            outcome = self._db.transact(partial(self._batch, batch, do))
            self._take(outcome)
            for step, attempt, error in outcome.refused:
                if isinstance(error, Uniqueness) and step.key.type == USER and not last:
                    again.append(step)
                else:
                    self._record(step, attempt, error)
            self._means.told(len(batch))
        return again

    def _batch(self, steps: Sequence[Step], do: _Do) -> _Outcome:
        outcome = _Outcome()
        self._means.renew()
        for step in steps:
            do(outcome, step)
        links.write(self._db, self._means.workspace.app.id, self._means.source_id, outcome.updates)
        return outcome

    def _take(self, outcome: _Outcome) -> None:
        """Keeps in memory what is durable now."""
        self._known.update(outcome.made)
        for update in outcome.updates:
            former = self._means.links.get(update.key)
            row, uuid = self._known.get(update.key, (update.row, former.uuid if former else None))
            lives = update.key in self._known
            name, active = (former.name, former.active) if former else (None, True)
            written = (update.digest, update.ties, update.version, update.state)
            missed = (update.missing_runs, update.missing_since, update.reason)
            present = update.version if lives else 0
            self._means.links[update.key] = Link(row, *written, *missed, uuid, name, present, active)

    def _attempt(
        self, step: Step, action: Action, body: Any, id: str | None = None, note: str | None = None
    ) -> Attempt:
        method = {Action.CREATED: "POST", Action.DELETED: "DELETE"}.get(action, "PUT")
        kind = self._types[step.key.type]
        return Attempt(self._means.workspace, action, kind, id=id, method=method, body=body, note=note)

    def _record(self, step: Step, attempt: Attempt, error: ScimError) -> None:
        """Records a refusal, unless the same was said at the last run, and keeps the reason with the link.

        Raises the error when it is no matter of this entry.
        """
        if isinstance(error, TooManyRequests | Unavailable):
            raise error
        self.refused += 1
        link = self._means.links.get(step.key)
        if link is None or link.reason != error.detail:
            attempt.refuse(error)
        row, _ = self._known.get(step.key, (None, None))
        ties, version = (link.ties, link.version) if link else ("", 0)
        update = Update(step.key, row, "", ties, version, Linked.REFUSED, reason=error.detail)
        self._db.transact(partial(self._keep, update))
        self._take(_Outcome([update]))

    def _keep(self, update: Update) -> None:
        self._means.renew()
        links.write(self._db, self._means.workspace.app.id, self._means.source_id, [update])

    def _refuse_faults(self, steps: Sequence[Step]) -> None:
        """Records the entries that cannot be taken: who has one is there, and no leaver."""
        for step in steps:
            _, id = self._known.get(step.key, (None, None))
            named = {"userName" if step.key.type == USER else "displayName": step.name}
            attempt = self._attempt(step, Action.UPDATED if id else Action.CREATED, named, id)
            self._record(step, attempt, InvalidValue(step.reason or "It cannot be taken."))

    # --- users ----------------------------------------------------------------------------------------------------

    def _write_user(self, outcome: _Outcome, step: Step) -> None:
        entry = step.entry
        assert entry is not None
        body = self._means.staging.body(entry).resource
        owned = set(self._means.mapping[USER].owned)
        manager = self._id_of(outcome, entry.ties)
        ties = entry.ties
        if manager is not None:
            body.setdefault(core.ENTERPRISE_URN, {})[_MANAGER] = {"value": manager}
        if self._means.mapping[USER].manager is not None and (manager is not None or not ties):
            owned.add(Place(core.ENTERPRISE_URN, _MANAGER))
        elif ties:
            # The manager comes later in this run.
            ties = link.ties if (link := self._means.links.get(step.key)) else ""
        self._write(outcome, step, body, owned, ties)

    def _id_of(self, outcome: _Outcome, manager: str) -> str | None:
        """The id of a manager who has a resource by now."""
        key = Key(USER, manager)
        return (outcome.made.get(key) or self._known.get(key, (0, None)))[1] if manager else None

    def _write(self, outcome: _Outcome, step: Step, body: dict[str, Any], owned: set[Place], ties: str) -> None:
        """Creates or changes the resource of a step; its link is written with it."""
        workspace, resource_type = self._means.workspace, self._types[step.key.type]
        here = step.adopted or self._known.get(step.key)
        id = here[1] if here else None
        attempt = self._attempt(step, Action.UPDATED if id else Action.CREATED, body, id)
        try:
            if id is None:
                resource = write.create(workspace, resource_type, body, attempt=attempt).resource
            else:
                resource = write.assign(workspace, resource_type, id, body, owned, attempt=attempt).resource
        except ScimError as error:
            outcome.refused.append((step, attempt, error))
            return
        self._wrote(outcome, step, resource, ties)

    def _wrote(self, outcome: _Outcome, step: Step, resource: Resource, ties: str) -> None:
        assert step.entry is not None
        state = Linked.GONE if resource.gone else Linked.OK
        if not resource.gone:
            outcome.made[step.key] = (resource.row, resource.id)
        outcome.updates.append(Update(step.key, resource.row, step.entry.digest, ties, resource.version, state))

    def _leave(self, outcome: _Outcome, step: Step) -> None:
        """Disables or deletes who is not in the source any more; groups are deleted."""
        workspace, resource_type, link = self._means.workspace, self._types[step.key.type], self._means.links[step.key]
        assert link.uuid is not None
        deletes = self._means.rules.leavers == "delete" or step.key.type == GROUP
        body = None if deletes else messages.patch_of("replace", "active", False)
        action, note = Action.DELETED if deletes else Action.UPDATED, "not in the source any more"
        attempt = self._attempt(step, action, body, link.uuid, note)
        version = link.version
        try:
            if deletes:
                write.delete(workspace, resource_type, link.uuid, attempt=attempt)
            else:
                resource = write.patch(workspace, resource_type, link.uuid, body, attempt=attempt).resource
                version = resource.version
        except ScimError as error:
            outcome.refused.append((step, attempt, error))
            return
        since = link.missing_since or self._means.started_at
        missed = (link.missing_runs + 1, since, link.reason)
        outcome.updates.append(Update(step.key, link.row, "", link.ties, version, Linked.GONE, *missed))

    def _miss(self, outcome: _Outcome, step: Step) -> None:
        """Remembers that somebody was not found; nothing is done to them."""
        link = self._means.links[step.key]
        missed = (link.missing_runs + self._means.whole, link.missing_since or self._means.started_at, link.reason)
        written = (link.row, link.digest, link.ties, link.version)
        outcome.updates.append(Update(step.key, *written, Linked.MISSING, *missed))

    def _lacks_tie(self, step: Step) -> bool:
        link = self._means.links.get(step.key)
        return link is not None and link.state == Linked.OK and step.entry is not None and link.ties != step.entry.ties

    def _write_manager(self, outcome: _Outcome, step: Step) -> None:
        entry = step.entry
        assert entry is not None
        manager, (_, id) = self._id_of(outcome, entry.ties), self._known[step.key]
        if manager is None and entry.ties:
            # The manager was refused; the link keeps the former one, so the next run looks again.
            return
        path = f"{core.ENTERPRISE_URN}:{_MANAGER}"
        body = messages.patch_of("replace", path, {"value": manager}) if manager else messages.patch_of("remove", path)
        attempt = self._attempt(step, Action.UPDATED, body, id)
        assert id is not None
        try:
            resource = write.patch(self._means.workspace, self._types[USER], id, body, attempt=attempt).resource
        except ScimError as error:
            outcome.refused.append((step, attempt, error))
            return
        self._wrote(outcome, step, resource, entry.ties)

    # --- groups ---------------------------------------------------------------------------------------------------

    def _write_group(self, outcome: _Outcome, step: Step) -> None:
        entry = step.entry
        assert entry is not None
        body = self._means.staging.body(entry).resource
        link = self._means.links.get(step.key)
        # The members follow; until then the link has the former ones, unless somebody else may have changed them.
        ties = link.ties if link is not None and link.lives and not link.drifted else ""
        self._write(outcome, step, body, set(self._means.mapping[GROUP].owned), ties)

    def _write_members(self, step: Step, kept: frozenset[str]) -> None:
        """Has a group the members that its source says, in as many transactions as it takes."""
        entry, link = step.entry, self._means.links[step.key]
        assert entry is not None
        if link.state != Linked.OK or link.ties == entry.ties:
            return
        row, _ = self._known[step.key]
        keys = wanted(self._means.staging, step, self._means.resolve, self._known.__contains__)
        # Not the digest of all that were read: who was refused joins when they are taken.
        ties = ties_of(keys)
        ids = [id for key in keys if (id := self._known[key][1]) is not None]
        change = difference(self._db, row, ids, kept)
        parts = list(change.steps())
        for number, part in enumerate(parts or [None], 1):
            ends = number >= len(parts)
            do = partial(self._relink, part=part, ties=ties if ends else link.ties)
            self._all([step], do)
        self.members_added += len(change.added)
        self.members_removed += len(change.removed)

    def _relink(self, outcome: _Outcome, step: Step, part: Any, ties: str) -> None:
        _, id = self._known[step.key]
        assert id is not None
        steps = [part] if part is not None else []
        attempt = self._attempt(step, Action.UPDATED, None, id)
        try:
            resource = write.relink(self._means.workspace, self._types[GROUP], id, steps, attempt=attempt).resource
        except ScimError as error:
            outcome.refused.append((step, attempt, error))
            return
        self._wrote(outcome, step, resource, ties)


def _managers_first(steps: Sequence[Step]) -> list[Step]:
    """The steps in an order in which managers come before their people, so that most are written once."""
    waiting = {step.key: step for step in steps}
    made: list[Step] = []
    for first in steps:
        chain: list[Step] = []
        step: Step | None = first
        while step is not None and step.key in waiting:
            del waiting[step.key]
            chain.append(step)
            step = waiting.get(Key(USER, step.entry.ties if step.entry else ""))
        made += reversed(chain)
    return made
