"""The member `schemas`: the URNs by which a body states what it is (RFC 7643 section 3, RFC 7644 section 3.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from .leniency import Leniency, note
from .path import quote

Json = Any


def check(named: Json, urn: str, known: Collection[str] = (), used: Iterable[str] = ()) -> None:
    """Notes the leniency with which a body's `schemas` is taken; in: as for `problem`."""
    # As most clients write it; comparing word by word takes 3 us.
    if named != [urn, *used]:
        found = problem(named, urn, known, used)
        if found is not None:
            note(found[0])


def problem(
    named: Json, urn: str, known: Collection[str] = (), used: Iterable[str] = ()
) -> tuple[Leniency, str] | None:
    """Returns what is wrong with a body's `schemas`, as a leniency and in words; None when nothing is.

    In: the value of the member, None without one; `urn`, which it must name; `known`, in lower case, the other URNs
    that it may name; `used`, those of them that it must name because the body has values under them.
    """
    if not named or not isinstance(named, list):
        return Leniency.MISSING_SCHEMAS, f"schemas is missing: it names {urn}."
    lower = [name.lower() for name in named if isinstance(name, str)]
    for needed in (urn, *used):
        if needed.lower() not in lower:
            return Leniency.WRONG_SCHEMAS, f"schemas does not name {needed}."
    for name in lower:
        if name != urn.lower() and name not in known:
            return Leniency.WRONG_SCHEMAS, f"schemas names {quote(name, most=200)}, which is not known here."
    return None
