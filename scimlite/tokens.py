"""Bearer tokens: issued, verified, shown again, rotated and revoked; the token itself is never stored.

A token is `scimlite_` and a signed token id. With the secret key it can be made again from its row at any time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from itsdangerous import BadSignature, Signer, URLSafeSerializer
from peewee import fn

from . import apps, journal, refusals
from .apps import App
from .db import Database, Slot, prepared
from .errors import OperatorError, Unauthorized, Unavailable
from .journal import Action, Entry, Origin, Outcome
from .models import AppRow, SigningKeyRow, TokenRow

_PREFIX = "scimlite_"
_SALT = "scimlite.token"
#: `last used` is written at most this often, so that reading stays reading (microseconds).
_LAST_USED_EVERY = 5 * 60 * 1_000_000
#: A well-signed token that is no longer valid makes one journal row in this time (microseconds).
_REFUSED_EVERY = 3600 * 1_000_000
_LONGEST_LABEL = 100
#: What a token is called unless the operator says otherwise.
DEFAULT_LABEL = "default"


class TokenError(OperatorError):
    """What an operator asked for cannot be done with this token or these keys; the text says why."""


class Keyring:
    """The secret keys, newest first: the newest signs, all verify."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise TokenError("There is no secret key.")
        self._keys = {fingerprint(key): key for key in keys}
        self.newest = fingerprint(keys[0])
        self._verifier = _signer(list(reversed(keys)))
        # A signature that was once right stays right, so it is computed once; whether the token still counts is
        # asked of the database each time.
        self._verify = lru_cache(maxsize=4096)(self._unsign)

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._keys

    @property
    def fingerprints(self) -> list[str]:
        """The keys' fingerprints, newest first."""
        return list(self._keys)

    def sign(self, token_id: str, key_id: str) -> str:
        """The token's text; TokenError when the key that signed it is not among the secret keys."""
        key = self._keys.get(key_id)
        if key is None:
            raise TokenError(
                f"This token was signed with the secret key {key_id}, which is not in SCIMLITE_SECRET_KEY."
            )
        return _PREFIX + _signer([key]).sign(token_id).decode()

    def serializer(self, salt: str) -> URLSafeSerializer:
        """Signs small data that clients carry for us; what one salt signed no other verifies."""
        kwargs = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        return URLSafeSerializer(list(reversed(self._keys.values())), salt=salt, signer_kwargs=kwargs)

    def token_id(self, text: str) -> str | None:
        """The id inside a token with a right signature, else None; the database is not asked."""
        if not text.startswith(_PREFIX) or len(text) > 200:
            return None
        return self._verify(text)

    def _unsign(self, text: str) -> str | None:
        try:
            return self._verifier.unsign(text.removeprefix(_PREFIX)).decode()
        except (BadSignature, UnicodeDecodeError):
            return None


def _signer(keys: list[str]) -> Signer:
    return Signer(keys, salt=_SALT, sep=".", key_derivation="hmac", digest_method=hashlib.sha256)


def fingerprint(key: str) -> str:
    """A short public name for a secret key, from which the key cannot be found."""
    return hmac.new(key.encode(), b"scimlite key fingerprint", hashlib.sha256).hexdigest()[:12]


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


# --- the operator's side ------------------------------------------------------------------------------------------


def check_keys(db: Database, keyring: Keyring) -> list[str]:
    """Refuse to work with keys that fit none of the living tokens (TokenError).

    Returns the fingerprints of keys that living tokens still need and that are missing.
    """
    at = journal.now()
    living = (TokenRow.revoked_at.is_null() | (TokenRow.revoked_at > at)) & (
        TokenRow.expires_at.is_null() | (TokenRow.expires_at > at)
    )
    query = TokenRow.select(TokenRow.key_id).where(living).distinct()
    needed = {row[0] for row in db.rows(query)}
    missing = sorted(key_id for key_id in needed if key_id not in keyring)
    if needed and len(missing) == len(needed):
        raise TokenError(
            "The secret key does not fit the tokens in this database: they were signed with "
            f"{', '.join(missing)}, the given key is {', '.join(keyring.fingerprints)}. "
            "Set SCIMLITE_SECRET_KEY to the key that was used; one that was generated is in the file secret_key "
            "of the state folder."
        )
    return missing


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
        if any(token.label == label and token.state(journal.now()) == "active" for token in every(db, app)):
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
    at = journal.now()
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
    at = journal.now()
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
    at = journal.now()
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
            db.execute(TokenRow.update(revoked_at=journal.now()).where(TokenRow.id == token.id))
            journal.record(db, app.id, origin, [Entry(Action.TOKEN_REVOKED, detail=f"token {token.label}")])

    db.transact(work)


# --- the wire's side ----------------------------------------------------------------------------------------------


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
def _FOR_REQUEST(db: Database) -> object:
    return (
        TokenRow.select(
            *apps.COLUMNS,
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
    row = db.row(_FOR_REQUEST, token_id=token_id) if token_id else None
    if row is None:
        raise Unauthorized()
    parts = len(apps.COLUMNS)
    app = apps.load(*row[:parts])
    token, label, expires_at, revoked_at, last_used_at, refused_at, subject, deleted_at = row[parts:]
    caller = Caller(app, token, label, subject, refused_at)
    at = journal.now()
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
    at = journal.now()
    before = at - _REFUSED_EVERY
    if (caller.refused_at or 0) > before:
        return

    def work() -> None:
        due = (TokenRow.id == caller.token_row) & (TokenRow.refused_at.is_null() | (TokenRow.refused_at <= before))
        if db.touch(TokenRow.update(refused_at=at).where(due)):
            detail = f"token {caller.label}: {reason}"
            entry = Entry(Action.AUTHENTICATED, Outcome.REFUSED, status=status, detail=detail)
            journal.record(db, caller.app.id, origin(), [entry], at)

    _note(db, work)


def _note_use(db: Database, token: int, at: int) -> None:
    newest = fn.coalesce(TokenRow.last_used_at, 0)
    due = (TokenRow.id == token) & (newest <= at - _LAST_USED_EVERY)

    def work() -> None:
        db.execute(TokenRow.update(last_used_at=at).where(due))
        # Here, so that it is done while an app is in use, however seldom something is refused.
        refusals.forget_old(db, at)

    _note(db, work)


def _note(db: Database, work: Callable[[], object]) -> None:
    """Write what can wait: a locked or read-only database must not make a read fail. The next request tries again."""
    with suppress(Unavailable):
        db.transact(work)
