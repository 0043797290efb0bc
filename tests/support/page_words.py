"""The words of a page that are in no marks, for a language in which every text of the console stands in «marks»."""

from __future__ import annotations

import re
from html.parser import HTMLParser

#: Elements with values, names and commands.
_VALUES = {"code", "bdi", "kbd", "pre", "time", "script", "style", "option"}
#: Attributes that people read.
_READ = ("aria-label", "placeholder", "data-confirm")


class _Texts(HTMLParser):
    """The texts of a page, those of attributes after the one of the element before them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in _READ and value]
        if tag in _VALUES:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        # A value stands for itself within a marked text.
        self.found.append("" if self._inside else data)


def unmarked(source: str) -> list[str]:
    """The words between the marks that are not in any."""
    texts = _Texts()
    texts.feed(source)
    rest = re.sub(r"«[^«»]*»", " ", re.sub(r"«[^«»]*»", " ", "\n".join(texts.found)))
    return [line.strip() for line in rest.splitlines() if re.search(r"[A-Za-z]{3}", line)]
