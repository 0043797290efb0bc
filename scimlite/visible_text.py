"""Text from outside as a terminal or a log may show it: what nobody sees, or what steers, becomes an escape."""

from __future__ import annotations

import json
import re

#: In a JSON document control characters of ASCII are escapes already.
_PERHAPS_UNSEEN = re.compile(r"[^\n\x20-\x7e]")


def visible(text: str) -> str:
    """Returns a text in which control characters and characters that reorder letters are escapes such as \\x1b.

    Names come from outside, and must not steer a terminal. Joiners stay, because some scripts and emoji need them.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_shown(char) else char.encode("unicode_escape").decode() for char in text)


def visible_lines(text: str) -> str:
    """Returns a text of several lines, of which each is as `visible` gives it."""
    return "\n".join(map(visible, text.split("\n")))


def visible_json(text: str) -> str:
    """Returns a JSON document, which means the same, with escapes for the characters that `visible` escapes."""
    return _PERHAPS_UNSEEN.sub(lambda match: match[0] if _is_shown(match[0]) else json.dumps(match[0])[1:-1], text)


def _is_shown(char: str) -> bool:
    return char.isprintable() or char in "\u200c\u200d"
