"""Signatures of webhooks as Standard Webhooks 1.0.0 has them.

A secret is made from the secret key of the installation and the id that is stored with it, so that it can be shown
again and is in no backup of the database.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from ..apps.keyring import Keyring

#: How the text of a secret begins; base64 of 32 bytes follows.
PREFIX = "whsec_"
_PURPOSE = "webhook"


def secret(keyring: Keyring, secret_id: str, key_id: str) -> bytes:
    """The bytes of a secret. Raises TokenError when the secret key that it is made from is not given."""
    return keyring.derive(_PURPOSE, secret_id, key_id)


def secret_text(key: bytes) -> str:
    """A secret as receivers are given it."""
    return PREFIX + base64.b64encode(key).decode()


def headers(secrets: Sequence[bytes], id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers that sign a body with each secret; a receiver is content when one of the signatures is right.

    `id` is the event's, the same in each try; `seconds` is the time of the try, since 1970 UTC.
    """
    signed = f"{id}.{seconds}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in secrets)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
