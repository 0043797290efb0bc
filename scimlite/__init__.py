"""scimlite: a SCIM 2.0 endpoint for an application, as a service or as a blueprint in another Flask application."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .installation import Installation
    from .web.app import create_app
    from .web.scim.provider import scim_blueprint

__all__ = ["Installation", "create_app", "scim_blueprint"]


def __getattr__(name: str) -> object:
    # Loaded when first used: a command that only prints its help imports no Flask.
    if name == "Installation":
        from .installation import Installation

        return Installation
    if name in __all__:
        from .web import app

        return getattr(app, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
