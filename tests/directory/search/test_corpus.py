"""The corpus of filters and sort orders, cases/corpus.json: a directory of core attributes, and what each query finds.

`make conformance` asks the same over HTTP. The idea of one corpus that every storage must answer alike is
scim2-server's; directory, queries and answers are our own, and the reference model agrees with them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import reference_filter
from people import People, name_of, names_of
from scimlite.db import Database
from scimlite.errors import InvalidFilter
from scimlite.scim.filter_parser import parse_filter
from scimlite.scim.path import parse_attr_path

CORPUS = json.loads(Path(__file__).with_name("cases").joinpath("corpus.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def staff(database: Database) -> People:
    """An app with everybody of the corpus."""
    staff = People.in_new_app(database, "staff")
    staff.load(CORPUS)
    return staff


def case_id(case: dict[str, Any]) -> str:
    text = case.get("filter") or f"by {case['by']}{' descending' * case['descending']}"
    return f"{case['endpoint']} {text}"


@pytest.mark.parametrize("case", CORPUS["filters"], ids=case_id)
def test_a_filter_finds(staff: People, case: dict[str, Any]) -> None:
    assert staff.names(case["endpoint"], staff.text(case["filter"])) == case["found"]


@pytest.mark.parametrize("case", CORPUS["sorts"], ids=case_id)
def test_a_sort_order_orders(staff: People, case: dict[str, Any]) -> None:
    assert staff.names(case["endpoint"], by=case["by"], descending=case["descending"]) == case["found"]


@pytest.mark.parametrize("case", CORPUS["refused"], ids=case_id)
def test_a_filter_is_refused(staff: People, case: dict[str, Any]) -> None:
    with pytest.raises(InvalidFilter):
        staff.names(case["endpoint"], case["filter"])


def test_the_reference_agrees_with_the_corpus(staff: People) -> None:
    everything = {endpoint: staff.everything(endpoint) for endpoint in ("Users", "Groups")}
    for case in CORPUS["filters"]:
        resource_type = staff.resource_type(case["endpoint"])
        term = parse_filter(staff.text(case["filter"]), resource_type.urns)
        all_of_type = everything[case["endpoint"]]
        found = [name_of(each) for each in all_of_type if reference_filter.matches(term, each, resource_type)]
        assert found == case["found"], case["filter"]
    for case in CORPUS["sorts"]:
        resource_type, path = staff.resource_type(case["endpoint"]), parse_attr_path(case["by"])
        ordered = reference_filter.in_order(
            everything[case["endpoint"]], path, resource_type, descending=case["descending"]
        )
        assert names_of(ordered) == case["found"], case["by"]
