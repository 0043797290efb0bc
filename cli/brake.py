"""What brakes do, in words."""

from __future__ import annotations

from typing import Any

from scimlite.apps import App
from scimlite.directory.brakes import USERS, Brake

from .output import iso_time, local_time


def told(app: App, brake: Brake) -> str:
    """A brake as one or two sentences: whether it holds, when it would, and how near it is."""
    what = "disabled or deleted" if brake.kind == USERS else "removed from groups"
    if brake.tripped_at is not None:
        state = f"HOLDS since {local_time(brake.tripped_at)}: {brake.reason}. Release: scimlite app release {app.slug}"
        return state if brake.limits.on else f"{state}. It is off now, so it lets everything through."
    if not brake.limits.on:
        return "off"
    window = app.settings.spelled()["brake_window"]
    trips = f"trips when {_condition(brake)} are {what} within {window}"
    if not brake.can_trip:
        return f"{trips}; it cannot trip, because the app has only {brake.active_before:,} {_counting(brake)}"
    return f"{trips}; so far {brake.counted:,} of {brake.active_before:,}"


def _condition(brake: Brake) -> str:
    """Which users are too many."""
    number, percent = brake.limits.number, brake.limits.percent
    share = f"more than {percent} % of the users active before"
    if number is None:
        return share
    return f"more than {number:,} users" + (f" and {share}" if percent is not None else "")


def _counting(brake: Brake) -> str:
    return "active users" if brake.active_before != 1 else "active user"


def as_data(brake: Brake) -> dict[str, Any]:
    """A brake for programs."""
    return {
        "brake": brake.kind,
        "on": brake.limits.on,
        "holds": brake.tripped_at is not None and brake.limits.on,
        "tripped_at": iso_time(brake.tripped_at),
        "reason": brake.reason,
        "released_at": iso_time(brake.released_at),
        "counted": brake.counted,
        "active_before": brake.active_before,
        "can_trip": brake.limits.on and brake.can_trip,
    }
