"""Words for operators: journal entries, brakes and remedies as text, the same in commands and console."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import Remedy
from ..journal import Action, Outcome
from ..journal.origin import CONNECTION_TEST, CONSOLE_OPERATORS, OPERATORS, SETUP_LINKS, Actor
from ..journal.report import Record
from ..visible_text import visible as visible

if TYPE_CHECKING:
    from ..apps import App
    from ..directory.brakes import Brake

#: How the names of those begin who are no clients.
_OPERATORS = (OPERATORS, CONSOLE_OPERATORS, SETUP_LINKS)
#: A value longer than this is cut; JSON and CSV have all of it.
_LONGEST_VALUE = 80
#: Of a headline: how many changes it has, and its characters.
_MOST_IN_HEADLINE, _LONGEST_HEADLINE = 2, 160
#: An action on a user as the middle of a sentence.
_PREDICATES = {
    Action.CREATED: "was created",
    Action.UPDATED: "was changed",
    Action.DISABLED: "was disabled",
    Action.ENABLED: "was enabled",
    Action.DELETED: "was deleted",
    Action.RESTORED: "was restored",
    Action.PURGED: "was purged",
    Action.ERASED: "was erased",
    Action.EXPORTED: "was exported, with all that is kept",
    Action.MEMBER_ADDED: "joined",
    Action.MEMBER_REMOVED: "left",
    Action.TOKEN_ISSUED: "was given a token",
}
#: An action that was refused, as the beginning of a sentence.
_ATTEMPTS = {
    Action.CREATED: "creating",
    Action.UPDATED: "changing",
    Action.DELETED: "deleting",
    Action.MEMBER_ADDED: "joining",
    Action.MEMBER_REMOVED: "leaving",
    Action.TARGET_PARKED: "pushing",
}


# --- entries of the journal ---------------------------------------------------------------------------------------


def subject_of(record: Record) -> str:
    """Returns the person that an entry is about; the group when it is about a whole group; else an empty text."""
    group = "" if _is_membership(record) else record.group or record.group_id
    return visible(record.user or record.user_id or group or "")


def _is_membership(record: Record) -> bool:
    return record.action in (Action.MEMBER_ADDED, Action.MEMBER_REMOVED)


#: Kinds of actors who are named with what they did: a client is who it always is.
_NAMED = (Actor.CLI, Actor.CONSOLE, Actor.SETUP, Actor.APP_TEST, Actor.SOURCE)


def description_of(record: Record) -> str:
    """Returns the facts of an entry, one a line: the group of a membership, changed attributes, a refusal's reason."""
    lines = [record.group] if record.group and (record.user or record.user_id or _is_membership(record)) else []
    lines += [_change(path, *change) for path, change in record.changes.items()]
    if record.detail:
        lines.append(record.detail)
    if record.outcome != Outcome.OK:
        # One sentence with the request id to look for in the logs, the client's included.
        request = f" (request {record.request_id})" if record.request_id else ""
        lines = [f"{record.outcome}{_status(record)}: {': '.join(lines)}{request}"]
    elif record.client and record.actor in _NAMED:
        lines = [", ".join([*lines, f"by {record.client}"])]
    lines += confirmations_of(record)
    return "\n".join(map(visible, lines))


def confirmations_of(record: Record) -> list[str]:
    """Returns which webhooks' receivers confirmed an entry, and when: `confirmed by webhook crm 12:00:03 (2 tries)`."""
    return [
        f"confirmed by webhook {each.webhook} {datetime.fromtimestamp(each.at / 1e6).astimezone():%H:%M:%S}"
        + (f" ({each.attempts} tries)" if each.attempts > 1 else "")
        for each in record.confirmations
    ]


def headline_of(record: Record) -> str:
    """Returns the facts of an entry on one line: the group of a membership, the first changes, the reason."""
    group = record.group or record.group_id
    facts = [group] if group and _is_membership(record) else []
    facts += [_change(path, *change) for path, change in list(record.changes.items())[:_MOST_IN_HEADLINE]]
    more = len(record.changes) - _MOST_IN_HEADLINE
    facts += [f"{more} more"] if more > 0 else []
    facts += [record.detail] if record.detail else []
    return visible(_short(", ".join(facts), _LONGEST_HEADLINE))


def sentence_about(record: Record) -> str:
    """Returns an entry of a user's history as a sentence without its subject: `was changed: title: Dr → Prof`."""
    action = Action(record.action)
    group = record.group or record.group_id
    place = f" the group {group}" if group and _is_membership(record) else ""
    if record.outcome != Outcome.OK:
        attempt = _ATTEMPTS.get(action, record.action)
        reason = record.detail or "no reason"
        return visible(f"{attempt}{place} was {record.outcome}{_status(record)}: {reason}")
    facts = [_change(path, *change) for path, change in record.changes.items()]
    facts += [record.detail] if record.detail else []
    return visible(f"{_PREDICATES.get(action, record.action)}{place}" + (f": {', '.join(facts)}" if facts else ""))


