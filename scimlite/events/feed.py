"""The feed: an app's events in an order that loses none, read from the journal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..apps.workspace import Workspace
from ..db import feed_order
from ..db.feed_order import BEGINNING, FeedEntry, Place, Stretch
from ..directory import profiles
from ..directory.profiles import Profile
from ..scim import core
from . import cursors, epoch
from .cursors import Walk
from .document import Event, State, event, state
from .types import type_of

#: Where `after` begins with what is kept.
START = "start"
#: Stretches that are looked at for one page, where most entries are of other types or of other apps.
_MOST_STRETCHES = 4


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order; the place and the cursor of what follows, and whether more of it may be there already."""

    events: list[Event]
    end: Place
    cursor: str
    more: bool


def place_of(workspace: Workspace, after: str | None) -> Place:
    """The place that `after` says: a cursor, `start` for the oldest event that is kept, None for now.

    Raises InvalidCursor and CursorExpired.
    """
    if after is None:
        return feed_order.end(workspace.db)
    if after == START:
        return BEGINNING
    return cursors.from_text(after, workspace.app.id, epoch.current(workspace.db))


def cursor_of(workspace: Workspace, place: Place) -> str:
    """The cursor of a place in the present epoch."""
    return cursors.to_text(workspace.app.id, epoch.current(workspace.db).epoch, place)


def walk_from(workspace: Workspace, after: str | None) -> Walk:
    """Where a page of all users or groups begins: behind the one of a cursor, or with the first, None.

    Whoever goes on from its place in the feed, once the last page is read, has missed nothing. Raises InvalidCursor and
    CursorExpired.
    """
    if after is None:
        return Walk(feed_order.end(workspace.db), 0)
    return cursors.walk_from_text(after, workspace.app.id, epoch.current(workspace.db))


def walk_cursor(workspace: Workspace, place: Place, row: int) -> str:
    """The cursor of the page behind a row, for a walk that began at a place."""
    return cursors.walk_to_text(workspace.app.id, epoch.current(workspace.db).epoch, Walk(place, row))


def follow(workspace: Workspace, after: str, limit: int, types: Collection[str] = ()) -> Page:
    """The page behind a cursor, or behind `start`. Raises InvalidCursor and CursorExpired.

    The epoch is read once: when a new one begins meanwhile, the page's own cursor is void, and nothing is passed over.
    """
    feed = epoch.current(workspace.db)
    place = BEGINNING if after == START else cursors.from_text(after, workspace.app.id, feed)
    return _page(workspace, place, limit, types, feed.epoch)


def read(workspace: Workspace, after: Place, limit: int, types: Collection[str] = ()) -> Page:
    """Up to `limit` events behind a place of the present epoch, of some types or of all.

    A page may be short although there are more: it says so, and how far it looked.
    """
    return _page(workspace, after, limit, types, epoch.current(workspace.db).epoch)


def _page(workspace: Workspace, after: Place, limit: int, types: Collection[str], number: int) -> Page:
    found = told_entries(workspace, after, limit, types)
    cursor = cursors.to_text(workspace.app.id, number, found.end)
    return Page(events(workspace, found.entries, number), found.end, cursor, found.more)


def told_entries(workspace: Workspace, after: Place, limit: int, types: Collection[str] = ()) -> Stretch:
    """Up to `limit` entries behind a place that make events of some types, or of all."""
    found: list[FeedEntry] = []
    end, more = after, True
    for _ in range(_MOST_STRETCHES):
        stretch = feed_order.stretch(workspace.db, workspace.app.id, end, limit - len(found))
        found += [entry for entry in stretch.entries if _is_told(entry, types)]
        end, more = stretch.end, stretch.more
        if not more or len(found) >= limit:
            break
    return Stretch(found, end, more)


def events(workspace: Workspace, entries: Sequence[FeedEntry], number: int) -> list[Event]:
    """The events of entries in an epoch, with the present states of whom they are about.

    Entries that make no event are left out.
    """
    users = _profiles(workspace, core.USER.endpoint, {entry.user_uuid for entry in entries})
    groups = _profiles(workspace, core.GROUP.endpoint, {entry.group_uuid for entry in entries})
    told = []
    for entry in entries:
        name = type_of(entry.action, entry.user_uuid, entry.group_uuid)
        if name is not None:
            user = _state(entry.user_uuid, users, of_user=True)
            group = _state(entry.group_uuid, groups, of_user=False)
            told.append(event(name, entry, number, workspace.app.slug, user, group))
    return told


def _is_told(entry: FeedEntry, types: Collection[str]) -> bool:
    name = type_of(entry.action, entry.user_uuid, entry.group_uuid)
    return name is not None and (not types or name in types)


def _profiles(workspace: Workspace, endpoint: str, ids: set[str | None]) -> dict[str, Profile]:
    wanted = sorted(id for id in ids if id)
    if not wanted:
        return {}
    resource_type = workspace.app.resource_types[endpoint]
    return {profile.id: profile for profile in profiles.by_ids(workspace, resource_type, wanted)}


def _state(id: str | None, kept: dict[str, Profile], *, of_user: bool) -> State | None:
    return state(id, kept.get(id), of_user=of_user) if id else None
