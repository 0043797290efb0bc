"""Sessions of operators: a cookie's secret for the browser, a row here, which ends at once when it is deleted."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import clock, journal
from ..db import Database, Slot, prepared
from ..db.operator_tables import OperatorRow, SessionRow
from ..journal import Action, Entry, Scope
from ..worded import Worded
from . import accounts
from .accounts import Operator

_MINUTE = 60_000_000
#: A session that nobody uses ends after an hour, any session after half a day.
IDLE = 60 * _MINUTE
LONGEST = 12 * 60 * _MINUTE
#: For so long after a sign-in an operator need not prove again who they are.
FRESH = 5 * _MINUTE
#: How precisely it is known when a session was last used: a write for each page would be dear.
_SEEN_EVERY = _MINUTE
_LONGEST_AGENT = 300


class Way(Worded):
    """How an operator signed in."""

    LINK = "link", "one-time link"
    PASSWORD = "password", "password"
    SINGLE_SIGN_ON = "oidc", "single sign-on"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which an operator is signed in; times are microseconds since 1970 UTC."""

    digest: str
    operator: Operator
    way: Way
    address: str | None
    agent: str | None
    created_at: int
    proved_at: int
    seen_at: int

    @property
    def fresh(self) -> bool:
        """True while the operator need not prove again who they are."""
        return clock.now() - self.proved_at < FRESH


def digest_of(secret: str) -> str:
    """The form in which the secret of a cookie or link is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def csrf_token(secret: str) -> str:
    """The text that each form of a browser carries: made of the cookie's secret, which other sites do not know."""
    return hmac.new(secret.encode(), b"scimlite.csrf", hashlib.sha256).hexdigest()


def begin(scope: Scope, operator: Operator, way: Way, *, agent: str | None = None) -> str:
    """Signs an operator in and returns the cookie's secret; the journal knows of it."""
    secret = secrets.token_urlsafe(32)
    scope.db.transact(partial(_begin, scope, operator, way, agent, secret))
    return secret


def _begin(scope: Scope, operator: Operator, way: Way, agent: str | None, secret: str) -> None:
    at = clock.after(operator.created_at)
    row: dict[str, Any] = {"way": way.value, "address": scope.origin.address, "agent": (agent or "")[:_LONGEST_AGENT]}
    row |= {"created_at": at, "proved_at": at, "seen_at": at}
    scope.db.execute(SessionRow.insert(digest=digest_of(secret), operator_id=operator.id, **row))
    scope.db.execute(OperatorRow.update(signed_in_at=at).where(OperatorRow.id == operator.id))
    journal.record(scope, [Entry(Action.SIGNED_IN, detail=f"{operator.name} by {way.words}")], at=at)


def find(db: Database, secret: str, *, used: bool = True) -> Session | None:
    """Returns the session with this secret; None when it has ended, or its operator is disabled.

    In: `used`, False for what a page asks by itself, which must not keep a session alive that nobody uses.
    """
    row = db.row(_session, digest=digest_of(secret))
    at = clock.now()
    if row is None or at - row[5] >= LONGEST or at - row[7] >= IDLE:
        return None
    operator = accounts.by_id(db, row[1])
    if operator is None or operator.disabled_at is not None:
        return None
    if used and at - row[7] >= _SEEN_EVERY:
        db.transact(partial(db.execute, _touch, digest=row[0], at=at))
    return Session(row[0], operator, Way.named(row[2]), *row[3:])


def of(db: Database, operator: Operator) -> list[Session]:
    """Returns the living sessions of an operator, the newest first."""
    at = clock.now()
    query = SessionRow.select(*_COLUMNS).where(
        SessionRow.operator_id == operator.id, SessionRow.created_at > at - LONGEST, SessionRow.seen_at > at - IDLE
    )
    rows = db.rows(query.order_by(SessionRow.created_at.desc()))
    return [Session(row[0], operator, Way.named(row[2]), *row[3:]) for row in rows]


def prove(scope: Scope, session: Session, way: Way) -> None:
    """Records that the operator of a session has just shown again who they are."""
    at = clock.after(session.proved_at)
    scope.db.transact(partial(_prove, scope, session, way, at))


def _prove(scope: Scope, session: Session, way: Way, at: int) -> None:
    scope.db.execute(SessionRow.update(proved_at=at).where(SessionRow.digest == session.digest))
    journal.record(scope, [Entry(Action.SIGNED_IN, detail=f"{session.operator.name} again by {way.words}")], at=at)


def end(scope: Scope, session: Session) -> None:
    """Signs an operator out of one browser."""
    scope.db.transact(partial(_end, scope, session))


def _end(scope: Scope, session: Session) -> None:
    scope.db.execute(SessionRow.delete().where(SessionRow.digest == session.digest))
    journal.record(scope, [Entry(Action.SIGNED_OUT, detail=session.operator.name)])


def end_others(scope: Scope, session: Session | None) -> int:
    """Signs the operator of a session out of every other browser; returns of how many."""
    if session is None:
        return 0
    others = [each for each in of(scope.db, session.operator) if each.digest != session.digest]
    for each in others:
        end(scope, each)
    return len(others)


def end_all(scope: Scope, operator: Operator) -> int:
    """Signs an operator out of every browser; returns of how many."""
    living = len(of(scope.db, operator))
    scope.db.transact(partial(_end_all, scope, operator))
    return living


def _end_all(scope: Scope, operator: Operator) -> None:
    scope.db.execute(SessionRow.delete().where(SessionRow.operator_id == operator.id))
    journal.record(scope, [Entry(Action.SIGNED_OUT, detail=f"{operator.name} everywhere")])


def forget_old(db: Database) -> int:
    """Deletes the rows of sessions that have ended; returns how many."""
    at = clock.now()
    ended = (SessionRow.created_at <= at - LONGEST) | (SessionRow.seen_at <= at - IDLE)
    return db.transact(partial(db.touch, SessionRow.delete().where(ended)))


_COLUMNS = (
    SessionRow.digest,
    SessionRow.operator_id,
    SessionRow.way,
    SessionRow.address,
    SessionRow.agent,
    SessionRow.created_at,
    SessionRow.proved_at,
    SessionRow.seen_at,
)


@prepared
def _session(db: Database) -> Any:
    return SessionRow.select(*_COLUMNS).where(SessionRow.digest == Slot("digest"))


@prepared
def _touch(db: Database) -> Any:
    return SessionRow.update({SessionRow.seen_at: Slot("at")}).where(SessionRow.digest == Slot("digest"))
