"""Texts in CSV that no spreadsheet takes for a formula (https://owasp.org/www-community/attacks/CSV_Injection)."""

from __future__ import annotations

import re
from typing import Any

#: How a formula begins; the wide and small forms are for East Asian versions.
_SIGNS = "[=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212]"
#: What stands before it unseen: blanks, controls, marks without a width, and quotation marks of the format itself.
_UNSEEN = r"[\s\"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
#: Where a spreadsheet takes what follows for a formula: at the beginning of a cell, and where a new one begins if
#: semicolons or tabs are separators, as in a German Excel, to which a comma and the marks around a text mean nothing.
_BEGIN = re.compile(rf"{_UNSEEN}*{_SIGNS}")
_WITHIN = re.compile(rf"(?<=[;\t\r\n\x0b\x0c\x85\u2028\u2029])(?={_UNSEEN}{{0,200}}{_SIGNS})")


def inert(cell: Any) -> Any:
    """Returns a cell of CSV; a text that a spreadsheet would take for a formula gets an apostrophe in front of that."""
    if not isinstance(cell, str):
        return cell
    return ("'" if _BEGIN.match(cell) else "") + _WITHIN.sub("'", cell)
