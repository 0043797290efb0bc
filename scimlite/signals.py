"""The signals that an embedding application connects its receivers to; `scimlite.events.signals` sends them."""

from .events.signals import (
    app_changed,
    group_changed,
    member_added,
    member_removed,
    user_created,
    user_deleted,
    user_disabled,
    user_enabled,
    user_erased,
    user_purged,
    user_updated,
)

__all__ = [
    "app_changed",
    "group_changed",
    "member_added",
    "member_removed",
    "user_created",
    "user_deleted",
    "user_disabled",
    "user_enabled",
    "user_erased",
    "user_purged",
    "user_updated",
]
