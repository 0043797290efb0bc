"""The parameters in URLs of the application's endpoint."""

from __future__ import annotations

from collections.abc import Collection

from ...errors import InvalidValue
from ..scim.call import Call


class Parameters:
    """The parameters of a request. Raises InvalidValue naming one that the endpoint does not know."""

    def __init__(self, call: Call, known: Collection[str]) -> None:
        by_lower = {name.lower(): name for name in known}
        self._values: dict[str, str] = {}
        for name, value in call.parameters().items():
            if name not in by_lower:
                raise InvalidValue(f"There is no parameter {name[:50]!r} here. Parameters: {', '.join(known)}.")
            self._values[by_lower[name]] = value

    def get(self, name: str) -> str | None:
        """The value of a parameter; None when it is absent or empty."""
        return self._values.get(name) or None

    def limit(self, default: int, most: int) -> int:
        """How many things the client wants at most. Raises InvalidValue for what is no number from 1 to `most`."""
        text = self.get("limit")
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            raise InvalidValue(f"limit is a number from 1 to {most}.")
        return int(text)
