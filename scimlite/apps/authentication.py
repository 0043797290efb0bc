"""Authenticates requests by their bearer tokens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

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

#: Microseconds between two writes of `last_used_at`, so that most reads stay reads.
_LAST_USED_EVERY = 5 * 60 * 1_000_000
#: Microseconds in which a signed token that is not valid makes one journal entry.
_REFUSED_EVERY = 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The app and the token of a request.

    `subject` is the id of the user for whom the token was issued, `refused_at` the time of the token's last refusal in
    the journal, in microseconds since 1970 UTC.
    """

    app: App
    token_row: int
    label: str
    subject: str | None
    refused_at: int | None


class _Token(NamedTuple):
    """The columns of a token; times are microseconds since 1970 UTC. A deleted app has none."""

    id: int
    label: str
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    refused_at: int | None
    subject: str | None


_APP_COLUMNS = len(apps_app.COLUMNS)
_TOKEN_COLUMNS = tuple(getattr(TokenRow, name) for name in _Token._fields)


@prepared
def _token_with_app(db: Database) -> object:
    return (
        TokenRow.select(*apps_app.COLUMNS, *_TOKEN_COLUMNS)
        .join(AppRow, on=(AppRow.id == TokenRow.app_id))
        .where(TokenRow.token_id == Slot("token_id"))
    )


def authenticate(db: Database, keyring: Keyring, header: str | None, slug: str, origin: Callable[[], Origin]) -> Caller:
    """The caller that an Authorization header names, read with one SELECT.

    Raises Unauthorized without a reason; a token with a wrong signature is refused before the SELECT. In: `origin`,
    which makes the origin of the journal entry about a refused token.
    """
    scheme, _, text = (header or "").partition(" ")
    token_id = keyring.token_id(text.strip()) if scheme.lower() == "bearer" else None
    row = db.row(_token_with_app, token_id=token_id) if token_id else None
    if row is None:
        raise Unauthorized()
    app = apps_app.load(*row[:_APP_COLUMNS])
    token = _Token._make(row[_APP_COLUMNS:])
    caller = Caller(app, token.id, token.label, token.subject, token.refused_at)
    at = clock.now()
    reason = _refusal(app, slug, token, at)
    if reason is not None:
        note_refusal(db, caller, origin, reason, 401)
        raise Unauthorized()
    if at - (token.last_used_at or 0) >= _LAST_USED_EVERY:
        _note_use(db, token.id, at)
    return caller


def _refusal(app: App, slug: str, token: _Token, at: int) -> str | None:
    """Why a signed token is not valid for the app of a request, in words for the journal; None for a valid token."""
    if app.slug != slug:
        return f"the token belongs to {app.slug}, the request was for {slug[:63]}"
    if token.revoked_at is not None and token.revoked_at <= at:
        return "the token was revoked"
    if token.expires_at is not None and token.expires_at <= at:
        return "the token has expired"
    return None if app.enabled else "the app is disabled"


def note_refusal(db: Database, caller: Caller, origin: Callable[[], Origin], reason: str, status: int) -> None:
    """Records in the journal why a signed token was refused; at most one entry an hour for each token."""
    if (caller.refused_at or 0) <= clock.now() - _REFUSED_EVERY:
        entry = Entry(Action.AUTHENTICATED, Outcome.REFUSED, detail=f"token {caller.label}: {reason}")
        workspace = Workspace(db, origin(), caller.app)
        _write_if_possible(db, partial(_record_refusal, workspace, caller.token_row, entry, status))


def _record_refusal(workspace: Workspace, token: int, entry: Entry, status: int) -> None:
    at = clock.now()
    # The condition of the UPDATE decides which of several workers writes the entry.
    due = (TokenRow.id == token) & (TokenRow.refused_at.is_null() | (TokenRow.refused_at <= at - _REFUSED_EVERY))
    if workspace.db.touch(TokenRow.update(refused_at=at).where(due)):
        journal.record(workspace, [entry], at=at, status=status)


def _note_use(db: Database, token: int, at: int) -> None:
    newest = fn.coalesce(TokenRow.last_used_at, 0)
    due = (TokenRow.id == token) & (newest <= at - _LAST_USED_EVERY)
    _write_if_possible(db, partial(db.execute, TokenRow.update(last_used_at=at).where(due)))


def _write_if_possible(db: Database, write: Callable[[], object]) -> None:
    """Write, unless the database is locked or read-only: then the next request tries again, and reading still works."""
    with suppress(Unavailable):
        db.transact(write)
