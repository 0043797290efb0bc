"""Percent-encoded text (RFC 3986 section 2.1), read without guessing."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_MALFORMED = re.compile("%(?![0-9A-Fa-f]{2})")


def unescaped(text: str, encoding: str = "utf-8") -> str:
    """The text with its escapes replaced.

    In: `encoding`, latin-1 for a text of a WSGI environment, which has one character for each byte (PEP 3333). Raises
    ValueError when an escape is not two hexadecimal digits, or when the bytes are no UTF-8: overlong forms and halves
    of surrogate pairs are none (RFC 3629 section 3).
    """
    if _MALFORMED.search(text):
        raise ValueError("malformed escape")
    return unquote_to_bytes(text.encode(encoding)).decode()


def from_wsgi(text: str) -> str:
    """A text of a WSGI environment, read as the UTF-8 that it is.

    Raises ValueError when the bytes are no UTF-8.
    """
    return text if text.isascii() else text.encode("latin-1").decode()
