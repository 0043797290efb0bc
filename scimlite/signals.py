"""The signals that an embedding application connects its receivers to; `scimlite.events.signals` sends them."""

from .events.signals import (
    group_changed,
    member_added,
    member_removed,
    user_created,
    user_deleted,
    user_disabled,
    user_enabled,
    user_updated,
)

__all__ = [
    "group_changed",
    "member_added",
    "member_removed",
    "user_created",
    "user_deleted",
    "user_disabled",
    "user_enabled",
    "user_updated",
]
