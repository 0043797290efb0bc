"""Closed lists whose members have a name for programs and words for people."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Worded(StrEnum):
    """A member is written `NAME = "name", "words"`: it is the text of its name, and has its words beside it."""

    words: str

    def __new__(cls, name: str, words: str) -> Worded:
        """A member with its name and the words that an operator reads, such as `bare filter literals`."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.words = words
        return member

    @classmethod
    def named(cls, name: str) -> Self:
        """The member with this name for programs. Raises KeyError when there is none."""
        found: Self = cls._value2member_map_[name]  # type: ignore[assignment]  # the map is of this very class
        return found
