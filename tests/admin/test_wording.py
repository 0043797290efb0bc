"""Remedies: each kind comes back from its stored text, and is worded as the command that applies it."""

from __future__ import annotations

import pytest

from scimlite.admin.wording import wording_of_remedy
from scimlite.errors import Remedy

WORDINGS = [
    (Remedy(app="entra", feature="revive", value="on"), "scimlite app edit entra --feature revive=on"),
    (
        Remedy(app="entra", feature="unknown-attributes", value="ignore", declare=True),
        "scimlite app edit entra --feature unknown-attributes=ignore, or scimlite schema add to declare it",
    ),
    (Remedy(app="entra", setting="SCIMLITE_MAX_BODY"), "the setting SCIMLITE_MAX_BODY"),
    (Remedy(app="entra", optional_target="job"), "scimlite mapping set --app entra job --optional"),
    (Remedy(app="entra", release=True), "scimlite app release entra"),
]


@pytest.mark.parametrize(("remedy", "text"), WORDINGS)
def test_a_remedy_is_stored_and_worded(remedy: Remedy, text: str) -> None:
    assert Remedy.from_json(remedy.to_json()) == remedy
    assert wording_of_remedy(remedy) == text


def test_a_text_is_a_command_line_already() -> None:
    assert (
        wording_of_remedy("scimlite app edit entra --feature revive=on")
        == "scimlite app edit entra --feature revive=on"
    )
    assert wording_of_remedy(None) is None
