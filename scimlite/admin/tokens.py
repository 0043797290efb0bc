"""Issues, shows, rotates and revokes bearer tokens; the token itself is never stored."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from .. import clock, journal
from ..apps import App
from ..apps.keyring import Keyring, TokenError, TokenKind
from ..apps.workspace import Workspace
from ..db import Database
from ..db.tables import ResourceRow, SigningKeyRow, TokenRow
from ..journal import Action, Entry
from ..scim import core
from ..suggestions import did_you_mean

_LONGEST_LABEL = 100


#: The label of a token that is issued without one.
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
    #: The id of the user that `/Me` stands for; such a token can only use `/Me` and discovery.
    subject: str | None
    #: A `TokenKind`.
    kind: str

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
    TokenRow.kind,
)


def issue(
    workspace: Workspace,
    keyring: Keyring,
    *,
    label: str = DEFAULT_LABEL,
    expires_at: int | None = None,
    subject: tuple[str, str] | None = None,
    kind: TokenKind = TokenKind.SCIM,
) -> tuple[Token, str]:
    """Makes a token for an app; returns its row and its text. Raises TokenError when the label is not allowed.

    `subject` is the id and the name of the user that the token is for; only a token for SCIM can have one.
    """
    if subject is not None and kind is not TokenKind.SCIM:
        raise TokenError("A token for one user is for SCIM.")
    label = label.strip()
    if not label or len(label) > _LONGEST_LABEL or not label.isprintable():
        raise TokenError(f"A label has 1 to {_LONGEST_LABEL} printable characters.")
    token = workspace.db.transact(partial(_issue, workspace, keyring, label, expires_at, subject, kind))
    return token, keyring.sign(token.token_id, token.key_id)


def _issue(
    workspace: Workspace,
    keyring: Keyring,
    label: str,
    expires_at: int | None,
    subject: tuple[str, str] | None,
    kind: TokenKind,
) -> Token:
    app, at = workspace.app, clock.after(workspace.app.created_at)
    if any(token.label == label and token.state(at) == "active" for token in every(workspace.db, app)):
        raise TokenError(f"{app.slug} has a token labelled {label!r} already. Choose another label.")
    token = _insert(workspace, keyring, label, expires_at, subject[0] if subject else None, kind, at)
    reader = " of the application" if kind is TokenKind.READER else ""
    journal.record(workspace, [Entry(Action.TOKEN_ISSUED, user=subject, detail=f"token {label}{reader}")], at=at)
    return token


def _insert(
    workspace: Workspace,
    keyring: Keyring,
    label: str,
    expires_at: int | None,
    subject: str | None,
    kind: str,
    at: int,
) -> Token:
    db = workspace.db
    token_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    db.execute(SigningKeyRow.insert(fingerprint=keyring.newest, first_used_at=at).on_conflict_ignore())
    db.execute(
        TokenRow.insert(
            app_id=workspace.app.id,
            token_id=token_id,
            key_id=keyring.newest,
            label=label,
            issued_at=at,
            expires_at=expires_at,
            subject=subject,
            kind=str(kind),
        )
    )
    return next(token for token in every(db, workspace.app) if token.token_id == token_id)


def every(db: Database, app: App) -> list[Token]:
    """Returns the app's tokens, oldest first."""
    query = TokenRow.select(*_COLUMNS).where(TokenRow.app_id == app.id).order_by(TokenRow.id)
    return [Token(*row) for row in db.rows(query)]


def get(db: Database, app: App, label: str | None = None) -> Token:
    """Returns the token with this label or number; without one, the only active token, or the one called `default`.

    Raises TokenError, with the labels there are, when there is no such token.
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
        token = next(filter(named, newest), None)
        if token is not None:
            return token
    meant = did_you_mean(label, [token.label for token in newest])
    raise TokenError(f"{app.slug} has no token {label!r}.{meant} " + (f"Tokens: {_labels(newest)}." if newest else ""))


def by_id(db: Database, app: App, id: int) -> Token | None:
    """Returns the app's token with this number; None when the app has none."""
    return next((token for token in every(db, app) if token.id == id), None)


