"""Collects the texts of the console in translations/console.pot: `make texts`. A test compares it with the code.

They are in the templates, in the pages' files, and in closed lists of admin/ whose words the templates translate.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import fields

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from scimlite.admin.contact import Contact
from scimlite.admin.features import SECTIONS
from scimlite.admin.first_steps import Milestone
from scimlite.admin.health import Health, State
from scimlite.admin.identity_providers import PROVIDERS
from scimlite.apps.features import AppSettings
from scimlite.apps.refused_tokens import Cause
from scimlite.journal import Action, Actor, Outcome
from scimlite.operators.roles import Role
from scimlite.operators.sessions import Way
from scimlite.scim.leniency import Leniency
from scimlite.web.console import texts

ROOT = texts.FOLDER.parent
POT = texts.FOLDER / "console.pot"
_METHODS = [("templates/**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
_OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "silent": "false"}}
#: What a tool needs to know of the file; a date or a version of Babel would make another file of the same texts.
_HEAD = """# The texts of scimlite's console, as `make texts` collects them.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
_KEYWORDS = {"_": None, "later": None, "gettext": None, "ngettext": (1, 2)}


def words() -> Iterator[tuple[str, str]]:
    """The words of closed lists, with the name of the list."""
    lists: dict[str, Iterable[str]] = {
        "state": [text for each in State for text in (each.words, Health(each, Contact(None, None), ()).label)],
        "milestone": [each.words for each in Milestone],
        "step": [step.text for provider in PROVIDERS for step in provider.steps],
        "features": [text for title, about, labels in SECTIONS for text in (title, about, *labels.values())],
        "feature": [each.metadata[key] for each in fields(AppSettings) for key in ("help", "takes")],
        "role": [text for each in Role for text in (str(each), each.words)],
        "way": [each.words for each in Way],
        "cause": [each.words for each in Cause],
        "leniency": [each.words for each in Leniency],
        "actor": [each.words for each in Actor],
        "outcome": list(map(str, Outcome)),
        "action": [str(each).replace("_", " ") for each in Action],
    }
    for name, found in lists.items():
        yield from ((text, name) for text in found if text)


def catalogue() -> Catalog:
    """All texts, each with the files in which it is."""
    made = Catalog(charset="utf-8")
    for file, _, message, _, _ in extract_from_dir(ROOT, _METHODS, _OPTIONS, _KEYWORDS):
        made.add(message, locations=[(file, 0)])
    for text, name in words():
        made.add(text, locations=[(f"words of {name}", 0)])
    return made


def pot() -> str:
    """The text of console.pot."""
    written = io.BytesIO()
    write_po(written, catalogue(), sort_output=True, include_lineno=False, omit_header=True, width=0)
    return _HEAD + written.getvalue().decode()


if __name__ == "__main__":
    POT.parent.mkdir(exist_ok=True)
    POT.write_text(pot(), encoding="utf-8")
    print(f"{len(catalogue())} texts in {POT}")
