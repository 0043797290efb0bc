"""Distinguished names, compared as directories compare them (RFC 4514, and RFC 4517 section 4.2.15). Pure."""

from __future__ import annotations

import re
from unicodedata import is_normalized, normalize

#: A name in which nothing is escaped, quoted or joined, and no blank stands where it has no meaning.
_PLAIN = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*=[^ \\\"+,=#;<>][^\\\"+,=;<>]*(?:,(?=[^ ])|$))+")
_BLANKS = re.compile(r" +")
#: The types that RFC 4514 has names for, by their numbers.
_TYPES = {
    "2.5.4.3": "cn",
    "2.5.4.6": "c",
    "2.5.4.7": "l",
    "2.5.4.8": "st",
    "2.5.4.9": "street",
    "2.5.4.10": "o",
    "2.5.4.11": "ou",
    "0.9.2342.19200300.100.1.1": "uid",
    "0.9.2342.19200300.100.1.25": "dc",
}


def normal(name: str) -> str:
    """The form by which two spellings of a distinguished name are the same; a text that is none stays as it is."""
    if _PLAIN.fullmatch(name) and "  " not in name and " ," not in name and not name.endswith(" "):
        return name.lower() if name.isascii() else _folded(name)
    from ldap import DECODING_ERROR
    from ldap.dn import str2dn

    try:
        parts = str2dn(name)
    except DECODING_ERROR:
        return name.lower()
    return ",".join("+".join(sorted(_pair(type, value) for type, value, _ in part)) for part in parts)


def below(name: str, base: str) -> bool:
    """True when a name is a base or below it; both are normal."""
    return name == base or not base or name.endswith(f",{base}")


def unique_member(value: str) -> str:
    """The distinguished name in a value of uniqueMember, which a bit string may follow (RFC 4517 section 3.3.21)."""
    return re.sub(r"#'[01]*'B$", "", value)


def _pair(type: str, value: str) -> str:
    folded = _folded(_BLANKS.sub(" ", value.strip(" ")))
    escaped = re.sub(r'([\\",+=;<>]|^#)', r"\\\1", folded)
    return f"{_TYPES.get(type, type.lower())}={escaped}"


def _folded(text: str) -> str:
    """A text without what case and the composition of letters make different."""
    return (text if is_normalized("NFC", text) else normalize("NFC", text)).casefold()
