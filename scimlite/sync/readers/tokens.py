"""Access tokens that are fetched (OAuth 2.0), and renewed in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

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
    "AADSTS700027": "the certificate is not that of the application, or has expired",
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
