"""Sign-ins that failed: after some of them, a name or an address has to wait."""

from __future__ import annotations

from functools import partial

from peewee import fn

from .. import clock, journal
from ..db import Database
from ..db.operator_tables import SignInAttemptRow
from ..errors import OperatorError
from ..journal import Action, Entry, Outcome, Scope
from ..scim.names import fold

#: Microseconds in which failures count.
_WINDOW = 15 * 60_000_000
#: Failures of one name from one address, of one address, and of one name, in that time. A whole office may share an
#: address, and nobody should keep an operator out by failing in their name from elsewhere.
_MOST_OF_A_PAIR = 5
_MOST_OF_AN_ADDRESS = 20
_MOST_OF_A_NAME = 50
_LONGEST = 100


class TooManyAttempts(OperatorError):
    """This name or this address has failed too often in the last minutes."""

    def __init__(self) -> None:
        super().__init__("There were too many sign-ins that failed. Try again in a quarter of an hour.")


def check(scope: Scope, name: str | None) -> None:
    """Raises TooManyAttempts when another sign-in may not be tried with this name, or from the origin's address."""
    since = clock.now() - _WINDOW
    for who, most in _counted(scope, name):
        query = SignInAttemptRow.select(fn.count(SignInAttemptRow.id)).where(
            SignInAttemptRow.who == who, SignInAttemptRow.at > since
        )
        if scope.db.scalar(query) >= most:
            raise TooManyAttempts


def fail(scope: Scope, name: str | None, reason: str) -> None:
    """Counts a sign-in that failed; the journal has the reason, and the name only when it is an operator's."""
    scope.db.transact(partial(_fail, scope, name, reason))


def _fail(scope: Scope, name: str | None, reason: str) -> None:
    at = clock.now()
    for who, _ in _counted(scope, name):
        scope.db.execute(SignInAttemptRow.insert(at=at, who=who))
    journal.record(scope, [Entry(Action.SIGNED_IN, Outcome.REFUSED, detail=reason)], at=at)


def _counted(scope: Scope, name: str | None) -> list[tuple[str, int]]:
    """Returns under what an attempt is counted, with how many of it are allowed."""
    place = f"from {scope.origin.address or '-'}"
    if not name:
        return [(place, _MOST_OF_AN_ADDRESS)]
    folded = f"as {fold(name)[:_LONGEST]}"
    return [(place, _MOST_OF_AN_ADDRESS), (f"{folded} {place}", _MOST_OF_A_PAIR), (folded, _MOST_OF_A_NAME)]


def forget_old(db: Database) -> int:
    """Deletes what does not count any more; returns how many rows."""
    old = SignInAttemptRow.delete().where(SignInAttemptRow.at <= clock.now() - _WINDOW)
    return db.transact(partial(db.touch, old))
