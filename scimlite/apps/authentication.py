"""Bearer tokens of requests: which app and which token a request comes from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from peewee import fn

from .. import clock, journal
from ..db import Database, Slot, prepared
from ..db.tables import AppRow, TokenRow
from ..errors import Unauthorized, Unavailable
from ..journal import Action, Entry, Origin, Outcome
from . import App
from . import app as apps_app
from .keyring import Keyring
from .workspace import Workspace

#: `last used` is written at most this often, so that reading stays reading (microseconds).
_LAST_USED_EVERY = 5 * 60 * 1_000_000


#: A well-signed token that is no longer valid makes one journal row in this time (microseconds).
_REFUSED_EVERY = 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from: an app and the token it showed.

    `subject` is the id of the user that the token was issued for, `refused_at` when a refusal was last journalled.
    """

    app: App
    token_row: int
    label: str
    subject: str | None
    refused_at: int | None


@prepared
def _caller_of(db: Database) -> object:
    return (
        TokenRow.select(
            *apps_app.COLUMNS,
            TokenRow.id,
            TokenRow.label,
            TokenRow.expires_at,
            TokenRow.revoked_at,
            TokenRow.last_used_at,
            TokenRow.refused_at,
            TokenRow.subject,
            AppRow.deleted_at,
        )
        .join(AppRow, on=(AppRow.id == TokenRow.app_id))
        .where(TokenRow.token_id == Slot("token_id"))
    )


def authenticate(db: Database, keyring: Keyring, header: str | None, slug: str, origin: Callable[[], Origin]) -> Caller:
    """The caller that an Authorization header names, in one SELECT; Unauthorized otherwise, without a hint why.

    A wrong signature is refused before the database is asked.
    """
    scheme, _, text = (header or "").partition(" ")
    token_id = keyring.token_id(text.strip()) if scheme.lower() == "bearer" else None
    row = db.row(_caller_of, token_id=token_id) if token_id else None
    if row is None:
        raise Unauthorized()
    parts = len(apps_app.COLUMNS)
    app = apps_app.load(*row[:parts])
    token, label, expires_at, revoked_at, last_used_at, refused_at, subject, deleted_at = row[parts:]
    caller = Caller(app, token, label, subject, refused_at)
    at = clock.now()
    reason = _refusal(app, slug, at, expires_at, revoked_at, deleted_at)
    if reason is not None:
        note_refusal(db, caller, origin, reason, 401)
        raise Unauthorized()
    if at - (last_used_at or 0) >= _LAST_USED_EVERY:
        _note_use(db, token, at)
    return caller


def _refusal(
    app: App, slug: str, at: int, expires_at: int | None, revoked_at: int | None, deleted_at: int | None
) -> str | None:
    """Why a well-signed token is not valid here, in words for the journal; None when it is."""
    if deleted_at is not None:
        return "the app was deleted"
    if app.slug != slug:
        return f"the token belongs to {app.slug}, the request was for {slug[:63]}"
    if revoked_at is not None and revoked_at <= at:
        return "the token was revoked"
    if expires_at is not None and expires_at <= at:
        return "the token has expired"
    return None if app.enabled else "the app is disabled"


def note_refusal(db: Database, caller: Caller, origin: Callable[[], Origin], reason: str, status: int) -> None:
    """Journal why a well-signed token was refused: one row an hour.

    Whichever worker comes first writes it: the conditional UPDATE decides.
    """
    at = clock.now()
    before = at - _REFUSED_EVERY
    if (caller.refused_at or 0) > before:
        return

    def write() -> None:
        due = (TokenRow.id == caller.token_row) & (TokenRow.refused_at.is_null() | (TokenRow.refused_at <= before))
        if db.touch(TokenRow.update(refused_at=at).where(due)):
            entry = Entry(Action.AUTHENTICATED, Outcome.REFUSED, detail=f"token {caller.label}: {reason}")
            journal.record(Workspace(db, origin(), caller.app), [entry], at=at, status=status)

    _write_later(db, write)


def _note_use(db: Database, token: int, at: int) -> None:
    newest = fn.coalesce(TokenRow.last_used_at, 0)
    due = (TokenRow.id == token) & (newest <= at - _LAST_USED_EVERY)

    _write_later(db, partial(db.execute, TokenRow.update(last_used_at=at).where(due)))


def _write_later(db: Database, write: Callable[[], object]) -> None:
    """Write what can wait: a locked or read-only database must not make a read fail. The next request tries again."""
    with suppress(Unavailable):
        db.transact(write)
