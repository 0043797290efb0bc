"""Brakes in the output of `scimlite app show` and `scimlite report --summary`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scimlite.admin.wording import wording_of_brake

from .kit.columns import Column, Columns
from .kit.times import iso_time, spoken_time

if TYPE_CHECKING:
    from scimlite.apps import App
    from scimlite.directory.brakes import Brake

BRAKES: Columns[Brake] = Columns(
    Column("brake", value=lambda brake: brake.kind),
    Column("on", value=lambda brake: brake.limits.on),
    Column("holds", value=lambda brake: brake.tripped_at is not None and brake.limits.on),
    Column("tripped_at", value=lambda brake: iso_time(brake.tripped_at)),
    Column("reason", value=lambda brake: brake.reason),
    Column("released_at", value=lambda brake: iso_time(brake.released_at)),
    Column("counted", value=lambda brake: brake.counted),
    Column("active_before", value=lambda brake: brake.active_before),
    Column("newcomers", value=lambda brake: brake.newcomers),
    Column("active_now", value=lambda brake: brake.active_now),
    Column("can_trip", value=lambda brake: brake.limits.on and brake.can_trip),
)


def brake_text(app: App, brake: Brake) -> str:
    """Return a brake in words, with its times in the local time zone."""
    return wording_of_brake(app, brake, spoken_time(brake.tripped_at))
