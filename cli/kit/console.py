"""Addresses of the console, for commands that print them."""

from __future__ import annotations

#: Where the service shows the console.
_CONSOLE = "/console"


def console_url(service: str) -> str:
    """Return the console's address at a service's address."""
    return f"{service}{_CONSOLE}/"


def link_url(service: str, secret: str) -> str:
    """Return the address that signs an operator in with the secret of a one-time link."""
    return f"{service}{_CONSOLE}/link/{secret}"
