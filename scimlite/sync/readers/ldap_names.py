"""Distinguished names, compared as directories compare them (RFC 4514, and RFC 4517 section 4.2.15). Pure."""

from __future__ import annotations

import re

#: A name in which nothing is escaped, quoted or joined, and no blank stands where it has no meaning.
_PLAIN = re.compile(r"(?:[A-Za-z0-9.-]+=[^ \\\"+,=#;<>][^\\\"+,=;<>]*(?:,(?=[^ ])|$))+")
_BLANKS = re.compile(r" +")


def normal(name: str) -> str:
    """The form by which two spellings of a distinguished name are the same; a text that is none stays as it is."""
    if _PLAIN.fullmatch(name) and "  " not in name and " ," not in name and not name.endswith(" "):
        return name.lower()
    from ldap import DECODING_ERROR
    from ldap.dn import str2dn

    try:
        parts = str2dn(name)
    except DECODING_ERROR:
        return name.lower()
    return ",".join("+".join(sorted(_pair(type, value) for type, value, _ in part)) for part in parts)


def _pair(type: str, value: str) -> str:
    folded = _BLANKS.sub(" ", value.strip()).lower()
    escaped = re.sub(r'([\\",+=;<>#])', r"\\\1", folded)
    return f"{type.lower()}={escaped}"


def unique_member(value: str) -> str:
    """The distinguished name in a value of uniqueMember, which a bit string may follow (RFC 4517 section 3.3.21)."""
    return re.sub(r"#'[01]*'B$", "", value)
