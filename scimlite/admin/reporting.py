"""The report as an operator asks for it: by an app's name, the newest entries, and entries as they come."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import clock
from ..apps import App, AppError, ever, every
from ..db import Database
from ..db.tables import JournalRow
from ..errors import OperatorError
from ..journal import paging, report
from ..journal.report import Record
from ..journal.selection import Selection, parts
from ..scim import core
from ..suggestions import did_you_mean
from . import people

if TYPE_CHECKING:
    from ..directory.brakes import Brake

#: A transaction's entries appear when it ends, with times and ids from before that: a follower looks through the
#: entries of this long ago each time (microseconds).
_WINDOW = 5 * 60 * 1_000_000


#: Entries of a download, which is a file that a spreadsheet can open, and entries that are looked at for it.
MOST_DOWNLOADED, _MOST_LOOKED_AT = 50_000, 300_000


class TooLargeError(OperatorError):
    """A download would have more entries than it may have."""


def app_ids(db: Database, name: str, seen: Collection[int] | None = None) -> list[int]:
    """Returns the ids of the apps that have or had this slug or name, of those `seen`; None for all.

    Raises AppError, with the apps there are.
    """
    ids = [id for id in ever(db, name) if seen is None or id in seen]
    if not ids:
        slugs = [app.slug for app in every(db) if seen is None or app.id in seen]
        listed = f"Apps: {', '.join(slugs[:10])}." if slugs else "There is no app now."
        raise AppError(f"There never was an app {name!r}.{did_you_mean(name, slugs)} {listed}")
    return ids


def entries(db: Database, selection: Selection, limit: int | None) -> Iterable[Record]:
    """Returns the newest `limit` entries of a selection, or all, oldest first."""
    return report.iterate(db, selection) if limit is None else report.read(db, selection, limit=limit)


def ever_seen(db: Database, user: str, seen: Collection[int] | None = None) -> bool:
    """True when a person has or had this id, externalId or userName: in an entry of the report, or as a stored user.

    Looks in the apps with the ids `seen`; None for all.
    """
    app_ids = None if seen is None else sorted(seen)
    apps = [app for app in every(db) if seen is None or app.id in seen]
    entries = report.read(db, Selection(user=user, app_ids=app_ids), limit=1)
    return bool(entries) or bool(people.find(db, core.USER, apps, user))


def check_size(db: Database, selection: Selection) -> None:
    """Raises TooLargeError when a selection has more entries than a download may have, or is too dear to look for."""
    dear = paging.last_looked_at(db, selection, _MOST_LOOKED_AT)
    newest = JournalRow.select(JournalRow.at).order_by(JournalRow.at.desc(), JournalRow.id.desc())
    further = newest.limit(1).offset(MOST_DOWNLOADED)
    if dear is not None or any(db.rows(part) for part in parts(db, selection, further)):
        raise TooLargeError(
            f"These are more than {MOST_DOWNLOADED:,} entries, or so many have to be looked through. Sending them "
            "keeps a thread busy for minutes, which identity providers need. Choose a shorter time, or run the "
            "command, which has no limit."
        )


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
