"""The report as an operator asks for it: by an app's name, the newest entries, and entries as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import clock
from ..apps import App, AppError, ever, every
from ..db import Database
from ..journal import report
from ..journal.report import Record
from ..journal.selection import Selection
from ..scim import core
from ..suggestions import did_you_mean
from . import people

if TYPE_CHECKING:
    from ..directory.brakes import Brake

#: A transaction's entries appear when it ends, with times and ids from before that: a follower looks through the
#: entries of this long ago each time (microseconds).
_WINDOW = 5 * 60 * 1_000_000


def app_ids(db: Database, name: str) -> list[int]:
    """Returns the ids of the apps that have or had this slug or name. Raises AppError, with the apps there are."""
    ids = ever(db, name)
    if not ids:
        slugs = [app.slug for app in every(db)]
        listed = f"Apps: {', '.join(slugs[:10])}." if slugs else "There is no app now."
        raise AppError(f"There never was an app {name!r}.{did_you_mean(name, slugs)} {listed}")
    return ids


def entries(db: Database, selection: Selection, limit: int | None) -> Iterable[Record]:
    """Returns the newest `limit` entries of a selection, or all, oldest first."""
    return report.iterate(db, selection) if limit is None else report.read(db, selection, limit=limit)


def ever_seen(db: Database, user: str) -> bool:
    """True when a person has or had this id, externalId or userName: in an entry of the report, or as a stored user."""
    return bool(report.read(db, Selection(user=user), limit=1)) or bool(people.find(db, core.USER, every(db), user))


def brakes_of(db: Database, selection: Selection) -> list[tuple[App, Brake]]:
    """Returns the brakes of the selection's apps as they are now."""
    # Imported here, because only the summary shows brakes.
    from ..directory import brakes

    chosen = [app for app in every(db) if selection.app_ids is None or app.id in selection.app_ids]
    return [(app, brake) for app in chosen for brake in brakes.every(db, app)]


class Follower:
    """Finds the entries of a selection that are new since it last looked, each once.

    An entry whose transaction ended late has an older time and id than entries seen before it; it is found too, as
    long as the transaction took less than five minutes.
    """

    def __init__(self, db: Database, selection: Selection) -> None:
        self._db = db
        self._selection = selection
        self._began = clock.now() - _WINDOW
        #: Entry id to its time, of the entries that are not new any more.
        self._seen: dict[int, int] = {}

    def past(self, limit: int | None) -> Iterator[Record]:
        """Returns the newest `limit` entries there are, or all of them; other entries that are there are not new."""
        if limit is not None:
            self._seen = {entry.id: entry.at for entry in report.unseen(self._db, self._since(self._began), ())}
        for entry in entries(self._db, self._selection, limit) if limit != 0 else ():
            self._seen[entry.id] = entry.at
            yield entry

    def new(self) -> list[Record]:
        """Returns the new entries, oldest first. Raises Unavailable while the database is away."""
        horizon = max(self._began, clock.now() - _WINDOW)
        entries = report.unseen(self._db, self._since(horizon), self._seen)
        self._seen |= {entry.id: entry.at for entry in entries}
        self._seen = {id: at for id, at in self._seen.items() if at >= horizon}
        return entries

    def _since(self, at: int) -> Selection:
        return replace(self._selection, since=max(at, self._selection.since or 0))
