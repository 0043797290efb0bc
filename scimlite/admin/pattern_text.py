"""Makes a text that a regular expression matches, for the connection test.

Python's own parser takes the expression apart: libraries that do it know only the expressions of older Pythons.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterable
from re import _parser  # type: ignore[attr-defined]  # the standard library's parser has no public name
from typing import Any

#: A part of a parsed expression: the name of the operation, and what belongs to it.
_Part = tuple[Any, Any]

_SIGNS = string.digits + string.ascii_letters + "-_.@ "
#: Repetitions of what may be repeated without end.
_FEW = 4
#: Ranges of characters are tried up to this many.
_MOST_CHARACTERS = 2000
_TRIES = 500


def matching(pattern: str, takes: Callable[[str], bool]) -> str | None:
    """Returns a text of printable characters that a regular expression matches as a whole; None when none was found.

    In: `takes`, which tells whether a text is right. What an expression looks ahead or back for is not planned but
    tried, with other choices each time.
    """
    parts = list(_parser.parse(pattern))
    texts = (_Writer().written(parts) for _ in range(_TRIES))
    return next((text for text in texts if text and text.isprintable() and text == text.strip() and takes(text)), None)


class _Writer:
    """Writes one text; where the expression leaves a choice, it is by chance."""

    def __init__(self) -> None:
        #: The texts of the groups, for references back to them.
        self._groups: dict[int, str] = {}

    def written(self, parts: Iterable[_Part]) -> str:
        """Returns a text for parts that follow one another."""
        return "".join(self._part(str(operation), value) for operation, value in parts)

    def _part(self, operation: str, value: Any) -> str:
        match operation:
            case "BRANCH":
                return self.written(random.choice(value[1]))
            case "SUBPATTERN":
                number, *_, parts = value
                text = self.written(parts)
                if number is not None:
                    self._groups[number] = text
                return text
            case "ATOMIC_GROUP":
                return self.written(value)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, parts = value
                times = random.randint(least, min(int(most), least + _FEW))
                return "".join(self.written(parts) for _ in range(times))
            case "GROUPREF":
                return self._groups.get(value, "")
            case "GROUPREF_EXISTS":
                number, there, missing = value
                return self.written(there if number in self._groups else missing or ())
            case "ASSERT":
                # Text that is looked for ahead may stand in front of the rest, or be part of it.
                ahead, parts = value
                return self.written(parts) if ahead > 0 and random.random() < 0.5 else ""
            case "AT" | "ASSERT_NOT":
                return ""
        return random.choice(_characters(operation, value) or [""])


def _characters(operation: str, value: Any) -> list[str]:
    """Returns characters that a part matches which stands for one; the list is not complete where they are many."""
    match operation:
        case "LITERAL":
            return [chr(value)]
        case "RANGE":
            first, last = value
            return [chr(number) for number in range(first, min(last, first + _MOST_CHARACTERS) + 1)]
        case "CATEGORY":
            # The name of a category is CATEGORY_ and a word; the parser's own names of \d, \W and the others.
            escape = _ESCAPES[str(value).removeprefix("CATEGORY_").replace("UNI_", "")]
            return [sign for sign in _SIGNS if re.fullmatch(escape, sign)]
        case "IN":
            negated = str(value[0][0]) == "NEGATE"
            listed = [sign for part in value[negated:] for sign in _characters(str(part[0]), part[1])]
            return [sign for sign in _SIGNS if sign not in listed] if negated else listed
        case "NOT_LITERAL":
            return [sign for sign in _SIGNS if sign != chr(value)]
    # ANY
    return list(_SIGNS)


_ESCAPES = {
    "DIGIT": r"\d",
    "NOT_DIGIT": r"\D",
    "SPACE": r"\s",
    "NOT_SPACE": r"\S",
    "WORD": r"\w",
    "NOT_WORD": r"\W",
}
