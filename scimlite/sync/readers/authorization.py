"""How readers sign in: by what an operator gave, or by tokens that are fetched (tokens.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Authorization(Protocol):
    """What is sent to sign in."""

    def headers(self) -> Mapping[str, str]:
        """The headers that sign a request in. Raises SourceError."""

    def renew(self) -> bool:
        """Forgets a token that is not accepted any more; True when there can be another one."""


@dataclass(frozen=True)
class Fixed:
    """A password or token that an operator gave."""

    value: str | None = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """The header, none without a secret."""
        return {"Authorization": self.value} if self.value else {}

    def renew(self) -> bool:
        """There is no other one."""
        return False
