"""Texts of people's output that fit a width, measured in the columns of a terminal."""

from __future__ import annotations

import re
import sys

from scimlite.visible_text import visible

from .streams import takes_unicode

#: What stays on one line: a command up to the end of its sentence, which people copy, and a time.
_WHOLE = re.compile(
    r"scimlite [^.,;:()`]*[^.,;:()` ]|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?: [A-Z]{3,5}\b)?"
)
_UNBROKEN = "\N{NO-BREAK SPACE}"


def shown(text: str) -> str:
    """Return a text as people get it on stdout, so that its length is known: without what would steer a terminal."""
    safe = visible(text)
    if safe.isascii() or takes_unicode():
        return safe
    return safe.encode(sys.stdout.encoding, "scimlite").decode(sys.stdout.encoding)


def size_of(text: str) -> int:
    """Return the columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    # Imported here and below, because rich takes some 20 ms that plain texts need not.
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, size: int) -> str:
    """Return a text that is not longer than `size` columns; one that was cut ends in …."""
    if size_of(text) <= size:
        return text
    from rich.cells import set_cell_size

    end = shown("…")
    return f"{set_cell_size(text, max(size - len(end), 0)).rstrip()}{end}"


def wrapped(text: str, size: int) -> list[str]:
    """Return a text as lines of at most `size` columns, broken between words.

    A word that is longer stays whole, unless its script writes several columns a character, often without blanks.
    """
    lines = [""]
    for word in _WHOLE.sub(lambda whole: whole[0].replace(" ", _UNBROKEN), text).split(" "):
        for part in _parts(word, size):
            longer = f"{lines[-1]} {part}" if lines[-1] else part
            if lines[-1] and size_of(longer) > size:
                lines.append(part)
            else:
                lines[-1] = longer
    return [line.replace(_UNBROKEN, " ").rstrip() for line in lines]


def _parts(word: str, size: int) -> list[str]:
    """Return a word that fits, or cannot be broken, as it is; else its parts."""
    if size_of(word) <= size or size_of(word) == len(word):
        return [word]
    from rich.cells import chop_cells

    return chop_cells(word, size)
