"""A JSON document as the values of an entry: `name.givenName`, `emails`, `emails.work`, `addresses.work.locality`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Any

#: The part of an item that is its value.
_VALUES = ("value", "address")
_NOT_PARTS = frozenset(("type", *_VALUES))


def values_of(document: Mapping[str, Json], leave_out: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """The values of a document by path; what is null or empty is no key.

    Of a list of objects, the primary one first: `emails` is all their values, `emails.work` those of the type work,
    `emails.work.primary` a part of the first of that type, and `organizations.title` a part of the first at all.
    In: `leave_out`, attributes at the top, in lower case.
    """
    made: dict[str, list[str]] = {}
    for name, value in document.items():
        if name.lower() in leave_out:
            continue
        if name.lower().startswith("urn:") and isinstance(value, dict):
            # A SCIM extension: its attributes stand behind the URN and a colon.
            for inner, part in value.items():
                _put(made, f"{name}:{inner}", part)
        else:
            _put(made, name, value)
    return made


def _put(made: dict[str, list[str]], path: str, value: Json) -> None:
    if type(value) is str:
        # Most values are texts, so that they come first.
        if value:
            made[path] = [value]
    elif isinstance(value, dict):
        main = _main(value)
        if main:
            made[path] = [main]
        for name, part in value.items():
            _put(made, f"{path}.{name}", part)
    elif isinstance(value, list):
        texts = [text for each in value if (text := _text(each))]
        if texts:
            made[path] = texts
        else:
            _put_items(made, path, [each for each in value if isinstance(each, dict)])
    elif text := _text(value):
        made[path] = [text]


def _put_items(made: dict[str, list[str]], path: str, items: list[Mapping[str, Json]]) -> None:
    labels: set[str] = set()
    if len(items) > 1:
        items.sort(key=lambda each: _of(each, "primary") is not True)
    for number, item in enumerate(items):
        label = _text(_of(item, "type")) or "work"
        main = _main(item)
        if main:
            made.setdefault(path, []).append(main)
            made.setdefault(f"{path}.{label}", []).append(main)
        if number and label in labels:
            continue
        for name, part in item.items():
            # The value itself is there already.
            if name.lower() not in _NOT_PARTS:
                if number == 0:
                    _put(made, f"{path}.{name}", part)
                if label not in labels:
                    _put(made, f"{path}.{label}.{name}", part)
        labels.add(label)


def _main(item: Mapping[str, Json]) -> str | None:
    return next((text for name in _VALUES if (text := _text(_of(item, name)))), None)


def _of(item: Mapping[str, Json], name: str) -> Json:
    """A part of an object, whose name may begin with a capital."""
    found = item.get(name)
    return item.get(name.capitalize()) if found is None else found


def _text(value: Json) -> str | None:
    """A value that is no list and no object as text; None for these, and for null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None
