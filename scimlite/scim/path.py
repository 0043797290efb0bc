"""Attribute paths (RFC 7644 section 3.10)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ..errors import InvalidPath
from .leniency import Leniency, note

BLANKS = " \t\r\n"

# ATTRNAME of RFC 7644 section 3.4.2.2, and "$" in front for "$ref" (RFC 7643 section 2.4).
_NAME = r"\$?[A-Za-z][A-Za-z0-9_-]*"
_DOTTED_NAME = re.compile(rf"({_NAME})(?:\.({_NAME}))?")
_SUB_ATTRIBUTE = re.compile(rf"\.({_NAME})")
# RFC 3986 without "[]()", which end a path in a filter.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+(?<!:)")


@dataclass(frozen=True, slots=True)
class AttrPath:
    """An attribute path as it was written; names and URNs compare without case (RFC 7644 section 3.10)."""

    #: Empty when the path is a schema URN alone, which stands for every attribute of the schema.
    name: str
    sub: str | None = None
    #: The schema URN without its trailing colon; None when the path is not qualified.
    urn: str | None = None

    def __str__(self) -> str:
        dotted = f"{self.name}.{self.sub}" if self.sub else self.name
        return ":".join(part for part in (self.urn, dotted) if part)


def parse_attr_path(text: str, urns: Collection[str] = ()) -> AttrPath:
    """Reads `name`, `name.sub`, `URN:name`, `URN:name.sub` or, for a URN in `urns`, the URN alone.

    Raises InvalidPath for any other text.
    """
    path = split_attr_path(text.strip(BLANKS), urns)
    if path is None:
        raise InvalidPath(
            f"{quote(text)} is not an attribute: expected name, name.sub or one of them after a schema URN."
        )
    return path


def split_attr_path(text: str, urns: Collection[str] = ()) -> AttrPath | None:
    """Reads an attribute path; None when it is malformed, for callers with an error of their own."""
    if ":" not in text:
        match = _DOTTED_NAME.fullmatch(text)
        return AttrPath(match[1], match[2]) if match else None
    if not text.isascii():
        return None
    return _split_after_known_urn(text, urns) or _split_at_last_colon(text)


def is_attribute_name(text: str) -> bool:
    """True for a text that can name an attribute."""
    return re.fullmatch(_NAME, text) is not None


def is_urn(text: str) -> bool:
    """True for a text that can be the URN of a schema."""
    return text.lower().startswith("urn:") and _URI.fullmatch(text) is not None


def split_sub_attribute(text: str) -> str | None:
    """Reads the `.sub` that may follow a value filter; None for any other text."""
    match = _SUB_ATTRIBUTE.fullmatch(text)
    return match[1] if match else None


def quote(text: str, start: int = 0, most: int = 40) -> str:
    """At most `most` characters of `text` in quotation marks, for error messages: safe to print and to encode."""
    shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[start : start + most])
    return f"“{shown}”" if len(text) <= start + most else f"“{shown}…”"


def _split_after_known_urn(text: str, urns: Collection[str]) -> AttrPath | None:
    """Splits after the longest known URN at the beginning of `text`; None when there is none.

    The syntax alone cannot tell `…:2.0:User` (a schema) from `…:2.0` and its attribute `User`. A dot may stand
    for the colon: Entra's reference collection sends `…:enterprise:2.0:User.manager`
    (AzureAD/SCIMReferenceCode, SCIM Inbound.postman_collection.json).
    """
    folded = text.lower()
    for urn in sorted((urn for urn in urns if folded.startswith(urn.lower())), key=len, reverse=True):
        if len(urn) == len(text):
            return AttrPath("", urn=text)
        match = _DOTTED_NAME.fullmatch(text, len(urn) + 1)
        if match and text[len(urn)] in ":.":
            if text[len(urn)] == ".":
                note(Leniency.DOTTED_URN)
            return AttrPath(match[1], match[2], text[: len(urn)])
    return None


def _split_at_last_colon(text: str) -> AttrPath | None:
    """Splits before the last colon, for unknown URNs; never at a dot, because URNs hold dots ("2.0")."""
    urn, _, dotted = text.rpartition(":")
    match = _DOTTED_NAME.fullmatch(dotted)
    return AttrPath(match[1], match[2], urn) if match and _URI.fullmatch(urn) else None
