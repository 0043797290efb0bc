"""The members of a large group in Active Directory, which come in parts: `member;range=0-1499` and so on.

A small group may come as `member`, or as a part that ends with `*`; a large one as an empty `member` with the first
part beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ..reading import IncompleteError

Given = Mapping[str, Sequence[bytes]]
#: Reads attributes of one entry; None when it is gone.
Ask = Callable[[str, Sequence[str]], Given | None]

_PART = re.compile(r"member;range=(\d+)-(\d+|\*)")
#: The number that grows with each change of an entry.
_VERSION = "usnchanged"
#: How often a group is read that changes meanwhile.
_TRIES = 5


def asked(begin: int, step: int) -> list[str]:
    """The attributes that give a part of the members, and the version of the group."""
    return [f"member;range={begin}-{begin + step - 1}", "uSNChanged"]


def members(name: str, given: Given, ask: Ask, step: int) -> Sequence[bytes]:
    """All members of a group, of which one answer is there. Raises IncompleteError.

    In: the answer; what reads the next part; how many members are asked for at once.
    """
    found: Given | None = given
    for _ in range(_TRIES):
        lower = {key.lower(): values for key, values in (found or {}).items()}
        if not any(map(_PART.fullmatch, lower)):
            return lower.get("member", ())
        made = _joined(name, lower, ask, step)
        if made is not None:
            return made
        found = ask(name, asked(0, step))
    raise IncompleteError(f"The members of {name} change faster than they can be read; nothing was done.")


def _joined(name: str, given: Given, ask: Ask, step: int) -> list[bytes] | None:
    """The parts one after the other; None when the group changed meanwhile, so that they do not fit together."""
    made: list[bytes] = []
    version = given.get(_VERSION)
    while True:
        part = next((match for key in given if (match := _PART.fullmatch(key))), None)
        if part is None or int(part[1]) != len(made) or given.get(_VERSION) != version:
            return None
        made += given[part[0]]
        if part[2] == "*":
            return made
        if len(made) != int(part[2]) + 1:
            return None
        given = {key.lower(): values for key, values in (ask(name, asked(len(made), step)) or {}).items()}
