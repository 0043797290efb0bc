"""What templates of the console can use: filters, and texts that can be translated."""

from __future__ import annotations

from datetime import UTC, datetime

from jinja2 import Environment

from ... import visible_text
from ...admin import wording
from . import texts


def prepare(environment: Environment) -> None:
    """Gives an environment the console's filters, and `_()` and `{% trans %}` in the language of a request."""
    environment.filters.update(
        visible=visible, visible_lines=visible_text.visible_lines, spelled=wording.spelled, utc=utc
    )
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # the extension brings it
        texts.translated, texts.translated_number, newstyle=True
    )


def visible(value: object) -> str:
    """Returns a value as text in which control characters and characters that reorder letters are escapes."""
    return "" if value is None else visible_text.visible(str(value))


def utc(microseconds: int) -> str:
    """Returns a time of the database as HTML wants it: 2026-11-27T05:08:13Z."""
    seconds, rest = divmod(microseconds, 1_000_000)
    fraction = f".{rest // 1000:03}" if rest else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
