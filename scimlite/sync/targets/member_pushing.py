"""Pushes members of a group to a target, so many in a request. Threads run it; it touches no database."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...scim import core
from .memberships import Member, Step
from .pushing import WHOLE_GROUPS, Pusher, patch
from .remote import Reply, StoppedError, TroubleError

_MISSING = 404
_NO_METHOD = (405, 501)


@dataclass(slots=True)
class MemberResult:
    """How a step went."""

    #: Those whom the group has now, or has not any more.
    settled: list[Member] = field(default_factory=list)
    #: Those who are not at the target any more.
    missing: list[Member] = field(default_factory=list)
    #: Why others are refused; the last reason.
    reason: str | None = None
    #: True when the group is not at the target any more.
    group_missing: bool = False
    trouble: bool = False
    stop: bool = False
    wait: float = 0.0


def push(pusher: Pusher, remote_id: str, step: Step) -> MemberResult:
    """Adds members to a group, or removes them from it."""
    result = MemberResult()
    try:
        _push(pusher, remote_id, step, result)
    except StoppedError as error:
        result.stop, result.wait, result.reason = True, error.wait, str(error)
    except TroubleError as error:
        result.trouble, result.reason = True, str(error)
    return result


def _push(pusher: Pusher, remote_id: str, step: Step, result: MemberResult) -> None:
    path = pusher.path(core.GROUP.name, remote_id)
    reply = _send(pusher, path, step.members, adds=step.adds)
    if reply.fine:
        result.settled += step.members
        return
    if reply.status == _MISSING and pusher.remote.get(path).status == _MISSING:
        pusher.check_missing(core.GROUP.name)
        result.group_missing = True
        return
    # One of them may be at fault: each by itself.
    for member in step.members:
        alone = reply if len(step.members) == 1 else _send(pusher, path, [member], adds=step.adds)
        if alone.fine or _was_no_member(alone, adds=step.adds):
            result.settled.append(member)
        elif step.adds and _is_missing(pusher, member):
            result.missing.append(member)
        else:
            result.reason = f"the member {member.remote_id}: {alone.reason}"


def _send(pusher: Pusher, path: str, members: list[Member], *, adds: bool) -> Reply:
    if adds:
        operations = [{"op": "add", "path": "members", "value": [{"value": each.remote_id} for each in members]}]
    else:
        # By a filter, as RFC 7644 has it: a path alone removes everybody.
        operations = [{"op": "remove", "path": f'members[value eq "{_quoted(each.remote_id)}"]'} for each in members]
    reply = pusher.remote.send("PATCH", path, patch(operations))
    if reply.status in _NO_METHOD:
        pusher.patch = False
        raise StoppedError(WHOLE_GROUPS)
    return reply


def _was_no_member(reply: Reply, *, adds: bool) -> bool:
    return not adds and reply.scim_type == "notarget"


def _is_missing(pusher: Pusher, member: Member) -> bool:
    """True when neither a user nor a group has the id at the target."""
    types = (core.USER.name, core.GROUP.name)
    pusher.check_missing(core.USER.name)
    return all(pusher.remote.get(pusher.path(type, member.remote_id)).status == _MISSING for type in types)


def _quoted(id: str) -> str:
    return id.replace("\\", "\\\\").replace('"', '\\"')
