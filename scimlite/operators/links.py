"""One-time links: whoever opens one is signed in as its operator. They need no mail server and no password."""

from __future__ import annotations

import secrets
from functools import partial

from .. import clock, journal
from ..db import Database
from ..db.operator_tables import SignInLinkRow
from ..journal import Action, Entry, Scope
from . import accounts
from .accounts import AccountError, Operator
from .sessions import digest_of

#: Microseconds for which a link is good.
LIFE = 15 * 60_000_000


def make(scope: Scope, operator: Operator, *, life: int = LIFE) -> str:
    """Returns the secret of a new link, which is good once and for so many microseconds.

    Raises AccountError for an operator who is disabled.
    """
    if operator.disabled_at is not None:
        raise AccountError(f"{operator.name} is disabled and cannot sign in.")
    secret = secrets.token_urlsafe(32)
    scope.db.transact(partial(_make, scope, operator, secret, life))
    return secret


def _make(scope: Scope, operator: Operator, secret: str, life: int) -> None:
    at = clock.after(operator.created_at)
    row = SignInLinkRow.insert(digest=digest_of(secret), operator_id=operator.id, expires_at=at + life)
    scope.db.execute(row)
    journal.record(scope, [Entry(Action.LINK_MADE, detail=f"sign-in link of {operator.name}")], at=at)


def owner_of(db: Database, secret: str) -> Operator | None:
    """Returns whom a link would sign in; None when it is used, too old, or its operator may not sign in."""
    query = SignInLinkRow.select(SignInLinkRow.operator_id).where(
        SignInLinkRow.digest == digest_of(secret), SignInLinkRow.expires_at > clock.now()
    )
    row = db.row(query)
    operator = accounts.by_id(db, row[0]) if row else None
    return operator if operator is not None and operator.disabled_at is None else None


def use(db: Database, secret: str) -> Operator | None:
    """Returns whom a link signs in, and uses it up; None like `owner_of`, also for the second of two at once."""
    operator = owner_of(db, secret)
    if operator is None:
        return None
    used = db.transact(partial(db.touch, SignInLinkRow.delete().where(SignInLinkRow.digest == digest_of(secret))))
    return operator if used else None


def forget_old(db: Database) -> int:
    """Deletes the rows of links that are too old; returns how many."""
    return db.transact(partial(db.touch, SignInLinkRow.delete().where(SignInLinkRow.expires_at <= clock.now())))
