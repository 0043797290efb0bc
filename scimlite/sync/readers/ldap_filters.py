"""Filters of LDAP as operators write them (RFC 4515), and numbers of options."""

from __future__ import annotations

from ..reading import Opening, SourceError

_MOST = 100_000


def checked(option: str, opening: Opening) -> str | None:
    """The filter of an option, in brackets; None without one. Raises SourceError for one that cannot be.

    It is put into a larger one, so that brackets which do not match would make something else of that.
    """
    text = (opening.text(option) or "").strip()
    if not text:
        return None
    whole = text if text.startswith("(") else f"({text})"
    depth = 0
    for place, letter in enumerate(whole):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth <= 0 and place < len(whole) - 1:
            depth = -1
            break
    if depth != 0 or "=" not in whole:
        raise SourceError(f"--{option} is no LDAP filter such as (department=*) or (&(title=Chief)(!(l=Rome))): {text}")
    return whole


def number(option: str, text: str) -> int:
    """The number in an option. Raises SourceError."""
    if not text.isdigit() or int(text) > _MOST:
        raise SourceError(f"--{option} is a number from 0 to {_MOST:,}, not {text!r}.")
    return int(text)
