"""The secret keys, which sign tokens and verify them.

A token is `scimlite_` and a signed token id, so that its text can be made again from its row and the secret key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from functools import lru_cache

from itsdangerous import BadSignature, Signer, URLSafeSerializer, URLSafeTimedSerializer

from .. import clock
from ..db import Database
from ..db.tables import TokenRow
from ..errors import OperatorError
from ..worded import Worded

_PREFIX = "scimlite_"
_SALT = "scimlite.token"
#: Set-up links are signed like tokens, and neither passes for the other.
_LINK_SALT = "scimlite.invitation"
#: 128 bits and a signature of 256 bits, in base64url.
_FORM = re.compile(_PREFIX + r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")


class TokenKind(Worded):
    """What a token is good for, with words."""

    SCIM = "scim", "an identity provider's: it writes users and groups at the SCIM endpoint"
    READER = "reader", "the application's: it reads profiles and events, and writes nothing"


class TokenError(OperatorError):
    """An operator's request cannot be carried out with this token or these keys; the text says why."""


class Keyring:
    """The secret keys, newest first: the newest key signs, and all keys verify."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise TokenError("There is no secret key.")
        self._keys = {fingerprint(key): key for key in keys}
        self.newest = fingerprint(keys[0])
        self._verifier = _signer(list(reversed(keys)))
        self._link_verifier = _signer(list(reversed(keys)), _LINK_SALT)
        # A valid signature stays valid, so it is verified once. The database is asked each time whether the token is
        # revoked.
        self._verify = lru_cache(maxsize=4096)(self._unsign)

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._keys

    @property
    def fingerprints(self) -> list[str]:
        """The keys' fingerprints, newest first."""
        return list(self._keys)

    def sign(self, token_id: str, key_id: str) -> str:
        """The token's text; TokenError when the key that signed it is not among the secret keys."""
        return _PREFIX + _signer([self._key(key_id, "token")]).sign(token_id).decode()

    def sign_link(self, link_id: str, key_id: str) -> str:
        """The text of a set-up link; TokenError when the key that signed it is not among the secret keys."""
        return _signer([self._key(key_id, "link")], _LINK_SALT).sign(link_id).decode()

    def link_id(self, text: str) -> str | None:
        """The id in a set-up link with a valid signature, else None; it does not ask the database."""
        try:
            return self._link_verifier.unsign(text).decode() if len(text) <= 200 else None
        except (BadSignature, UnicodeError):
            return None

    def _key(self, key_id: str, what: str) -> str:
        key = self._keys.get(key_id)
        if key is None:
            raise TokenError(
                f"This {what} was signed with the secret key {key_id}, which is not in SCIMLITE_SECRET_KEY."
            )
        return key

    def derive(self, purpose: str, id: str, key_id: str) -> bytes:
        """32 bytes for a purpose and an id; TokenError when the key that they are made from is not given."""
        return hmac.digest(self._key(key_id, purpose).encode(), f"scimlite.{purpose}.{id}".encode(), hashlib.sha256)

    def serializer(self, salt: str) -> URLSafeSerializer:
        """A serializer that signs data kept by clients, such as cursors; each salt verifies only its own signatures."""
        kwargs = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        return URLSafeSerializer(list(reversed(self._keys.values())), salt=salt, signer_kwargs=kwargs)

    def timed_serializer(self, salt: str) -> URLSafeTimedSerializer:
        """The same, for data that is good for a while: its `loads` takes `max_age` in seconds."""
        kwargs = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        return URLSafeTimedSerializer(list(reversed(self._keys.values())), salt=salt, signer_kwargs=kwargs)

    @staticmethod
    def is_token(text: str) -> bool:
        """True for a text in the form of a token, whatever its signature."""
        return _FORM.fullmatch(text) is not None

    def token_id(self, text: str) -> str | None:
        """The id in a token with a valid signature, else None; it does not ask the database."""
        if not text.startswith(_PREFIX) or len(text) > 200:
            return None
        return self._verify(text)

    def _unsign(self, text: str) -> str | None:
        try:
            return self._verifier.unsign(text.removeprefix(_PREFIX)).decode()
        except (BadSignature, UnicodeDecodeError):
            return None


def _signer(keys: list[str], salt: str = _SALT) -> Signer:
    return Signer(keys, salt=salt, sep=".", key_derivation="hmac", digest_method=hashlib.sha256)


def fingerprint(key: str) -> str:
    """A short public name of a secret key, which does not reveal the key."""
    return hmac.new(key.encode(), b"scimlite key fingerprint", hashlib.sha256).hexdigest()[:12]


def check_keys(db: Database, keyring: Keyring) -> list[str]:
    """Raises TokenError when the keys fit none of the valid tokens.

    Returns the fingerprints of missing keys that valid tokens need.
    """
    at = clock.now()
    valid = (TokenRow.revoked_at.is_null() | (TokenRow.revoked_at > at)) & (
        TokenRow.expires_at.is_null() | (TokenRow.expires_at > at)
    )
    query = TokenRow.select(TokenRow.key_id).where(valid).distinct()
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
