"""The facts of a user or group as data: what lists in JSON and CSV have, the same from commands and console."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..clock import iso_time
from .people import Found

#: Key to the function that gives the fact.
USER: Mapping[str, Callable[[Found], Any]] = {
    "app": lambda user: user.app.slug,
    "id": lambda user: user.id,
    "user_name": lambda user: user.name,
    "display_name": lambda user: user.display,
    "email": lambda user: user.email or None,
    "external_id": lambda user: user.attributes.get("externalId"),
    "state": lambda user: user.state,
    "created_at": lambda user: iso_time(user.created_at),
    "modified_at": lambda user: iso_time(user.modified_at),
}
