"""Cuts what entries hold: names, and changes of large attributes."""

from __future__ import annotations

from typing import Any

import orjson

Json = Any

#: Characters kept of a name: a group's name stands in the entry of each member that comes or goes.
LONGEST_NAME = 200
#: Bytes of changes that are recorded as they are. An attribute with 2,000 values, to which a client adds one after the
#: other, would fill the journal with all of them each time.
_LARGEST_CHANGES = 32 * 1024
#: Characters of a text, and items of a list, in larger changes.
_LONGEST_TEXT = 500
_MOST_ITEMS = 20


def short(name: str | None) -> str | None:
    """A name, cut when it is long, for entries and errors; None stays None."""
    return name if name is None or len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"


def changes_text(changes: dict[str, list[Json]]) -> str:
    """Changes as JSON: attribute path to [from, to]; of large ones the differences, cut."""
    text = orjson.dumps(changes)
    if len(text) > _LARGEST_CHANGES:
        text = orjson.dumps({path: _difference(*change) for path, change in changes.items()})
    return text.decode()


def _difference(before: Json, after: Json) -> list[Json]:
    """A change without the items that both sides have, which are counted in their place."""
    if not isinstance(before, list) or not isinstance(after, list):
        return [_brief(before), _brief(after)]
    keys = [{orjson.dumps(item): item for item in side} for side in (before, after)]
    shared = keys[0].keys() & keys[1].keys()
    rest = [f"… and {len(shared):,} unchanged"] if shared else []
    return [[*_brief([item for key, item in side.items() if key not in shared]), *rest] for side in keys]


def _brief(value: Json) -> Json:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}…"
    if isinstance(value, dict):
        return {name: _brief(inner) for name, inner in value.items()}
    if isinstance(value, list):
        more = [f"… and {len(value) - _MOST_ITEMS:,} more"] if len(value) > _MOST_ITEMS else []
        return [*map(_brief, value[:_MOST_ITEMS]), *more]
    return value
