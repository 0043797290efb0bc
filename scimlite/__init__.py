"""scimlite: a SCIM 2.0 endpoint for an application, as a service or as a blueprint in another Flask application."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .service import create_app, scim_blueprint

__all__ = ["create_app", "scim_blueprint"]


def __getattr__(name: str) -> object:
    # Loaded when first used: a command that only prints its help should not import Flask.
    if name in __all__:
        from . import service

        return getattr(service, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
