"""The texts of the console in the language of who reads them: gettext's catalogues, and which one a request gets.

`_()` translates a text; `later()` marks one that is translated where it is shown. `make texts` collects both, those of
the templates, and the words of closed lists, in translations/console.pot.
"""

from __future__ import annotations

import gettext as gettexts
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from werkzeug.datastructures import LanguageAccept

from ...errors import ConfigError

#: Where a language has its catalogue: `de/LC_MESSAGES/console.mo`.
FOLDER = Path(__file__).parent / "translations"
_DOMAIN = "console"
#: The language of the texts in the code.
_ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class _Language:
    """A language with its catalogue."""

    code: str
    catalogue: gettexts.NullTranslations


_BUILT_IN = _Language(_ENGLISH, gettexts.NullTranslations())
_current: ContextVar[_Language] = ContextVar("language", default=_BUILT_IN)


class Languages:
    """The languages that the console can speak: English, and each that has a catalogue."""

    def __init__(self, chosen: str | None = None) -> None:
        """In: `chosen`, the language for everybody; None for what each browser asks for. Raises ConfigError."""
        files = sorted(FOLDER.glob(f"*/LC_MESSAGES/{_DOMAIN}.mo"))
        self._known: Mapping[str, _Language] = {_ENGLISH: _BUILT_IN} | {
            _code(file): _Language(_code(file), _read(file)) for file in files
        }
        if chosen is not None and chosen not in self._known:
            known = ", ".join(sorted(self._known))
            raise ConfigError("SCIMLITE_CONSOLE_LANGUAGE", f"is {chosen!r}: the console has texts in {known}")
        self._chosen = chosen

    def begin(self, accepted: LanguageAccept) -> None:
        """Has this context speak the language that was chosen, or the one that a browser likes best."""
        code = self._chosen or accepted.best_match(list(self._known), default=_ENGLISH)
        _current.set(self._known[code or _ENGLISH])


def _code(file: Path) -> str:
    """The language of a catalogue as HTML and browsers write it: `pt-BR`."""
    return file.parent.parent.name.replace("_", "-")


def _read(file: Path) -> gettexts.NullTranslations:
    with file.open("rb") as content:
        return gettexts.GNUTranslations(content)


def language() -> str:
    """Returns the language of this context, for the attribute `lang`."""
    return _current.get().code


def translated(text: str) -> str:
    """Returns a text in the language of this context; an empty one stays empty."""
    # A catalogue has its own description under the empty text.
    return _current.get().catalogue.gettext(text) if text else text


def translated_number(single: str, many: str, number: int) -> str:
    """Returns one of two texts, by a number."""
    return _current.get().catalogue.ngettext(single, many, number)


def _(text: str, **values: object) -> str:
    """Returns a text in the language of this context, with values in its places `%(name)s`."""
    found = translated(text)
    return found % values if values else found


def later(text: str) -> str:
    """Returns the text as it is, so that it is collected; `_` translates it where it is shown."""
    return text
