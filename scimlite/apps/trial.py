"""The proof that a request is of `scimlite app test`: only who has the secret key can make it."""

from __future__ import annotations

from itsdangerous import BadData

from .. import clock
from .keyring import Keyring

HEADER = "X-Scimlite-Test"
_SALT = "scimlite.app-test"
#: Microseconds that a proof is good for, in both directions, as clocks of two machines differ.
_GOOD_FOR = 3600 * 1_000_000


def proof(keyring: Keyring, slug: str) -> str:
    """Returns the value of the header for a test of one app, good for an hour."""
    return str(keyring.serializer(_SALT).dumps([slug, clock.now()]))


def is_proved(keyring: Keyring, slug: str, header: str) -> bool:
    """True when the header was made with the secret key, for this app, within the hour."""
    try:
        found, at = keyring.serializer(_SALT).loads(header)
    except (BadData, TypeError, ValueError):
        return False
    return found == slug and isinstance(at, int) and abs(clock.now() - at) <= _GOOD_FOR
