"""What happened to users and groups, announced to the application that embeds scimlite, when it is durable.

Receivers get the app's slug as the sender, and by keyword: `app` (the slug), `request_id`, and
- user signals: `user_id` and `profile`, with the names of groups; of somebody who is deleted the last one;
- `group_changed`: `group_id`, `profile`, and `change`: created, updated, members, deleted or restored;
- member signals: `user_id`, `profile`, `group_id`, `group_profile`.

`user_created` is also sent for users who are restored or revived: the application gets somebody whom it has not.
A receiver that fails is logged; neither the request nor the other receivers notice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from blinker import Signal

from ..apps import App
from ..db import Database
from ..directory import profiles
from ..journal import Action, Entry, Origin, Outcome
from ..scim import core

_log = logging.getLogger("scimlite.error")

user_created = Signal("A user was created, restored or revived.")
user_updated = Signal("A user was changed.")
user_disabled = Signal("A user may no longer use the application.")
user_enabled = Signal("A user may use the application again.")
user_deleted = Signal("A user was deleted or deprovisioned.")
group_changed = Signal("A group was created, changed, deleted or restored.")
member_added = Signal("A user came into a group.")
member_removed = Signal("A user left a group.")

_OF_USERS = {
    Action.CREATED: user_created,
    Action.RESTORED: user_created,
    Action.UPDATED: user_updated,
    Action.DISABLED: user_disabled,
    Action.ENABLED: user_enabled,
    Action.DELETED: user_deleted,
}
_OF_MEMBERS = {Action.MEMBER_ADDED: member_added, Action.MEMBER_REMOVED: member_removed}
_EVERY = (*_OF_USERS.values(), *_OF_MEMBERS.values(), group_changed)


def announce(db: Database, app: App, origin: Origin, entries: Sequence[Entry]) -> None:
    """Announce what journal entries say was done, when the caller's transaction is durable."""
    # Nothing is looked up for nobody.
    if not any(signal.receivers for signal in _EVERY):
        return
    done = [each for each in entries if each.outcome == Outcome.OK]
    db.on_commit(partial(_send_all, db, app, origin, done))


def _send_all(db: Database, app: App, origin: Origin, entries: Sequence[Entry]) -> None:
    users = profiles.read(db, app, app.resource_types[core.USER.endpoint], _ids(each.user for each in entries))
    groups = profiles.read(db, app, app.resource_types[core.GROUP.endpoint], _ids(each.group for each in entries))
    for entry in entries:
        common: dict[str, Any] = {"app": app.slug, "request_id": origin.request_id}
        user, group = (pair[0] if pair else None for pair in (entry.user, entry.group))
        member = _OF_MEMBERS.get(entry.action)
        if user is not None:
            common |= {"user_id": user, "profile": users.get(user)}
        if member is not None and user is not None and group is not None:
            _send(member, **common, group_id=group, group_profile=groups.get(group))
        elif user is not None and entry.action in _OF_USERS:
            _send(_OF_USERS[entry.action], **common)
        elif group is not None:
            change = "members" if member is not None else entry.action.value
            _send(group_changed, **common, group_id=group, profile=groups.get(group), change=change)


def _ids(pairs: Any) -> list[str]:
    return sorted({pair[0] for pair in pairs if pair and pair[0]})


def _send(signal: Signal, *, app: str, **what: Any) -> None:
    for receiver in signal.receivers_for(app):
        try:
            receiver(app, app=app, **what)
        except Exception:
            name = getattr(receiver, "__qualname__", repr(receiver))
            _log.exception("request=%s the receiver %s failed", what.get("request_id"), name)
