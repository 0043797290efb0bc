"""How a column of a table gives way when the terminal is narrow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """How a column of a table gives way: columns with a higher `rank` leave first, and those with 0 stay.

    `wraps` puts a long text on several lines, between words; `whole` never cuts it. Other long texts are cut.
    """

    heading: str
    rank: int = 0
    wraps: bool = False
    whole: bool = False
