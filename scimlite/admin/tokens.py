"""Bearer tokens: issued, shown again, rotated and revoked; the token itself is never stored."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .. import clock, journal
from ..apps import App
from ..apps.keyring import Keyring, TokenError
from ..db import Database
from ..db.tables import SigningKeyRow, TokenRow
from ..journal import Action, Entry, Origin

_LONGEST_LABEL = 100


#: What a token is called unless the operator says otherwise.
DEFAULT_LABEL = "default"


@dataclass(frozen=True, slots=True)
class Token:
    """A token's row as the operator sees it; times are microseconds since 1970 UTC."""

    id: int
    app_id: int
    token_id: str
    key_id: str
    label: str
    issued_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    #: The id of the user that `/Me` is; such a token is good for nothing else but discovery.
    subject: str | None

    def state(self, at: int) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None and self.revoked_at <= at:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= at:
            return "expired"
        return "active"


_COLUMNS = (
    TokenRow.id,
    TokenRow.app_id,
    TokenRow.token_id,
    TokenRow.key_id,
    TokenRow.label,
    TokenRow.issued_at,
    TokenRow.expires_at,
    TokenRow.revoked_at,
    TokenRow.last_used_at,
    TokenRow.subject,
)


def issue(
    db: Database,
    keyring: Keyring,
    app: App,
    origin: Origin,
    *,
    label: str = DEFAULT_LABEL,
    expires_at: int | None = None,
    subject: tuple[str, str] | None = None,
) -> tuple[Token, str]:
    """Make a token for an app; returns its row and its text. TokenError when the label cannot be used.

    `subject` is the id and the name of the user that the token is for.
    """
    label = label.strip()
    if not label or len(label) > _LONGEST_LABEL or not label.isprintable():
        raise TokenError(f"A label has 1 to {_LONGEST_LABEL} printable characters.")
    token_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()

    def work() -> None:
        if any(token.label == label and token.state(clock.now()) == "active" for token in every(db, app)):
            raise TokenError(f"{app.slug} has a token labelled {label!r} already. Choose another label.")
        _insert(db, keyring, app, token_id, label, expires_at, subject[0] if subject else None)
        journal.record(db, app.id, origin, [Entry(Action.TOKEN_ISSUED, user=subject, detail=f"token {label}")])

    db.transact(work)
    token = next(token for token in every(db, app) if token.token_id == token_id)
    return token, keyring.sign(token_id, token.key_id)


def _insert(
    db: Database,
    keyring: Keyring,
    app: App,
    token_id: str,
    label: str,
    expires_at: int | None,
    subject: str | None,
) -> None:
    at = clock.now()
    known = SigningKeyRow.insert(fingerprint=keyring.newest, first_used_at=at).on_conflict_ignore()
    db.execute(known)
    db.execute(
        TokenRow.insert(
            app_id=app.id,
            token_id=token_id,
            key_id=keyring.newest,
            label=label,
            issued_at=at,
            expires_at=expires_at,
            subject=subject,
        )
    )


def every(db: Database, app: App) -> list[Token]:
    """The app's tokens, oldest first."""
    query = TokenRow.select(*_COLUMNS).where(TokenRow.app_id == app.id).order_by(TokenRow.id)
    return [Token(*row) for row in db.rows(query)]


def get(db: Database, app: App, label: str | None = None) -> Token:
    """The token with this label (or number); without one the app's only active token, or the one called `default`.

    TokenError otherwise, with the labels there are.
    """
    # The newest first: a label can be used again once its token is revoked.
    newest = list(reversed(every(db, app)))
    at = clock.now()
    if label is None:
        active = [token for token in newest if token.state(at) == "active"]
        chosen = active if len(active) == 1 else [token for token in active if token.label == DEFAULT_LABEL]
        if chosen:
            return chosen[0]
        if not active:
            raise TokenError(f"{app.slug} has no active token. Issue one: scimlite token issue {app.slug}")
        raise TokenError(f"{app.slug} has {len(active)} active tokens. Name one: {_labels(active)}.")
    for named in (lambda token: token.label == label, lambda token: str(token.id) == label):
        found = next(filter(named, newest), None)
        if found is not None:
            return found
    raise TokenError(f"{app.slug} has no token {label!r}. " + (f"Tokens: {_labels(newest)}." if newest else ""))


def _labels(tokens: Sequence[Token]) -> str:
    return ", ".join(repr(token.label) for token in reversed(tokens[:10]))


def show(db: Database, keyring: Keyring, app: App, token: Token, origin: Origin) -> str:
    """The token's text again; that it was shown is journalled."""
    text = keyring.sign(token.token_id, token.key_id)
    entry = Entry(Action.TOKEN_SHOWN, detail=f"token {token.label}")
    db.transact(lambda: journal.record(db, app.id, origin, [entry]))
    return text


def rotate(
    db: Database, keyring: Keyring, app: App, token: Token, origin: Origin, *, overlap: int
) -> tuple[Token, str]:
    """A new token, with the same label and subject, in place of one, which works on for `overlap` microseconds."""
    token_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    at = clock.now()
    if token.state(at) != "active":
        raise TokenError(f"The token {token.label!r} is {token.state(at)}: issue a new one instead.")
    ends = at + overlap
    expires_at = None if token.expires_at is None else at + (token.expires_at - token.issued_at)

    def work() -> None:
        old_end = ends if token.expires_at is None else min(ends, token.expires_at)
        retired = f"{token.label} until {_stamp(old_end)}"
        db.execute(TokenRow.update(expires_at=old_end, label=retired).where(TokenRow.id == token.id))
        _insert(db, keyring, app, token_id, token.label, expires_at, token.subject)
        journal.record(db, app.id, origin, [Entry(Action.TOKEN_ROTATED, detail=f"token {retired}")])

    db.transact(work)
    made = next(each for each in every(db, app) if each.token_id == token_id)
    return made, keyring.sign(token_id, made.key_id)


def _stamp(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")


def revoke(db: Database, app: App, token: Token, origin: Origin) -> None:
    """Stop a token at once, in every worker."""

    def work() -> None:
        if token.revoked_at is None:
            db.execute(TokenRow.update(revoked_at=clock.now()).where(TokenRow.id == token.id))
            journal.record(db, app.id, origin, [Entry(Action.TOKEN_REVOKED, detail=f"token {token.label}")])

    db.transact(work)
