"""The secret keys of an installation, where there are any."""

from __future__ import annotations

from scimlite.apps.keyring import Keyring
from scimlite.config import Settings


def present_keyring(settings: Settings) -> Keyring | None:
    """The secret keys that are set or stored; None where there are none yet, and none are made."""
    if not settings.secret_keys and not (settings.state_dir / "secret_key").exists():
        return None
    return Keyring(settings.with_secret_keys().secret_keys)
