"""Names: how texts are compared without case, and which texts can be the userName of a user."""

from __future__ import annotations

import unicodedata

from ..errors import InvalidValue
from .path import quote


def _widths() -> dict[int, str]:
    """Full-width and half-width characters with the characters that they are variants of (UAX #11)."""
    variants: dict[int, str] = {}
    for code in (0x3000, *range(0xFF01, 0xFFEF)):
        kind, _, codes = unicodedata.decomposition(chr(code)).partition(" ")
        if kind in ("<wide>", "<narrow>"):
            variants[code] = "".join(chr(int(part, 16)) for part in codes.split())
    return variants


_WIDTHS = _widths()


def fold(text: str) -> str:
    """The text as it is compared without case: UsernameCaseMapped of RFC 8265 section 3.3.

    Width variants become what they are variants of, each character its lower case, the whole NFC. Letters that are
    different stay different: `ß` is not `ss`, and the Greek sigma at the end of a word is not the other small sigma.
    """
    if text.isascii():
        return text.lower()
    # The capital sigma by itself: lower() would choose one of two small ones by the letters around it.
    mapped = text.translate(_WIDTHS).replace("\u03a3", "\u03c3").lower()
    return unicodedata.normalize("NFC", mapped)


def check_user_name(name: str) -> None:
    """Raises InvalidValue for a userName with white space at an end, or with a control character.

    RFC 8265 section 3.3 forbids both, and blanks inside too, which real directories have: those are allowed.
    """
    if name != name.strip():
        raise InvalidValue(f"userName {quote(name)} begins or ends with white space.")
    if not name.isprintable() and any(unicodedata.category(char) == "Cc" for char in name):
        raise InvalidValue(f"userName {quote(name)} has a control character.")
