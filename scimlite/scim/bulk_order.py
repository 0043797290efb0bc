"""The order in which the operations of a bulk request are carried out (RFC 7644 section 3.7)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from graphlib import TopologicalSorter
from heapq import heappop, heappush

from .bulk import BulkOperation, references


def steps(operations: Sequence[BulkOperation]) -> list[list[int]]:
    """Returns the operations, by their numbers, in the order in which they are carried out.

    It is the order of the request, except that an operation waits for the creation of the resources it refers to, and
    for earlier operations on the same resource. Creations that refer to each other in a circle are one step; every
    other operation is a step of its own.
    """
    depends = _dependencies(operations)
    circles = _circles(depends)
    circle_of = {number: circle for circle, numbers in enumerate(circles) for number in numbers}
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for circle, numbers in enumerate(circles):
        needed = {circle_of[dependency] for number in numbers for dependency in depends[number]}
        sorter.add(circle, *(needed - {circle}))
    sorter.prepare()
    ready: list[tuple[int, int]] = []
    ordered: list[list[int]] = []
    while sorter.is_active():
        for circle in sorter.get_ready():
            heappush(ready, (circles[circle][0], circle))
        circle = heappop(ready)[1]
        ordered.append(circles[circle])
        sorter.done(circle)
    return ordered


def _dependencies(operations: Sequence[BulkOperation]) -> list[set[int]]:
    """For each operation, the numbers of the operations that must come before it."""
    created = {operation.bulk_id: number for number, operation in enumerate(operations) if operation.method == "POST"}
    latest: dict[tuple[str, str], int] = {}
    depends: list[set[int]] = []
    for number, operation in enumerate(operations):
        needed = {created[bulk_id] for bulk_id in references(operation) if bulk_id in created}
        if operation.id is not None and operation.method != "POST":
            place = (operation.endpoint.lower(), operation.id)
            before = latest.get(place)
            needed |= set() if before is None else {before}
            latest[place] = number
        depends.append(needed)
    return depends


def _circles(depends: Sequence[Collection[int]]) -> list[list[int]]:
    """The strongly connected components, by Tarjan's algorithm; without recursion, because chains may be long."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    unassigned: dict[int, None] = {}
    circles: list[list[int]] = []
    for root in range(len(depends)):
        path: list[tuple[int, Iterator[int]]] = [] if root in order else [(root, iter(depends[root]))]
        while path:
            number, rest = path[-1]
            if number not in order:
                order[number] = lowest[number] = len(order)
                unassigned[number] = None
            for needed in rest:
                if needed not in order:
                    path.append((needed, iter(depends[needed])))
                    break
                if needed in unassigned:
                    lowest[number] = min(lowest[number], order[needed])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[number])
                if lowest[number] == order[number]:
                    circles.append(_component(unassigned, number))
    return circles


def _component(unassigned: dict[int, None], root: int) -> list[int]:
    """Takes the numbers that were reached last, down to `root`, and returns them in order."""
    component = []
    while root in unassigned:
        component.append(unassigned.popitem()[0])
    return sorted(component)
