"""Entries of the journal in words: what the report, a user's story and explanations have in common."""

from __future__ import annotations

from typing import Any

from scimlite.journal import Action, Outcome
from scimlite.journal.report import Record

from .output import visible

#: A value longer than this is cut; JSON and CSV have all of it.
_LONGEST_VALUE = 80


def who(row: Record) -> str:
    """The person; for what happened to a group as a whole, the group; for an operator's act, nobody."""
    return visible(row.user or row.user_id or ("" if _is_membership(row) else row.group or row.group_id) or "")


def _is_membership(row: Record) -> bool:
    return row.action in (Action.MEMBER_ADDED, Action.MEMBER_REMOVED)


def what(row: Record) -> str:
    """What happened, in words: the group joined or left, attributes that changed, why it was refused."""
    lines = [row.group] if row.group and (row.user or row.user_id or _is_membership(row)) else []
    lines += [_change(path, *change) for path, change in row.changes.items()]
    if row.detail:
        lines.append(row.detail)
    if row.outcome != Outcome.OK:
        # One sentence with what to look for in the logs, the client's included.
        status = f" ({row.status})" if (row.status or 0) >= 400 else ""
        request = f" (request {row.request_id})" if row.request_id else ""
        lines = [f"{row.outcome}{status}: {': '.join(lines)}{request}"]
    elif row.client and row.client.startswith("cli:"):
        lines = [", ".join([*lines, f"by {row.client}"])]
    return "\n".join(map(visible, lines))


def _change(path: str, before: Any, after: Any) -> str:
    """One attribute's change: `title: Dr → Prof`."""
    name = path.rsplit(":", 1)[-1]
    if before is None:
        return f"{name} set to {_value(after)}"
    if after is None:
        return f"{name} removed, was {_value(before)}"
    return f"{name}: {_value(before)} → {_value(after)}"


def _value(value: Any) -> str:
    """A value in words, cut when long."""
    text = _spelled(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(_spelled, value)) or "nothing"
    if isinstance(value, dict):
        kind = value.get("type")
        plain = value.get("value") or value.get("formatted") or value.get("display")
        if isinstance(plain, str):
            return f"{plain} ({kind})" if isinstance(kind, str) else plain
        return ", ".join(f"{name} {_spelled(each)}" for name, each in value.items())
    return str(value) if value != "" else '""'


#: What happened to a user, as the middle of a sentence.
_STORY = {
    Action.CREATED: "was created",
    Action.UPDATED: "was changed",
    Action.DISABLED: "was disabled",
    Action.ENABLED: "was enabled",
    Action.DELETED: "was deleted",
    Action.RESTORED: "was restored",
    Action.PURGED: "was purged",
    Action.ERASED: "was erased",
    Action.MEMBER_ADDED: "joined",
    Action.MEMBER_REMOVED: "left",
    Action.TOKEN_ISSUED: "was given a token",
}
#: What was tried, when it was refused.
_TRIED = {
    Action.CREATED: "creating",
    Action.UPDATED: "changing",
    Action.DELETED: "deleting",
    Action.MEMBER_ADDED: "joining",
    Action.MEMBER_REMOVED: "leaving",
}


def story(row: Record) -> str:
    """A row of a user's life as a sentence without its subject: `was changed: title: Dr → Prof`."""
    action = Action(row.action)
    group = row.group or row.group_id
    where = f" the group {group}" if group and _is_membership(row) else ""
    if row.outcome != Outcome.OK:
        status = f" ({row.status})" if (row.status or 0) >= 400 else ""
        return visible(
            f"{_TRIED.get(action, row.action)}{where} was {row.outcome}{status}: {row.detail or 'no reason'}"
        )
    told = [_change(path, *change) for path, change in row.changes.items()]
    told += [row.detail] if row.detail else []
    return visible(f"{_STORY.get(action, row.action)}{where}" + (f": {', '.join(told)}" if told else ""))


def by(row: Record) -> str:
    """Who did it: client and token, or the operator."""
    return visible(" / ".join(filter(None, [row.client, row.token])))
