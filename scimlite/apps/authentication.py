"""Authenticates requests by their bearer tokens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import orjson
from peewee import fn

from .. import clock, journal
from ..db import Database, Slot, prepared
from ..db.tables import AppRow, TokenRow
from ..errors import Unauthorized, Unavailable
from ..journal import Action, Entry, Origin, Outcome
from . import App
from . import app as apps_app
from .keyring import Keyring, TokenKind
from .refused_tokens import Cause
from .workspace import Workspace

#: Microseconds between two writes of `last_used_at`, so that most reads stay reads.
_LAST_USED_EVERY = 5 * 60 * 1_000_000
#: Microseconds in which a signed token that is not valid makes one journal entry for each cause.
_REFUSED_EVERY = 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The app and the token of a request; whoever asks decides what a token of its kind may do.

    `subject` is the id of the user for whom the token was issued, `refusals` the JSON of `TokenRow.refusals`.
    """

    app: App
    token_row: int
    label: str
    subject: str | None
    refusals: str | None
    kind: TokenKind = TokenKind.SCIM


class RefusedToken(Unauthorized):
    """The error for a token that is not valid for the app in the URL; `cause` is for the operator alone."""

    def __init__(self, cause: Cause) -> None:
        super().__init__()
        self.cause = cause


class _Token(NamedTuple):
    """The columns of a token; times are microseconds since 1970 UTC. A deleted app has none."""

    id: int
    label: str
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    refusals: str | None
    subject: str | None
    kind: str


#: Compared as text, because making an enum of it costs a microsecond.
_SCIM = TokenKind.SCIM.value
_APP_COLUMNS = len(apps_app.COLUMNS)
_TOKEN_COLUMNS = tuple(getattr(TokenRow, name) for name in _Token._fields)


@prepared
def _token_with_app(db: Database) -> object:
    return (
        TokenRow.select(*apps_app.COLUMNS, *_TOKEN_COLUMNS)
        .join(AppRow, on=(AppRow.id == TokenRow.app_id))
        .where(TokenRow.token_id == Slot("token_id"))
    )


def authenticate(
    db: Database,
    keyring: Keyring,
    header: str | None,
    slug: str,
    origin: Callable[[], Origin],
    *,
    trial: bool = False,
) -> Caller:
    """The caller that an Authorization header names, read with one SELECT.

    Raises RefusedToken, whose text has no reason; a token with a wrong signature is refused before the SELECT. In:
    `origin`, which makes the origin of the journal entry about a refused token; `trial`, True for an operator's test
    of the connection, which is no use of the token.
    """
    scheme, _, text = (header or "").partition(" ")
    token_id = keyring.token_id(text.strip()) if scheme.lower() == "bearer" else None
    row = db.row(_token_with_app, token_id=token_id) if token_id else None
    if row is None:
        if token_id:
            # We signed it. Identity providers give up where a token is refused, so it must not be for a wrong file.
            db.check_place()
        raise RefusedToken(_why_unknown(keyring, header, token_id))
    app = apps_app.load(*row[:_APP_COLUMNS])
    token = _Token._make(row[_APP_COLUMNS:])
    kind = TokenKind.SCIM if token.kind == _SCIM else TokenKind.named(token.kind)
    caller = Caller(app, token.id, token.label, token.subject, token.refusals, kind)
    at = clock.now()
    refusal = _refusal(app, slug, token, at)
    if refusal is not None:
        cause, reason = refusal
        note_refusal(db, caller, origin, cause, reason, 401)
        raise RefusedToken(cause)
    if at - (token.last_used_at or 0) >= _LAST_USED_EVERY and not trial:
        _note_use(db, token.id, at)
    return caller


def _why_unknown(keyring: Keyring, header: str | None, token_id: str | None) -> Cause:
    """Why a request names no token of this database."""
    scheme, _, text = (header or "").strip().partition(" ")
    if not scheme or (scheme.lower() == "bearer" and not text.strip()):
        return Cause.MISSING
    if scheme.lower() != "bearer":
        return Cause.NOT_BEARER
    if token_id is not None:
        return Cause.UNKNOWN
    return Cause.BAD_SIGNATURE if keyring.is_token(text.strip()) else Cause.MALFORMED


def _refusal(app: App, slug: str, token: _Token, at: int) -> tuple[Cause, str] | None:
    """Why a signed token is not valid for the app of a request, also in words for the journal; None for a valid one."""
    if app.slug != slug:
        return Cause.WRONG_APP, f"the token belongs to {app.slug}, the request was for {slug[:63]}"
    if token.revoked_at is not None and token.revoked_at <= at:
        return Cause.REVOKED, "the token was revoked"
    if token.expires_at is not None and token.expires_at <= at:
        return Cause.EXPIRED, "the token has expired"
    return None if app.enabled else (Cause.APP_DISABLED, "the app is disabled")


def note_refusal(
    db: Database, caller: Caller, origin: Callable[[], Origin], cause: Cause, reason: str, status: int
) -> None:
    """Records in the journal why a signed token was refused; at most one entry an hour for each token and cause."""
    at = clock.now()
    refusals: dict[str, int] = orjson.loads(caller.refusals) if caller.refusals else {}
    if refusals.get(cause, 0) <= at - _REFUSED_EVERY:
        entry = Entry(Action.AUTHENTICATED, Outcome.REFUSED, detail=f"token {caller.label}: {reason}")
        workspace = Workspace(db, origin(), caller.app)
        _write_if_possible(
            db, partial(_record_refusal, workspace, caller, {**refusals, cause.value: at}, entry, status)
        )


def _record_refusal(workspace: Workspace, caller: Caller, refusals: dict[str, int], entry: Entry, status: int) -> None:
    at = clock.now()
    # The condition of the UPDATE decides which of several workers writes the entry.
    unchanged = TokenRow.refusals.is_null() if caller.refusals is None else TokenRow.refusals == caller.refusals
    updated = TokenRow.update(refusals=orjson.dumps(refusals).decode())
    if workspace.db.touch(updated.where(TokenRow.id == caller.token_row, unchanged)):
        journal.record(workspace, [entry], at=at, status=status)


def _note_use(db: Database, token: int, at: int) -> None:
    newest = fn.coalesce(TokenRow.last_used_at, 0)
    due = (TokenRow.id == token) & (newest <= at - _LAST_USED_EVERY)
    _write_if_possible(db, partial(db.execute, TokenRow.update(last_used_at=at).where(due)))


def _write_if_possible(db: Database, write: Callable[[], object]) -> None:
    """Write, unless the database is locked or read-only: then the next request tries again, and reading still works."""
    with suppress(Unavailable):
        db.transact(write)