def actor_of(record: Record) -> str:
    """Returns the client and the token that made an entry, or the operator; a client that poses as one is named so."""
    client = record.client
    if client and record.actor == Actor.SCIM and (client.startswith(_OPERATORS) or client == CONNECTION_TEST):
        client = f"a client that calls itself {client}"
    return visible(" / ".join(filter(None, [client, record.token])))


def operator_of(record: Record) -> str:
    """Returns the users of the operating system behind a command; empty for any other entry."""
    if record.uid is None:
        return ""
    return f"uid {record.uid}" + (f", by sudo from uid {record.sudo_uid}" if record.sudo_uid is not None else "")


def _status(record: Record) -> str:
    return f" ({record.status})" if (record.status or 0) >= 400 else ""


def _change(path: str, before: Any, after: Any) -> str:
    """Returns one attribute's change: `title: Dr → Prof`."""
    name = path.rsplit(":", 1)[-1]
    if before is None:
        return f"{name} set to {_cut(after)}"
    if after is None:
        return f"{name} removed, was {_cut(before)}"
    return f"{name}: {_cut(before)} → {_cut(after)}"


def _cut(value: Any) -> str:
    """Returns a value as text, cut when it is long."""
    return _short(spelled(value), _LONGEST_VALUE)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def spelled(value: Any) -> str:
    """Returns the value of an attribute as words: true, nothing, `jo@example.com (work)`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(spelled, value)) or "nothing"
    if isinstance(value, dict):
        kind = value.get("type")
        plain = value.get("value") or value.get("formatted") or value.get("display")
        if isinstance(plain, str):
            return f"{plain} ({kind})" if isinstance(kind, str) else plain
        return ", ".join(f"{name} {spelled(inner)}" for name, inner in value.items())
    return str(value) if value != "" else '""'


# --- brakes -------------------------------------------------------------------------------------------------------


def wording_of_brake(app: App, brake: Brake, tripped_at: str) -> str:
    """Returns whether a brake is on, what trips it, and how near it is; `tripped_at` is that time as text."""
    # Imported here, because few commands show brakes.
    from ..directory.departures import USERS

    if brake.tripped_at is not None:
        state = f"HOLDS since {tripped_at}: {brake.reason}. Release: scimlite app release {app.slug}"
        return state if brake.limits.on else f"{state}. It is off now, so it lets everything through."
    if not brake.limits.on:
        return "off"
    act = "disabled or deleted" if brake.kind == USERS else "removed from groups"
    condition = f"trips when {_condition(brake)} are {act} within {app.settings.spelled()['brake_window']}"
    if not brake.can_trip:
        active = max(brake.active_before, brake.active_now)
        users = "active user" if active == 1 else "active users"
        return f"{condition}; it cannot trip, because the app has only {active:,} {users}"
    count = f"{condition}; so far {brake.counted:,} of {brake.active_before:,}"
    # Newcomers are worth a word once some went, or when nobody else could trip the brake.
    if brake.newcomers or (brake.kind == USERS and not brake.active_before):
        count += f", and {brake.newcomers:,} newcomers of {brake.active_now:,}"
    return count


def _condition(brake: Brake) -> str:
    """Returns how many users trip the brake."""
    number, percent = brake.limits.number, brake.limits.percent
    share = f"more than {percent} % of the users active before"
    if number is None:
        return share
    return f"more than {number:,} users" + (f" and {share}" if percent is not None else "")


# --- remedies -----------------------------------------------------------------------------------------------------


def wording_of_remedy(remedy: Remedy | str | None) -> str | None:
    """Returns a remedy as a command line or the name of a setting; None without one.

    A text is a command line already: an older version stored it.
    """
    if not isinstance(remedy, Remedy):
        return remedy
    if remedy.feature is not None:
        command = f"scimlite app edit {remedy.app} --feature {remedy.feature}={remedy.value}"
        return f"{command}, or scimlite schema add to declare it" if remedy.declare else command
    if remedy.setting is not None:
        return f"the setting {remedy.setting}"
    if remedy.optional_target is not None:
        return f"scimlite mapping set --app {remedy.app} {remedy.optional_target} --optional"
    if remedy.free_value:
        return "rename or delete the resource that has the value now"
    return f"scimlite app release {remedy.app}"
