"""Pushes one user or group to a target, and says how it went. Threads run it; it touches no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ...scim import core
from . import documents
from .abilities import Abilities
from .lookup import Found, Lookup
from .memberships import Member
from .remote import Patience, Remote, Reply, StoppedError, TroubleError

Json = Any
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#: Answers of a server that has no such method, or no such method here.
_NO_METHOD = (405, 501)
WHOLE_GROUPS = "the target takes no PATCH: the next run sends whole groups"
_MISSING, _CONFLICT = 404, 409
#: Answers to DELETE of something that is not there.
_GONE = (404, 410)


class Act(StrEnum):
    """What is to be done."""

    PUSH = "push"
    DISABLE = "disable"
    DELETE = "delete"


class Done(StrEnum):
    """How it went; the first ones are counted under these names."""

    CREATED = "created"
    #: It was there already, and is ours now.
    ADOPTED = "adopted"
    CHANGED = "changed"
    DISABLED = "disabled"
    DELETED = "deleted"
    REFUSED = "refused"
    #: Nobody knows whether it was carried out.
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Task:
    """One user or group to push: what the target is to have, and what it has."""

    act: Act
    type: str
    uuid: str
    remote_id: str | None
    #: True when a former try may have created it.
    doubtful: bool = False
    document: dict[str, Json] = field(default_factory=dict, repr=False)
    parts: dict[str, Json] = field(default_factory=dict, repr=False)
    #: The digests of what the target has.
    known: dict[str, str] = field(default_factory=dict, repr=False)
    was_active: bool = False
    #: All members of a group, where the target has no PATCH.
    members: Sequence[Member] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a task went. `stop` ends the run, for so many seconds `wait`."""

    done: Done
    remote_id: str | None = None
    reason: str | None = None
    stop: bool = False
    wait: float = 0.0
    #: True when the target has it under another id than before.
    anew: bool = False


