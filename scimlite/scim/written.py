"""Numbers of a JSON body as they are written there, for the rare number that stands where a text belongs.

A parser keeps 1.50 as 1.5, and 25 digits as 1e+24. Parsing every body so that it keeps the texts would double the time,
so the body is remembered, and is parsed again when a text is asked for.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

Json = Any


class _Body:
    """A body, its value, and the texts of the floats in the value by their identity."""

    def __init__(self, raw: bytes, value: Json) -> None:
        self._raw = raw
        # Keeps the floats alive, so that no other object gets the identity of one.
        self._value = value
        self._texts: dict[int, str] | None = None

    def text(self, number: float) -> str | None:
        """The text of a float of the value; None for a float from elsewhere."""
        if self._texts is None:
            self._texts = {}
            _add_texts(self._texts, self._value, json.loads(self._raw, parse_float=_Text, parse_int=_Text))
        return self._texts.get(id(number))


class _Text(str):
    """A number as it is written; a text in quotation marks is no such one."""

    __slots__ = ()


def _add_texts(texts: dict[int, str], value: Json, written: Json) -> None:
    """Adds the texts of the floats in a value; `written` is the same value with texts for numbers."""
    if isinstance(value, float):
        texts[id(value)] = str(written)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _add_texts(texts, inner, written[name])
    elif isinstance(value, list):
        for inner, text in zip(value, written, strict=True):
            _add_texts(texts, inner, text)


_body: ContextVar[_Body | None] = ContextVar("body", default=None)


def remember(raw: bytes, value: Json) -> None:
    """Keeps a body and its value, so that `text` knows its numbers; one body at a time in each context."""
    _body.set(_Body(raw, value))


def forget() -> None:
    """Lets go of the body, which may hold a password."""
    _body.set(None)


def text(number: float) -> str:
    """The text of a number as it is written in the body; that of Python for a number from elsewhere."""
    body = _body.get()
    known = body.text(number) if body is not None and isinstance(number, float) else None
    return known if known is not None else str(number)
