"""Verify a webhook: python verify.py SECRET ID TIMESTAMP SIGNATURES < body; exits with 1 when it is not signed."""

import base64
import hashlib
import hmac
import sys
import time


def is_signed(secret: str, id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Whether one of the signatures is right, and not older than five minutes."""
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    expected = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(expected, each) for each in signatures.split())


if __name__ == "__main__":
    sys.exit(not is_signed(*sys.argv[1:5], sys.stdin.buffer.read()))
