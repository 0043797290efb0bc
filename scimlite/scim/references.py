"""References of links in the filters of PATCH paths: URLs such as `<base URL>/Users/<id>` (RFC 7643 section 2.4)."""

from __future__ import annotations

import re

from ..errors import InvalidFilter
from .attribute import Attribute
from .filter import And, Compare, Filter, Not, Or
from .path import quote

#: Characters of a URL that an error repeats.
_LONGEST_URL = 120
_END_OF_ID = re.compile(r"[0-9A-Za-z-]+")


def check(term: Filter, links: Attribute, base: str, *, negated: bool = False) -> None:
    """Raises InvalidFilter for a `$ref` which no link can have, where the filter asks for those that do not have it.

    Such a filter matches every link: a client that knows the service by another URL would remove them all. In: the
    filter of a value path of `links`, and the app's base URL, with which every reference begins.
    """
    match term:
        case And(terms) | Or(terms):
            for part in terms:
                check(part, links, base, negated=negated)
        case Not(inner):
            check(inner, links, base, negated=True)
        case Compare(path, op, str(text)) if path.name.lower() == "$ref" and (negated or op == "ne"):
            starts = [f"{base}/{end.endpoint}/" for end in links.ends]
            if not any(_can_match(op, text, start) for start in starts):
                raise InvalidFilter(
                    f"{links.path}.$ref: no URL in this app matches {quote(text, most=_LONGEST_URL)}; they begin with "
                    f"{base}/."
                )


def _can_match(op: str, text: str, start: str) -> bool:
    """True when `$ref op text` can hold for a URL that consists of `start` and an id, or for `ne` when `eq` can."""
    match op:
        case "eq" | "ne":
            return text.startswith(start)
        case "sw":
            return text.startswith(start) or start.startswith(text)
        case "co":
            return text in start or _ends_in_id(text, start)
        case "ew":
            return _ends_in_id(text, start)
    return True


def _ends_in_id(text: str, start: str) -> bool:
    """True when a text is the end of `start`, perhaps an empty one, and characters of an id."""
    cuts = range(min(len(start), len(text)) + 1)
    return any(start.endswith(text[:cut]) and _END_OF_ID.fullmatch(text, cut) for cut in cuts)
