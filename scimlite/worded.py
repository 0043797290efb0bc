"""Closed lists whose members have a name for programs and words for people."""

from __future__ import annotations

from enum import StrEnum


class Worded(StrEnum):
    """A member is written `NAME = "name", "words"`: it is the text of its name, and has its words beside it."""

    words: str

    def __new__(cls, name: str, words: str) -> Worded:
        """A member with its name and the words that an operator reads, such as `bare filter literals`."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.words = words
        return member
