"""Numbers of bytes and of things for people."""

from __future__ import annotations


def spoken_size(count: int) -> str:
    """Return a number of bytes with a unit that people read."""
    if count < 1000:
        return f"{count} bytes"
    amount = count / 1000
    for unit in ("kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def counted(number: int, noun: str) -> str:
    """Return a number of things, such as `1 group` and `2,000 groups`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
