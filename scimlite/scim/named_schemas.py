"""The member `schemas`: the URNs by which a body states what it is (RFC 7643 section 3, RFC 7644 section 3.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from .leniency import Leniency, note
from .path import quote

Json = Any


def check(named: Json, urn: str, known: Collection[str] = (), used: Iterable[str] = ()) -> str | None:
    """Returns what is wrong with a body's `schemas`, in words, and notes the leniency; None when nothing is.

    In: the value of the member, None without one; `urn`, which it must name; `known`, in lower case, the other URNs
    that it may name; `used`, those of them that it must name because the body has values under them.
    """
    if named == [urn] and not used:
        return None
    if not named or not isinstance(named, list):
        note(Leniency.MISSING_SCHEMAS)
        return f"schemas is missing: it names {urn}."
    lower = [name.lower() for name in named if isinstance(name, str)]
    problem = next((f"schemas does not name {need}." for need in (urn, *used) if need.lower() not in lower), None)
    if problem is None:
        strange = (name for name in lower if name != urn.lower() and name not in known)
        problem = next((f"schemas names {quote(name, most=200)}, which is not known here." for name in strange), None)
    if problem is not None:
        note(Leniency.WRONG_SCHEMAS)
    return problem
