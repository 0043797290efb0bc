"""Addresses of the console, for commands that print them."""

from __future__ import annotations

from scimlite.config import Settings

from . import listener

#: Where the service shows the console.
_CONSOLE = "/console"


def base_of(settings: Settings, service: str) -> str:
    """Return the address whose path is the console's, for a service at this address."""
    place = settings.console
    if place is not None and place.host is not None:
        return f"https://{place.host}"
    return service if place is None or place.bind is None else listener.url_of(*place.bind)


def console_url(base: str) -> str:
    """Return the console's address, at what `base_of` says."""
    return f"{base}{_CONSOLE}/"


def setup_url(base: str, text: str) -> str:
    """Return the address of a set-up link with this text."""
    return f"{base}{_CONSOLE}/setup/{text}"


def link_url(base: str, secret: str) -> str:
    """Return the address that signs an operator in with the secret of a one-time link."""
    return f"{base}{_CONSOLE}/link/{secret}"
