"""Counts again what a brake has counted ahead: how many more users may depart."""

from __future__ import annotations

from collections.abc import Iterator

from peewee import SQL, fn

from .. import clock
from ..apps import App
from ..db import Database
from ..db.tables import BrakeRow, ResourceRow
from ..directory import brakes, departures
from ..scim import core
from .check_findings import Kind, Problem

#: No count is above it.
_ALL = 2**62


def problems(db: Database, app: App) -> Iterator[Problem]:
    """What is wrong with the numbers of departures that the brakes of an app let through without counting."""
    row = BrakeRow
    query = row.select(row.kind, row.spare, row.spare_from, row.spare_until, row.released_at)
    kept = db.rows(query.where(row.app_id == app.id, row.spare.is_null(False), row.spare_version == app.version))
    for kind, spare, first, last, released_at in kept:
        limit = brakes.limits(app.settings, kind)
        if kind not in brakes.KINDS or not limit.on:
            continue
        since = max(clock.now() - limit.window, released_at or 0)
        most = _room(db, app, kind, since) if first <= since <= last else limit.most(_users(db, app))
        if spare > most:
            text = f"brake row {app.id}/{kind} of {app.slug}: spare: {spare} is too many, {most} may depart"
            yield Problem(Kind.BRAKES, text)


def _room(db: Database, app: App, kind: str, since: int) -> int:
    """How many more users may depart in a window, counted anew; a number that was counted ahead is never above it."""
    limit = brakes.limits(app.settings, kind)
    departed = departures.departed(db, app, kind, since, since)
    if kind == departures.MEMBERS:
        return limit.room(departed.before, 0)
    remaining = departures.still_active(db, app, since, [], _ALL)
    now = departures.active_with(db, app, since, departed.newcomers, [], _ALL)
    return min(limit.room(departed.before, departed.before + remaining), limit.room(departed.newcomers, now))


def _users(db: Database, app: App) -> int:
    of_app = (ResourceRow.app_id == app.id) & (ResourceRow.type == core.USER.name)
    return int(db.scalar(ResourceRow.select(fn.count(SQL("*"))).where(of_app)))
