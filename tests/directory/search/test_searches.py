"""Searches of cases/people.json row by row from cases/searches.json, on both databases and by the reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import reference_filter
from people import People, name_of
from scimlite.errors import ScimError
from scimlite.scim.filter_parser import parse_filter

CASES = json.loads(Path(__file__).with_name("cases").joinpath("searches.json").read_text("utf-8"))
GOOD = [pytest.param(case, id=case["name"]) for case in CASES if "found" in case]
BAD = [pytest.param(case, id=case["name"]) for case in CASES if "error" in case]


def text_of(case: dict[str, Any], people: People) -> str:
    """The filter of a row, which may be a list of pieces with how often each is repeated."""
    pieces = case["filter"]
    text = pieces if isinstance(pieces, str) else "".join(piece * times for piece, times in pieces)
    return people.text(text)


@pytest.mark.parametrize("case", GOOD)
def test_finds(case: dict[str, Any], people: People) -> None:
    assert people.names(case["endpoint"], text_of(case, people)) == case["found"]


@pytest.mark.parametrize("case", BAD)
def test_refuses(case: dict[str, Any], people: People) -> None:
    with pytest.raises(ScimError) as refusal:
        people.names(case["endpoint"], text_of(case, people))
    status, scim_type, fragment = case["error"]
    assert (refusal.value.status, refusal.value.scim_type) == (status, scim_type)
    assert fragment in str(refusal.value.detail)


def test_the_reference_agrees_with_the_table(people: People) -> None:
    everything = {endpoint: people.everything(endpoint) for endpoint in ("Users", "Groups")}
    for case in CASES:
        if "found" in case:
            resource_type = people.resource_type(case["endpoint"])
            term = parse_filter(text_of(case, people), resource_type.urns)
            matching = [
                name_of(resource)
                for resource in everything[case["endpoint"]]
                if reference_filter.matches(term, resource, resource_type)
            ]
            assert matching == case["found"], case["name"]


def test_rows_have_names_of_their_own() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names)
