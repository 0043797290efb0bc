"""Attributes of a user or group as lines of text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..scim import core

#: Shown by themselves, not among the attributes.
NOT_SHOWN = ("schemas", "id")


def flat(attributes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields attributes one a line: `name.givenName`, `emails`, `department` of an extension."""
    for name, value in attributes.items():
        if name in NOT_SHOWN:
            continue
        if name == core.ENTERPRISE_URN:
            yield from flat(value)
        elif isinstance(value, dict):
            yield from ((f"{name}.{inner}", text) for inner, text in flat(value))
        elif isinstance(value, list):
            yield from ((name, _item(item)) for item in value)
        else:
            yield name, text_of(value)


def _item(value: Any) -> str:
    """Returns one value of a multi-valued attribute: `ann@example.com (work, primary)`."""
    if not isinstance(value, dict):
        return text_of(value)
    marks = [text_of(value["type"])] if value.get("type") else []
    marks += ["primary"] if value.get("primary") else []
    main = value.get("value") or value.get("formatted")
    if main is None:
        main = ", ".join(text_of(inner) for key, inner in value.items() if key not in ("type", "primary"))
    return f"{text_of(main)} ({', '.join(marks)})" if marks else text_of(main)


def text_of(value: Any) -> str:
    """Returns a simple value as text: a text as it is, true, 7."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
