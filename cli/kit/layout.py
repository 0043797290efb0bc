"""How a column of a table gives way when the terminal is narrow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """How a column of a table gives way: columns with a higher `rank` leave first, and those with 0 stay.

    `wraps` puts a long text on several lines, between words; `whole` never cuts it. Other long texts are cut.
    The cells of a column with `lines` may have several lines; in any other a line feed is an escape, because a name
    could forge a row with it.
    """

    heading: str
    rank: int = 0
    wraps: bool = False
    whole: bool = False
    lines: bool = False
