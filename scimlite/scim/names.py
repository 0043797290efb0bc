"""Names: how texts are compared without case, and which texts can be the userName of a user."""

from __future__ import annotations

import re
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


#: Characters that nobody sees in a name (RFC 8264 section 9.13): two people could look the same, and a copied name
#: would be another one. Joiners, variation selectors and tags are no such ones: letters and emoji are made with them.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001]"
)


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
    """Raises InvalidValue for a userName with white space at an end, or with a control or invisible character.

    RFC 8265 section 3.3 forbids them, and blanks inside too, which real directories have: those are allowed.
    """
    if name != name.strip():
        raise InvalidValue(f"userName {quote(name)} begins or ends with white space.")
    if not name.isprintable() and any(unicodedata.category(char) == "Cc" for char in name):
        raise InvalidValue(f"userName {quote(name)} has a control character.")
    if not name.isascii() and (invisible := _INVISIBLE.search(name)):
        raise InvalidValue(f"userName {quote(name)} has the invisible character U+{ord(invisible[0]):04X}.")
