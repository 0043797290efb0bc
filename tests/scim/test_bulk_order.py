"""The order in which the operations of a bulk request are carried out, circles included."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimlite.scim.bulk import BulkOperation
from scimlite.scim.bulk_order import steps

Json = Any


def post(bulk_id: str, *refers: str, **data: Json) -> BulkOperation:
    """A creation whose data refers to other bulkIds."""
    return BulkOperation(
        "POST", "Groups", None, bulk_id, None, {"members": [member(bulk_id) for bulk_id in refers], **data}
    )


def member(bulk_id: str) -> Json:
    return {"value": f"bulkId:{bulk_id}"}


def change(endpoint: str, id: str, *refers: str, method: str = "PUT") -> BulkOperation:
    return BulkOperation(method, endpoint, id, None, None, {"members": [member(bulk_id) for bulk_id in refers]})


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([post("a"), post("b"), post("c")], [[0], [1], [2]]),
        ([post("a"), post("b", "a")], [[0], [1]]),
        ([post("a", "b"), post("b")], [[1], [0]]),
        ([post("a", "b"), post("x"), post("b"), post("y")], [[1], [2], [0], [3]]),
        ([post("a", "b"), post("b", "c"), post("c")], [[2], [1], [0]]),
        ([post("a", "nobody")], [[0]]),
        # A change waits for the creation of its resource, and for earlier changes of it.
        ([change("Groups", "bulkId:a"), post("a")], [[1], [0]]),
        ([change("Groups", "1", "a"), change("Groups", "1"), change("Groups", "2"), post("a")], [[2], [3], [0], [1]]),
        ([change("Groups", "1", "a"), change("Users", "1"), post("a")], [[1], [2], [0]]),
        (
            [post("g", "u"), change("Groups", "bulkId:g"), change("Groups", "bulkId:g", method="DELETE"), post("u")],
            [[3], [0], [1], [2]],
        ),
        # Circles are one step.
        ([post("a", "b"), post("b", "a")], [[0, 1]]),
        ([post("a", "a")], [[0]]),
        ([post("x", "a"), post("a", "b"), post("b", "c"), post("c", "a"), post("y", "x")], [[1, 2, 3], [0], [4]]),
        ([post("a", "b", "u"), post("b", "a"), post("u")], [[2], [0, 1]]),
        ([post("a", "b"), post("b", "a", "c"), post("c", "d"), post("d", "c")], [[2, 3], [0, 1]]),
        # Only a POST creates: the bulkId of another operation is a name for its answer.
        ([BulkOperation("DELETE", "Users", "1", "a"), post("b", "a")], [[0], [1]]),
        ([], []),
    ],
)
def test_the_order(operations: list[BulkOperation], expected: list[list[int]]) -> None:
    assert steps(operations) == expected


def test_a_long_chain_and_a_large_circle() -> None:
    started = time.perf_counter()
    chain = [post(str(number), str(number + 1)) for number in range(5000)]
    assert steps(chain) == [[number] for number in reversed(range(5000))]
    assert steps([*chain, post("5000", "0")]) == [list(range(5001))]
    everybody = [str(number) for number in range(300)]
    assert steps([post(bulk_id, *everybody) for bulk_id in everybody]) == [list(range(300))]
    assert time.perf_counter() - started < 10


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=10))
def test_every_operation_has_its_turn_after_what_it_needs(refers: list[list[int]]) -> None:
    operations = [post(str(number), *map(str, numbers)) for number, numbers in enumerate(refers)]
    finished: set[int] = set()
    for step in steps(operations):
        finished |= set(step)
        for number in step:
            assert {needed for needed in refers[number] if needed < len(refers)} <= finished
        if len(step) > 1:
            assert all(set(step) & (set(refers[number]) - {number}) for number in step)
    assert finished == set(range(len(refers)))
