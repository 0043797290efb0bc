"""Single sign-on by OpenID Connect: where the browser goes, and who comes back.

The code flow with PKCE and a nonce (OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9700), against any issuer that
publishes its discovery document. Authlib speaks OAuth, joserfc judges signatures; the package's extra `sso` has both.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from .. import deadline
from ..errors import ConfigError, OperatorError
from ..redaction import error_log

#: Seconds that the provider has for an answer.
_TIMEOUT = 8.0
#: Seconds for which the provider's metadata and keys are used before they are fetched again.
_KEPT = 3600.0
#: A key that is not known is looked for, but not more often than this, so that forged tokens do not make a load.
_KEYS_AGAIN = 30.0
#: Seconds by which clocks may differ.
_LEEWAY = 60
#: Seconds since the password was given, when it was asked for again.
_JUST_NOW = 300
#: Signatures with the provider's public key; never with the shared secret, and never none (RFC 8725 section 3.1).
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SignOnError(OperatorError):
    """The provider did not say who it is, or not so that it can be believed; the text says what was wrong."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is known of the provider: SCIMLITE_OIDC_*."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scopes: str = "openid profile email"


@dataclass(frozen=True, slots=True)
class Departure:
    """What the browser keeps while it is at the provider."""

    state: str
    nonce: str
    verifier: str
    #: True when the operator has to give the password again there.
    again: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says it is."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        """The names by which an operator may be known here: addresses that the provider vouches for, and user names."""
        email = self.claims.get("email") if self.claims.get("email_verified") is not False else None
        return [name for name in (email, self.claims.get("preferred_username")) if isinstance(name, str) and name]


def check_installed() -> None:
    """Raises ConfigError when the packages of the extra are missing."""
    if not all(map(find_spec, ("authlib", "joserfc", "requests"))):
        raise ConfigError("SCIMLITE_OIDC_ISSUER", "needs the package's extra: pip install 'scimlite[sso]'")


class Provider:
    """The provider of an installation. Its metadata and keys are fetched when they are needed, and kept for an hour."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] | None = None
        self._metadata_at = 0.0
        self._keys: Any = None
        self._keys_at = 0.0
        self._keys_again_at = -_KEYS_AGAIN

    # --- there ----------------------------------------------------------------------------------------------------

    def depart(self, redirect_uri: str, *, again: bool = False) -> tuple[str, Departure]:
        """Returns where the browser goes, and what it keeps meanwhile; `again` asks for the password in any case.

        Raises SignOnError when the provider cannot be reached.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        departure = Departure(state, nonce, verifier, again)
        more = {"prompt": "login", "max_age": "0"} if again else {}
        client = self._client(redirect_uri)
        url, _ = client.create_authorization_url(
            self._known("authorization_endpoint"),
            state=departure.state,
            nonce=departure.nonce,
            code_verifier=departure.verifier,
            **more,
        )
        return str(url), departure

    # --- and back -------------------------------------------------------------------------------------------------

    def arrive(self, redirect_uri: str, departure: Departure, answer: Mapping[str, str]) -> Identity:
        """Returns who came back from the provider, with the claims of the ID token and of the userinfo endpoint.

        In: `answer`, the parameters with which the browser came back. Raises SignOnError for anything that is not the
        answer to this very departure.
        """
        if not secrets.compare_digest(answer.get("state", "").encode(), departure.state.encode()):
            raise SignOnError("The answer belongs to another sign-in. Begin again.")
        if "error" in answer:
            raise SignOnError(f"The provider refused: {answer.get('error_description') or answer['error']}"[:300])
        # A provider that others run could send the code of one to the other (RFC 9207).
        if answer.get("iss", self.settings.issuer).rstrip("/") != self.settings.issuer.rstrip("/"):
            raise SignOnError("The answer comes from another provider.")
        client = self._client(redirect_uri)
        tokens = self._fetched(
            lambda: client.fetch_token(
                self._known("token_endpoint"),
                grant_type="authorization_code",
                code=answer.get("code", ""),
                code_verifier=departure.verifier,
                timeout=deadline.at_most(_TIMEOUT),
            ),
            "did not take the code",
        )
        claims = self._claims(str(tokens.get("id_token") or ""), departure)
        more = self._userinfo(client, claims["sub"])
        return Identity(self.settings.issuer, claims["sub"], {**more, **claims})

    def _claims(self, token: str, departure: Departure) -> dict[str, Any]:
        """The claims of an ID token, once all that section 3.1.3.7 asks for is right."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        settings = self.settings
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": departure.nonce},
        )
        try:
            claims: dict[str, Any] = dict(self._decoded(token).claims)
            registry.validate(claims)
        except (JoseError, ValueError) as error:
            # The class names the fault; the text could quote the token.
            claim = getattr(error, "claim", None)
            what = f"{type(error).__name__}: {claim}" if claim else type(error).__name__
            raise SignOnError(f"The provider's ID token is not good for this sign-in ({what}).") from None
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != settings.client_id:
            raise SignOnError("The provider's ID token is for another client (azp).")
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise SignOnError("The provider's ID token names nobody (sub).")
        if departure.again and not _is_recent(claims.get("auth_time")):
            raise SignOnError("The provider did not ask for the password again (auth_time).")
        return claims

    def _decoded(self, token: str) -> Any:
        """The token, its signature verified; keys are fetched again when it was signed with a new one."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            return jwt.decode(token, self._key_set(), algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            if not self._forget_keys():
                raise
            return jwt.decode(token, self._key_set(), algorithms=_ALGORITHMS)

    def _userinfo(self, client: Any, subject: str) -> dict[str, Any]:
        """What the provider tells besides the ID token: some keep groups for it (Okta's "thin" ID tokens)."""
        url = self._metadata_now().get("userinfo_endpoint")
        if not url:
            return {}
        told = self._fetched(lambda: _json(client.get(url, timeout=deadline.at_most(_TIMEOUT))), "did not tell more")
        if told.get("sub") != subject:
            raise SignOnError("The provider tells about somebody else than its ID token (sub).")
        return told

    # --- metadata and keys ----------------------------------------------------------------------------------------

    def _client(self, redirect_uri: str) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        methods = self._metadata_now().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "none"
        if self.settings.client_secret is not None:
            method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        client = OAuth2Session(
            self.settings.client_id,
            self.settings.client_secret,
            scope=self.settings.scopes,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method=method,
        )
        client.max_redirects = 0
        return client

    def _known(self, name: str) -> str:
        url = self._metadata_now().get(name)
        if not isinstance(url, str):
            raise SignOnError(f"The provider's discovery document has no {name}.")
        return url

    def _metadata_now(self) -> dict[str, Any]:
        with self._lock:
            if self._metadata is None or time.monotonic() - self._metadata_at > _KEPT:
                url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
                found = self._fetched(lambda: _get(url), "cannot be reached")
                if found.get("issuer") != self.settings.issuer:
                    raise SignOnError(f"{url} is about another issuer: {str(found.get('issuer'))[:200]!r}.")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    check_address(str(found.get(name)), name)
                self._metadata, self._metadata_at = found, time.monotonic()
            return self._metadata

    def _key_set(self) -> Any:
        from joserfc.jwk import KeySet

        url = self._known("jwks_uri")
        with self._lock:
            if self._keys is None or time.monotonic() - self._keys_at > _KEPT:
                found = self._fetched(lambda: _get(url), "has no keys to be had")
                try:
                    self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # judged by the import
                except (ValueError, KeyError, TypeError):
                    raise SignOnError("The provider's keys cannot be understood.") from None
                self._keys_at = time.monotonic()
            return self._keys

    def _forget_keys(self) -> bool:
        """True when the keys may be fetched again, which is then done."""
        with self._lock:
            if time.monotonic() - self._keys_again_at < _KEYS_AGAIN:
                return False
            self._keys, self._keys_again_at = None, time.monotonic()
            return True

    def _fetched(self, fetch: Any, fault: str) -> dict[str, Any]:
        """What the provider answers; SignOnError, and a line in the log, when it does not."""
        from authlib.integrations.base_client import OAuthError
        from requests import RequestException

        try:
            found = fetch()
        except OAuthError as error:
            raise SignOnError(f"The provider {fault}: {error.error}.") from None
        except (RequestException, ValueError) as error:
            error_log.warning("single sign-on: %s %s (%s)", self.settings.issuer, fault, type(error).__name__)
            raise SignOnError(f"The provider {fault} ({type(error).__name__}). Try again, or use a link.") from None
        if not isinstance(found, dict):
            raise SignOnError(f"The provider {fault}: its answer is no JSON object.")
        return found


def _get(url: str) -> Any:
    import requests

    return _json(requests.get(url, timeout=deadline.at_most(_TIMEOUT), allow_redirects=False))


def _json(response: Any) -> Any:
    """The JSON value of an answer. Raises an error of requests for a status that is no success."""
    response.raise_for_status()
    return response.json()


def _is_recent(auth_time: Any) -> bool:
    return isinstance(auth_time, int | float) and time.time() - auth_time < _JUST_NOW + _LEEWAY


def check_address(url: str, name: str) -> None:
    """Raises SignOnError unless the address of a provider is https; on this machine http will do."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise SignOnError(f"The provider's {name} is not an https address.")


@cache
def provider(settings: Settings) -> Provider:
    """The provider with these settings, one for each process."""
    return Provider(settings)
