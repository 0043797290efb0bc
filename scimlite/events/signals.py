"""Signals, which announce changes of users and groups to the application that embeds scimlite.

A signal is sent when the change is durable, in the process that made the change. Receivers get the app's slug as the
sender, and by keyword `app` (the slug), `request_id`, and
- user signals: `user_id` and `profile`, with the names of groups; the profile is the last one for a deleted user, and
  None for a purged or erased user;
- `group_changed`: `group_id`, `profile`, and `change`: created, updated, members, deleted, restored or purged;
- member signals: `user_id`, `profile`, `group_id`, `group_profile`;
- `app_changed`: `change`: created, edited, enabled, disabled, deleted, schema_declared, schema_removed, mapping_edited,
  brake_tripped or released.

`user_created` is also sent for users who are restored or revived, because the application does not have them.
Erasing a person sends `user_deleted` and `user_erased`. Acts on tokens and the pruning of the journal send no signal.
An exception in a receiver is logged; the request and the other receivers go on.

The module observes the journal from its import on, so that it sees every entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from blinker import Signal

from .. import journal
from ..apps.workspace import Workspace
from ..directory import profiles
from ..journal import Action, Entry, Outcome, Scope
from ..redaction import error_log
from ..scim import core

user_created = Signal("A user was created, restored or revived.")
user_updated = Signal("A user was changed.")
user_disabled = Signal("A user was disabled and may not use the application.")
user_enabled = Signal("A user was enabled and may use the application again.")
user_deleted = Signal("A user was deleted or deprovisioned.")
group_changed = Signal("A group was created, changed, deleted or restored.")
member_added = Signal("A user was added to a group.")
member_removed = Signal("A user was removed from a group.")
user_purged = Signal("A deleted user was purged and cannot be restored.")
user_erased = Signal("A person was erased: the application should delete its data about the person too.")
app_changed = Signal("An operator changed an app, or a brake tripped.")

_OF_USERS = {
    Action.CREATED: (user_created,),
    Action.RESTORED: (user_created,),
    Action.UPDATED: (user_updated,),
    Action.DISABLED: (user_disabled,),
    Action.ENABLED: (user_enabled,),
    Action.DELETED: (user_deleted,),
    Action.PURGED: (user_purged,),
    # The person may have been a living user, so an application that listens to deletions only must hear of it.
    Action.ERASED: (user_deleted, user_erased),
}
_OF_MEMBERS = {Action.MEMBER_ADDED: member_added, Action.MEMBER_REMOVED: member_removed}
#: Action to the keyword `change` of `app_changed`.
_OF_APPS = {
    Action.APP_CREATED: "created",
    Action.APP_EDITED: "edited",
    Action.APP_ENABLED: "enabled",
    Action.APP_DISABLED: "disabled",
    Action.APP_DELETED: "deleted",
    Action.SCHEMA_DECLARED: "schema_declared",
    Action.SCHEMA_REMOVED: "schema_removed",
    Action.MAPPING_EDITED: "mapping_edited",
    Action.BRAKE_TRIPPED: "brake_tripped",
    Action.RELEASED: "released",
}
_EVERY = (
    user_created,
    user_updated,
    user_disabled,
    user_enabled,
    user_deleted,
    user_purged,
    user_erased,
    group_changed,
    member_added,
    member_removed,
    app_changed,
)


def announce(scope: Scope, entries: Sequence[Entry]) -> None:
    """Sends the signals of journal entries about acts that were done, when the caller's transaction is durable."""
    # Without receivers no profile is read.
    if isinstance(scope, Workspace) and any(signal.receivers for signal in _EVERY):
        scope.db.on_commit(partial(_send_all, scope, [entry for entry in entries if entry.outcome == Outcome.OK]))


journal.observe(announce)


def _send_all(workspace: Workspace, entries: Sequence[Entry]) -> None:
    types = workspace.app.resource_types
    users = profiles.read(workspace, types[core.USER.endpoint], _ids(entry.user for entry in entries))
    groups = profiles.read(workspace, types[core.GROUP.endpoint], _ids(entry.group for entry in entries))
    for entry in entries:
        common: dict[str, Any] = {"app": workspace.app.slug, "request_id": workspace.origin.request_id}
        user, group = (pair[0] if pair else None for pair in (entry.user, entry.group))
        if user is not None:
            common |= {"user_id": user, "profile": users.get(user)}
        if entry.action in _OF_APPS:
            _send(app_changed, **common, change=_OF_APPS[entry.action])
        elif entry.action in _OF_MEMBERS and user is not None and group is not None:
            _send(_OF_MEMBERS[entry.action], **common, group_id=group, group_profile=groups.get(group))
        elif user is not None:
            for signal in _OF_USERS.get(entry.action, ()):
                _send(signal, **common)
        elif group is not None:
            change = "members" if entry.action in _OF_MEMBERS else entry.action.value
            _send(group_changed, **common, group_id=group, profile=groups.get(group), change=change)


def _ids(pairs: Any) -> list[str]:
    return sorted({pair[0] for pair in pairs if pair and pair[0]})


def _send(signal: Signal, *, app: str, **arguments: Any) -> None:
    for receiver in signal.receivers_for(app):
        try:
            receiver(app, app=app, **arguments)
        except Exception:
            name = getattr(receiver, "__qualname__", repr(receiver))
            error_log.exception("request=%s the receiver %s failed", arguments.get("request_id"), name)
