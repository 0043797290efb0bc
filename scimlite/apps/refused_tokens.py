"""Why tokens are refused: a cause for the operator's log and counts, which no client is told."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from .. import clock
from ..db import Database, DatabaseError
from ..db.tables import AppRow
from ..errors import ScimError
from ..journal import tallies
from ..worded import Worded

#: Seconds between two looks at the apps for a slug that is not among them. A flood of requests without a valid token
#: costs one SELECT in that time, and no write.
LOOK_EVERY = 1.0
#: Seconds after which the slugs are read again.
_KNOWN_FOR = 5.0


#: Addresses that a process counts by themselves for an app and a day, and the name for all others.
MOST_ADDRESSES = 100
OTHER_ADDRESSES = "others"
#: The name for a client without an address, such as one at a Unix socket.
NO_ADDRESS = "-"


class Cause(Worded):
    """A cause, with its words; the text is what the log and the counts show."""

    MISSING = "missing", "no token came"
    NOT_BEARER = "not-bearer", 'the Authorization header does not begin with "Bearer"'
    MALFORMED = "malformed", "cut off, or no token of scimlite at all"
    BAD_SIGNATURE = "bad-signature", "mistyped, or signed with another secret key"
    UNKNOWN = "unknown", "signed here, and not in this database: its app was deleted, or it is of another database"
    WRONG_APP = "wrong-app", "of another app than the one in the address"
    REVOKED = "revoked", "revoked"
    EXPIRED = "expired", "expired"
    APP_DISABLED = "app-disabled", "the app is disabled"
    ONE_USER = "one-user", "issued for one user, and used for more than /Me"
    READER = "reader", "the application's, used at the SCIM endpoint"
    NO_READER = "no-reader", "an identity provider's, used where the application reads"


class _Slugs:
    """The ids of the apps of a database by slug, read now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: dict[str, int] = {}
        self._read_at = float("-inf")

    def id(self, db: Database, slug: str) -> int | None:
        with self._lock:
            age = time.monotonic() - self._read_at
            if age >= (_KNOWN_FOR if slug in self._ids else LOOK_EVERY):
                self._read_at = time.monotonic()
                rows: list[Any] = db.rows(AppRow.select(AppRow.slug, AppRow.id))
                self._ids = dict(rows)
            return self._ids.get(slug)


_slugs: dict[Database, _Slugs] = {}


def key_of(db: Database, slug: str) -> int | None:
    """Returns the key of the app with a slug that a client wrote; None when there is none, or no database."""
    # The database is away: the request is refused all the same, and not counted.
    with suppress(ScimError, DatabaseError):
        return _slugs.setdefault(db, _Slugs()).id(db, slug)
    return None


class _Addresses:
    """The addresses that this process counts for each app today; whoever has many of them fills no database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._day = 0
        self._known: dict[tuple[Database, int], set[str]] = {}

    def name(self, db: Database, app_id: int, address: str) -> str:
        """Returns an address, or OTHER_ADDRESSES when it is one too many."""
        with self._lock:
            if (today := clock.now() // clock.DAY) != self._day:
                self._day, self._known = today, {}
            known = self._known.setdefault((db, app_id), set())
            if address not in known and len(known) >= MOST_ADDRESSES:
                return OTHER_ADDRESSES
            known.add(address)
            return address


_addresses = _Addresses()


def count(db: Database, slug: str, cause: Cause, address: str) -> bool:
    """Counts a refused token for the app in a request's URL, in memory, by its cause and by the client's address.

    Returns False when there is no such app, and counts nothing then.
    """
    app_id = key_of(db, slug)
    if app_id is None:
        return False
    tallies.count(db, app_id, tallies.Kind.REFUSED_TOKEN, cause.value)
    tallies.count(db, app_id, tallies.Kind.REFUSED_ADDRESS, _addresses.name(db, app_id, address))
    return True


def words(name: str) -> str:
    """The words for a cause; its name when a newer version of scimlite counted it."""
    return next((cause.words for cause in Cause if cause == name), name)