class Pusher:
    """Pushes to one target; its threads share it."""

    def __init__(self, remote: Remote, abilities: Abilities, *, patch: bool, taken: set[str] | None) -> None:
        """In: `patch`, whether the target takes PATCH.

        `taken` has the ids at the target that are pushed to already: what else is there is adopted by its name. With
        None nothing is.
        """
        self.remote = remote
        self.patch = patch
        self.path = abilities.path
        self._taken = taken
        self._lookup = Lookup(remote, abilities)

    def push(self, task: Task) -> Result:
        """Carries out a task."""
        try:
            return self._push(task)
        except StoppedError as error:
            return Result(Done.TROUBLE, task.remote_id, str(error), stop=True, wait=error.wait)
        except TroubleError as error:
            return Result(Done.TROUBLE, task.remote_id, str(error))

    def check_missing(self, type: str) -> bool:
        """True, after an answer that something is missing. Raises StoppedError when everything is.

        A proxy, or a server that is being moved, answers 404 to all requests for a while.
        """
        reply = self.remote.get(self.path(type), {"startIndex": "1", "count": "1"})
        if not reply.fine or "totalResults" not in (reply.body or {}):
            raise StoppedError(f"the target does not know its {type}s: {self.path(type)} {reply.reason}")
        return True

    def _push(self, task: Task) -> Result:
        if task.act is not Act.PUSH:
            return self._end(task)
        if task.remote_id is None:
            return self._create(task)
        reply = self._change(task, task.remote_id, task.known)
        if reply.status == _MISSING and self.check_missing(task.type):
            # Somebody deleted it there.
            created = self._create(task)
            return Result(created.done, created.remote_id, created.reason, anew=True)
        return _result(Done.CHANGED, task.remote_id, reply)

    # --- creating -------------------------------------------------------------------------------------------------

    def _create(self, task: Task) -> Result:
        if task.doubtful and (found := self._own(task)):
            return self._adopt(task, found)
        patience = Patience(self.remote.pauses)
        while True:
            try:
                return self._created(task, self.remote.once("POST", self.path(task.type), self._whole(task)))
            except TroubleError as error:
                self.remote.rest(error, patience)
                # The answer may have been lost alone.
                if not error.busy and (found := self._own(task)):
                    return self._adopt(task, found)

    def _created(self, task: Task, reply: Reply) -> Result:
        if reply.status == _CONFLICT:
            return self._settle_conflict(task, reply)
        if not reply.fine:
            if reply.status == _MISSING:
                self.check_missing(task.type)
            return Result(Done.REFUSED, None, reply.reason)
        id = (reply.body or {}).get("id")
        if not isinstance(id, str) or not id:
            found = self._own(task)
            if found is None:
                return Result(Done.REFUSED, None, f"{reply.reason} without an id")
            id = found.id
        return Result(Done.CREATED, id, anew=True)

    def _settle_conflict(self, task: Task, reply: Reply) -> Result:
        """Adopts what has the name already, if that is ours, or if the operator wants it."""
        if found := self._own(task):
            return self._adopt(task, found)
        attribute = "userName" if task.type == core.USER.name else "displayName"
        named = self._lookup.by_name(task.type, attribute, str(task.document.get(attribute, "")))
        if named is None:
            return Result(Done.REFUSED, None, reply.reason)
        if self._taken is None:
            return Result(Done.REFUSED, None, f"its {attribute} is taken there: with --match it is adopted")
        if named.id in self._taken:
            return Result(Done.REFUSED, None, f"its {attribute} is that of another one that was pushed")
        self._taken.add(named.id)
        return self._adopt(task, named, Done.ADOPTED)

    def _own(self, task: Task) -> Found | None:
        return self._lookup.by_external_id(task.type, task.uuid)

    def _adopt(self, task: Task, found: Found, done: Done = Done.CHANGED) -> Result:
        reply = self._change(task, found.id, {})
        return _result(done, found.id, reply, anew=True)

    # --- changing -------------------------------------------------------------------------------------------------

    def _change(self, task: Task, id: str, known: dict[str, str]) -> Reply:
        path = self.path(task.type, id)
        if self.patch:
            reply = self.remote.send("PATCH", path, patch(documents.operations(task.parts, known)))
            if reply.status not in _NO_METHOD:
                return reply
            self.patch = False
        if task.type == core.GROUP.name and task.members is None:
            # A PUT without members would take all away.
            raise StoppedError(WHOLE_GROUPS)
        return self.remote.send("PUT", path, {**self._whole(task), "id": id})

    def _whole(self, task: Task) -> dict[str, Json]:
        """The whole document; with all members where nothing else takes them."""
        if task.members is None:
            return task.document
        return {**task.document, "members": [{"value": member.remote_id} for member in task.members]}

    # --- ending ---------------------------------------------------------------------------------------------------

    def _end(self, task: Task) -> Result:
        id = task.remote_id
        if id is None:
            # A try to create it may have succeeded.
            own = self._own(task)
            if own is None:
                return Result(Done.DELETED)
            id = own.id
        return self._delete(task, id) if task.act is Act.DELETE else self._disable(task, id)

    def _disable(self, task: Task, id: str) -> Result:
        reply = self._deactivate(id) if task.was_active or task.doubtful else None
        if reply is None:
            return Result(Done.DISABLED, id)
        if reply.status in _GONE and self.check_missing(task.type):
            return Result(Done.DELETED)
        return _result(Done.DISABLED, id, reply)

    def _deactivate(self, id: str) -> Reply:
        path = self.path(core.USER.name, id)
        if self.patch:
            reply = self.remote.send("PATCH", path, patch([{"op": "replace", "path": "active", "value": False}]))
            if reply.status not in _NO_METHOD:
                return reply
            self.patch = False
        present = self.remote.get(path)
        if not present.fine or present.body is None:
            return present
        rest = {name: value for name, value in present.body.items() if name not in ("meta", "groups", "password")}
        return self.remote.send("PUT", path, {**rest, "active": False})

    def _delete(self, task: Task, id: str) -> Result:
        if task.was_active and task.type == core.USER.name:
            # Servers end sessions then; what it answers is no reason not to delete.
            self._deactivate(id)
        reply = self.remote.send("DELETE", self.path(task.type, id))
        if reply.status in _GONE:
            self.check_missing(task.type)
        elif not reply.fine:
            return Result(Done.REFUSED, id, reply.reason)
        return Result(Done.DELETED)


def patch(operations: list[dict[str, Json]]) -> dict[str, Json]:
    """The body of a PATCH."""
    return {"schemas": [PATCH_URN], "Operations": operations}


def _result(done: Done, remote_id: str | None, reply: Reply, *, anew: bool = False) -> Result:
    if reply.fine:
        return Result(done, remote_id, anew=anew)
    return Result(Done.REFUSED, remote_id, reply.reason)