def of_provider(db: Database, app: App) -> Token | None:
    """Returns the token that an identity provider is given: of those that work for the whole app, the one called
    `default`, else the newest; None when there is none."""
    at = clock.now()
    active = [
        token
        for token in every(db, app)
        if token.state(at) == "active" and token.subject is None and token.kind == TokenKind.SCIM
    ]
    return next((token for token in active if token.label == DEFAULT_LABEL), active[-1] if active else None)


def _labels(tokens: Sequence[Token]) -> str:
    return ", ".join(repr(token.label) for token in reversed(tokens[:10]))


def usable(app: App, token: Token) -> Token:
    """Returns the token. Raises TokenError when it is expired or revoked."""
    state = token.state(clock.now())
    if state != "active":
        raise TokenError(
            f"The token {token.label!r} of {app.slug} is {state} and does not work any more. "
            f"Issue a new one: scimlite token issue {app.slug}"
        )
    return token


def subject_name(db: Database, app: App, token: Token) -> str:
    """Returns the userName of the user that a token is for; the id when the user is purged; empty without a subject."""
    if token.subject is None:
        return ""
    row = db.row(
        ResourceRow.select(ResourceRow.name, ResourceRow.deleted_at).where(
            ResourceRow.app_id == app.id, ResourceRow.uuid == token.subject, ResourceRow.type == core.USER.name
        )
    )
    if row is None:
        return token.subject
    name, deleted_at = row
    return str(name) if deleted_at is None else f"{name} (deleted)"


def key_state(token: Token, keyring: Keyring) -> str:
    """Returns `newest`, `old` or `missing`: which of the given secret keys the token needs."""
    if token.key_id == keyring.newest:
        return "newest"
    return "old" if token.key_id in keyring else "missing"


def show(workspace: Workspace, keyring: Keyring, token: Token) -> str:
    """Returns the token's text again, and records in the journal that it was shown."""
    text = keyring.sign(token.token_id, token.key_id)
    entry = Entry(Action.TOKEN_SHOWN, detail=f"token {token.label}")
    workspace.db.transact(partial(journal.record, workspace, [entry], at=clock.after(token.issued_at)))
    return text


def rotate(workspace: Workspace, keyring: Keyring, token: Token, *, overlap: int) -> tuple[Token, str]:
    """Replaces a token by one with its label and subject; the old one works for `overlap` more microseconds."""
    at = clock.after(token.issued_at)
    if token.state(at) != "active":
        raise TokenError(f"The token {token.label!r} is {token.state(at)}: issue a new one instead.")
    successor = workspace.db.transact(partial(_rotate, workspace, keyring, token, at, overlap))
    return successor, keyring.sign(successor.token_id, successor.key_id)


def _rotate(workspace: Workspace, keyring: Keyring, token: Token, at: int, overlap: int) -> Token:
    ends_at, expires_at = at + overlap, None
    if token.expires_at is not None:
        ends_at, expires_at = min(ends_at, token.expires_at), at + (token.expires_at - token.issued_at)
    retired = f"{token.label} until {_stamp(ends_at)}"
    workspace.db.execute(TokenRow.update(expires_at=ends_at, label=retired).where(TokenRow.id == token.id))
    successor = _insert(workspace, keyring, token.label, expires_at, token.subject, token.kind, at)
    journal.record(workspace, [Entry(Action.TOKEN_ROTATED, detail=f"token {retired}")], at=at)
    return successor


def _stamp(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")


def revoke(workspace: Workspace, token: Token) -> None:
    """Revokes a token; every worker refuses it from the next request on."""
    if token.revoked_at is None:
        workspace.db.transact(partial(_revoke, workspace, token))


def _revoke(workspace: Workspace, token: Token) -> None:
    at = clock.after(token.issued_at)
    workspace.db.execute(TokenRow.update(revoked_at=at).where(TokenRow.id == token.id))
    journal.record(workspace, [Entry(Action.TOKEN_REVOKED, detail=f"token {token.label}")], at=at)
