"""What entries hold stays small, however large the attribute."""

from __future__ import annotations

import json

from scimlite.journal.brevity import changes_text, short


def emails(*numbers: int) -> list[dict[str, str]]:
    return [{"value": f"user-{number}@example.com", "type": "work"} for number in numbers]


def test_usual_changes_are_recorded_as_they_are():
    changes = {"title": ["Dr", "Prof"], "emails": [None, emails(*range(100))]}
    assert json.loads(changes_text(changes)) == changes


def test_of_a_large_attribute_the_difference_is_recorded():
    before, after = emails(*range(2000)), emails(*range(1, 2001))
    change = json.loads(changes_text({"emails": [before, after], "active": [True, False]}))
    assert change == {
        "emails": [[*emails(0), "… and 1,999 unchanged"], [*emails(2000), "… and 1,999 unchanged"]],
        "active": [True, False],
    }


def test_new_lists_and_long_texts_are_cut():
    text = changes_text({"emails": [None, emails(*range(2000))], "title": ["x" * 60_000, None]})
    assert len(text) < 4000
    change = json.loads(text)
    assert change["emails"] == [None, [*emails(*range(20)), "… and 1,980 more"]]
    assert change["title"] == ["x" * 500 + "…", None]


def test_names_are_cut():
    assert short("x" * 200) == "x" * 200
    assert short("x" * 201) == "x" * 200 + "…"
    assert short(None) is None
