"""The types of events, and which entry of the journal makes which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import InvalidValue
from ..journal import Action
from ..suggestions import did_you_mean

_OF_USERS: Mapping[str, str] = {
    Action.CREATED: "user.created",
    Action.UPDATED: "user.updated",
    Action.DISABLED: "user.disabled",
    Action.ENABLED: "user.enabled",
    Action.DELETED: "user.deleted",
    Action.RESTORED: "user.restored",
    # The person may have been a living user. Who listens to deletions only must hear of it.
    Action.ERASED: "user.deleted",
    Action.MEMBER_ADDED: "group.member_added",
    Action.MEMBER_REMOVED: "group.member_removed",
}
_OF_GROUPS: Mapping[str, str] = {
    Action.CREATED: "group.created",
    Action.UPDATED: "group.updated",
    Action.DELETED: "group.deleted",
    Action.RESTORED: "group.restored",
    # Of a member that is no user.
    Action.MEMBER_ADDED: "group.updated",
    Action.MEMBER_REMOVED: "group.updated",
}
_OF_APPS: Mapping[str, str] = {
    Action.BRAKE_TRIPPED: "app.brake_tripped",
    Action.RELEASED: "app.released",
    Action.MAPPING_EDITED: "app.mapping_changed",
}

#: What a webhook is sent to be tried; no entry makes it.
TEST = "feed.test"
#: All types, in the order of the documentation.
TYPES: tuple[str, ...] = tuple(dict.fromkeys((*_OF_USERS.values(), *_OF_GROUPS.values(), *_OF_APPS.values(), TEST)))


def type_of(action: str, user: str | None, group: str | None) -> str | None:
    """The type of the event of a done entry, by its action and the ids in it.

    None when the application need not know.
    """
    if user is not None:
        return _OF_USERS.get(action)
    return _OF_GROUPS.get(action) if group is not None else _OF_APPS.get(action)


def chosen(names: Sequence[str]) -> frozenset[str]:
    """The types with these names. Raises InvalidValue naming one that there is not, and the one that was meant."""
    for name in names:
        if name not in TYPES:
            raise InvalidValue(
                f"There is no event type {name[:50]!r}.{did_you_mean(name, TYPES)} Types: {', '.join(TYPES)}."
            )
    return frozenset(names)
