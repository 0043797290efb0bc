"""Access tokens that are fetched (OAuth 2.0 client credentials) or bought with a signed JWT, and renewed in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from ...outbound import Client
from ..reading import SourceError
from .api import Api
from .authorization import Fixed
from .refusals import AnswerError

#: Seconds before its end when a token is renewed, and for which an assertion is good.
_EARLY, _ASSERTION = 60, 300
_LARGEST_KEY = 65536
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
#: What an operator does about the code of an error.
_ADVICE = {
    "invalid_client": "the client id, or its secret or key, is not right",
    "unauthorized_client": "this client may not ask for the scopes: an administrator has to allow them",
    "invalid_scope": "a scope is not granted to this client",
    "access_denied": "a scope is not granted to this client",
    "invalid_grant": "the account or the subject is not right, or the clock of this host is wrong",
    "invalid_dpop_proof": "turn off the requirement of DPoP for this client",
    "AADSTS7000215": "the client secret is not right: take its value, not its id",
    "AADSTS7000222": "the client secret has expired: make a new one",
    "AADSTS700016": "there is no application of this client id in the tenant",
    "AADSTS90002": "there is no such tenant",
    "AADSTS900023": "there is no such tenant",
}


class Tokens:
    """An access token, fetched by a form when there is none that is good."""

    def __init__(self, client: Client, url: str, form: Callable[[], Mapping[str, str]]) -> None:
        """In: the URL that gives tokens; `form`, called for each one."""
        self._api = Api(client, url, Fixed(None), signs_in_with="what this account signs in with")
        self._url = url
        self._form = form
        self._token: str | None = None
        self._until = 0.0

    def headers(self) -> Mapping[str, str]:
        """The header with a token that is good for a while. Raises SourceError."""
        if self._token is None or time.monotonic() >= self._until:
            self._fetch()
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Forgets the token, so that the next request fetches one."""
        self._token = None
        return True

    def _fetch(self) -> None:
        try:
            said = self._api.post_form(self._url, self._form(), what="an access token")
        except AnswerError as error:
            if error.status not in (400, 401, 403):
                raise
            advice = _ADVICE.get(error.code, "look whether the client id and its secret or key are right")
            code = f", {error.code}" if error.code else ""
            text = f"{self._api.host} gives no access token ({error.status}{code}): {advice}."
            raise AnswerError(text, 401, error.code) from None
        token, seconds = said.get("access_token"), said.get("expires_in", 300)
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise SourceError(f"{self._api.host} answered without an access token: is the address right?")
        self._token = token
        self._until = time.monotonic() + max(1, (seconds if isinstance(seconds, int) else 300) - _EARLY)


def client_credentials(client_id: str, secret: str, scope: str | None) -> Callable[[], dict[str, str]]:
    """The form of a client with a secret (RFC 6749 section 4.4)."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    return lambda: {**form, **({"scope": scope} if scope else {})}


def key_text(secret: str | None, file: str | None, extra: str) -> str:
    """A private key: a file's text, or the secret. Raises SourceError, also where the libraries of `extra` lack."""
    try:
        import joserfc  # noqa: F401
    except ImportError:
        raise SourceError(f"Signing in with a key needs the package's extra: pip install 'scimlite[{extra}]'") from None
    if file is None:
        if secret is None:
            raise SourceError("Give the key: --key-file FILE, or the key as JSON on one line as the secret.")
        return secret
    try:
        with Path(file).open("rb") as opened:
            return opened.read(_LARGEST_KEY).decode()
    except OSError as error:
        raise SourceError(f"The key in {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SourceError(f"The file {file} holds no key: it is no text.") from None


def assertion(key: str, claims: Mapping[str, Any], *, key_id: str | None = None) -> str:
    """A signed JWT that is good for five minutes. In: the key as PEM or JWK. Raises SourceError."""
    from joserfc import jwt

    made = _imported(key)
    now = int(time.time())
    header = {"alg": _ALGORITHMS[made.key_type], "typ": "JWT"}
    if key_id or made.kid:
        header["kid"] = key_id or made.kid
    return jwt.encode(header, {**claims, "iat": now, "exp": now + _ASSERTION, "jti": str(uuid4())}, made)


def _imported(key: str) -> Any:
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    data: Any = key
    if key.lstrip().startswith("{"):
        try:
            data = orjson.loads(key)
        except orjson.JSONDecodeError:
            raise SourceError("The private key begins like JSON, and is none.") from None
    for kind in (RSAKey, ECKey):
        try:
            made = kind.import_key(data)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if made.is_private:
            return made
    raise SourceError("The private key cannot be read: give an RSA or P-256 key as PEM or JWK, without a passphrase.")
