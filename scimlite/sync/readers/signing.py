"""Signs in with a private key: a signed JWT that another server trades for an access token (RFC 7523)."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from ..reading import SourceError

#: Seconds for which an assertion is good.
_SECONDS = 300
_LARGEST_KEY = 65536
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
_CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


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


def thumbprint(text: str) -> str:
    """The thumbprint of the certificate in a PEM file, as the header `x5t#S256` has it. Raises SourceError."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import load_pem_x509_certificate

    try:
        certificate = load_pem_x509_certificate(text.encode())
    except ValueError:
        raise SourceError("The file of the key has no certificate: put it there too, as PEM.") from None
    return urlsafe_b64encode(certificate.fingerprint(SHA256())).rstrip(b"=").decode()


def signed_client(
    client_id: str, token_url: str, scope: str, key: str, header: Mapping[str, str | None]
) -> Callable[[], dict[str, str]]:
    """The form of a client that signs in with a key (RFC 7523). In: more for the header of the JWT."""
    claims = {"iss": client_id, "sub": client_id, "aud": token_url}
    return lambda: {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "scope": scope,
        "client_assertion_type": _CLIENT_ASSERTION,
        "client_assertion": assertion(key, claims, header),
    }


def assertion(key: str, claims: Mapping[str, Any], header: Mapping[str, str | None]) -> str:
    """A signed JWT that is good for five minutes. In: the key as PEM or JWK. Raises SourceError."""
    from joserfc import jwt
    from joserfc.errors import JoseError

    made = _imported(key)
    now = int(time.time())
    more = {"kid": made.kid, **{name: value for name, value in header.items() if value}}
    said = {"alg": _ALGORITHMS[made.key_type], "typ": "JWT", **{name: value for name, value in more.items() if value}}
    try:
        return jwt.encode(said, {**claims, "iat": now, "nbf": now, "exp": now + _SECONDS, "jti": str(uuid4())}, made)
    except (JoseError, ValueError):
        raise SourceError("The private key cannot sign: give an RSA key, or one of the curve P-256.") from None


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
