"""The keys that sign security event tokens, made from the secret keys, and their public halves as a JWK Set.

ES256 signs: RFC 7518 recommends it for every implementation, and libraries take it without being asked, which few do
with EdDSA.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from ..apps.keyring import Keyring
from ..errors import OperatorError

ALGORITHM = "ES256"
#: Purpose and id under which the keyring gives bytes; no other key is made from them.
_PURPOSE, _ID = "sets", "p256"
_INFO = b"scimlite security event tokens, ES256"
#: The order of the group of P-256 (FIPS 186-4, D.1.2.3).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class MissingExtraError(OperatorError):
    """The packages of the extra that signs are not installed."""

    def __init__(self) -> None:
        super().__init__("Security event tokens need the package's extra: pip install 'scimlite[sets]'")


def check_installed() -> None:
    """Raises MissingExtraError when the packages that sign are missing."""
    if not all(map(find_spec, ("joserfc", "cryptography"))):
        raise MissingExtraError()


def signing_key(keyring: Keyring) -> Any:
    """The JWK that signs: the one of the newest secret key, named by its fingerprint. Raises MissingExtraError."""
    check_installed()
    return _key(keyring.derive(_PURPOSE, _ID, keyring.newest), keyring.newest)


def key_set(keyring: Keyring) -> dict[str, Any]:
    """The JWK Set of all secret keys, newest first, without anything secret. Raises MissingExtraError."""
    check_installed()
    keys = [_key(keyring.derive(_PURPOSE, _ID, name), name) for name in keyring.fingerprints]
    return {"keys": [key.as_dict(private=False) for key in keys]}


@lru_cache(maxsize=64)
def _key(seed: bytes, name: str) -> Any:
    """The key pair of a seed; making one costs more than a signature."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from joserfc.jwk import ECKey

    # 128 bits more than the order has, so that the remainder is as good as evenly spread (FIPS 186-5, A.2.1).
    raw = HKDF(algorithm=hashes.SHA256(), length=48, salt=None, info=_INFO).derive(seed)
    private = ec.derive_private_key(int.from_bytes(raw) % (_ORDER - 1) + 1, ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return ECKey.import_key(pem, {"kid": name, "use": "sig", "alg": ALGORITHM})
