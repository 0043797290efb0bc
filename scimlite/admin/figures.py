"""The state of an installation in figures: what `scimlite check` judges, and what is exported to monitoring."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peewee import SQL, fn

from .. import clock
from ..apps import App
from ..clock import DAY
from ..db import Database
from ..db.tables import BrakeRow, JournalRow
from ..directory import brakes
from ..journal import Outcome
from ..journal.origin import Actor
from . import source_state, target_state, tokens, webhook_state
from .contact import contact
from .tokens import Token
from .webhook_state import Status

#: Entries of an app that are read: 8 ms. After a cycle with more, the share of the newest that were refused counts.
MOST_ENTRIES = 5_000


@dataclass(frozen=True, slots=True)
class Tripped:
    """A brake that holds: its kind, since when in microseconds since 1970 UTC, and why, in words."""

    kind: str
    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class AppFigures:
    """One app; times are microseconds since 1970 UTC."""

    app: App
    #: When its client was last accepted; None when it never was.
    last_contact: int | None
    tripped: list[Tripped]
    #: Entries of clients in the last 24 hours, of MOST_ENTRIES the newest, and how many of them were refused or failed.
    entries: int
    refused: int
    #: The tokens that can be used now, and those that expired and were not revoked.
    tokens: list[Token]
    expired: list[Token]
    webhooks: list[Status]
    targets: list[target_state.Status]
    sources: list[source_state.Status]


@dataclass(frozen=True, slots=True)
class Space:
    """The room of a file system in bytes, as far as this user may have it."""

    free: int
    total: int

    @property
    def share(self) -> float:
        """The free share of it, from 0 to 1."""
        return self.free / self.total if self.total else 0.0


def of_apps(db: Database, apps: Sequence[App]) -> list[AppFigures]:
    """Returns the figures of apps; some five short queries for each."""
    return [_figures(db, app) for app in apps]


def _figures(db: Database, app: App) -> AppFigures:
    now = clock.now()
    entries, refused = _entries(db, app, now - DAY)
    issued = tokens.every(db, app)
    usable, expired = ([token for token in issued if token.state(now) == state] for state in ("active", "expired"))
    hooks = webhook_state.every(db, [app])
    pushed = target_state.every(db, [app])
    read = source_state.every(db, [app])
    connected = (hooks, pushed, read)
    return AppFigures(app, contact(db, app).last, _tripped(db, app), entries, refused, usable, expired, *connected)


def _entries(db: Database, app: App, since: int) -> tuple[int, int]:
    """The entries of clients since a time, and those that are not `ok`; of more than MOST_ENTRIES the newest."""
    newest = (
        JournalRow.select(JournalRow.outcome)
        .where(
            JournalRow.app_id == app.id,
            JournalRow.at >= since,
            JournalRow.request_id.is_null(False),
            JournalRow.actor == Actor.SCIM.value,
        )
        .order_by(JournalRow.at.desc())
        .limit(MOST_ENTRIES)
    )
    query = newest.select_from(newest.c.outcome, fn.COUNT(SQL("1"))).group_by(newest.c.outcome)
    counts = {outcome: int(count) for outcome, count in db.rows(query)}
    return sum(counts.values()), sum(count for outcome, count in counts.items() if outcome != Outcome.OK.value)


def _tripped(db: Database, app: App) -> list[Tripped]:
    query = BrakeRow.select(BrakeRow.kind, BrakeRow.tripped_at, BrakeRow.detail).where(
        BrakeRow.app_id == app.id, BrakeRow.tripped_at.is_null(False)
    )
    rows = db.rows(query.order_by(BrakeRow.kind))
    return [Tripped(kind, at, reason or "") for kind, at, reason in rows if brakes.limits(app.settings, kind).on]


def space(folder: Path) -> Space | None:
    """Returns the room of the file system that holds a folder; None when there is no such folder."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
