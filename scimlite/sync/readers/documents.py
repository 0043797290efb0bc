"""A JSON document as the values of an entry: `name.givenName`, `emails`, `emails.work`, `addresses.work.locality`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = Any

#: The part of an item that is its value.
_VALUES = ("value", "address")


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
    text = _text(value)
    if text is not None:
        if text:
            made.setdefault(path, []).append(text)
    elif isinstance(value, dict):
        _put_object(made, path, value)
    elif isinstance(value, list):
        texts = [text for each in value if (text := _text(each))]
        if texts:
            made[path] = texts
        _put_items(made, path, [each for each in value if isinstance(each, dict)])


def _put_object(made: dict[str, list[str]], path: str, value: Mapping[str, Json]) -> None:
    main = _main(value)
    if main:
        made[path] = [main]
    for name, part in value.items():
        _put(made, f"{path}.{name}", part)


def _put_items(made: dict[str, list[str]], path: str, items: Sequence[Mapping[str, Json]]) -> None:
    labels: set[str] = set()
    for number, item in enumerate(sorted(items, key=lambda each: _of(each, "primary") is not True)):
        label = _text(_of(item, "type")) or "work"
        main = _main(item)
        if main:
            made.setdefault(path, []).append(main)
            made.setdefault(f"{path}.{label}", []).append(main)
        for name, part in item.items():
            if number == 0:
                _put(made, f"{path}.{name}", part)
            if label not in labels:
                _put(made, f"{path}.{label}.{name}", part)
        labels.add(label)


def _main(item: Mapping[str, Json]) -> str | None:
    return next((text for name in _VALUES if (text := _text(_of(item, name)))), None)


def _of(item: Mapping[str, Json], name: str) -> Json:
    """A part of an object, whatever the case of its name."""
    if name in item:
        return item[name]
    return next((value for key, value in item.items() if key.lower() == name), None)


def _text(value: Json) -> str | None:
    """A value that is no list and no object as text; an empty one for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None
