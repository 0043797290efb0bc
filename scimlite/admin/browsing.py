"""Browses users and groups a part at a time, each in bounded time, however many there are and whatever is sought.

An index answers what begins with the text. What holds it elsewhere takes a look at everybody: it is looked for a slice
at a time, and a part whose time is over says where the next one goes on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Any, NamedTuple

from peewee import SQL, fn

from ..apps import App
from ..db import Database
from ..db.tables import PREFIX, MemberRow, ResourceRow, ValueRow, sought
from ..errors import OperatorError
from ..scim.names import fold
from ..scim.schema import ResourceType
from .people import NAMED_BY, SEARCHED, Found, in_order, key_start

#: Rows of a list on a page.
SIZE = 50
#: Seconds after which a part begins no further slice.
_BUDGET = 0.02
#: Rows looked at by one query: 5 ms.
_SLICE = 1000
#: Rows read at once where all are wanted.
_EVERYTHING = 1000
#: Sorts behind everything that a text can be followed by.
_LAST = "\U0010ffff"
_PLACE = re.compile(r"([0-9]{1,6})-([0-9]{1,18})-([0-9]{1,9})")


class State(StrEnum):
    """The states by which people are chosen; without one, all who are not deleted."""

    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


class WrongPlace(OperatorError):
    """The place at which a list is to go on cannot be understood."""

    def __init__(self) -> None:
        super().__init__("This list has no such page. Begin with its first page.")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen: users or groups of these apps, with a text in a name or e-mail address, in a state."""

    resource_type: ResourceType
    apps: Sequence[App]
    text: str | None = None
    state: State | None = None
    #: The row of a group: only those who are directly in it.
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what is chosen."""

    found: list[Found]
    #: Where the next part begins; None when there is none.
    after: str | None
    #: True when the time was over before the part was full.
    unfinished: bool


class _By(Enum):
    """The order of a lane."""

    NAME = 1
    ROW = 2
    DELETION = 3


class _Lane(NamedTuple):
    """One range of an index; what is chosen comes lane after lane."""

    app: App
    by: _By
    #: The attribute by which a lane is ordered by name.
    path: str = ""


class _Place(NamedTuple):
    """A place in a lane: the name or time of deletion, the row, and which value of a multi-valued attribute."""

    key: Any
    row: int
    item: int


def part(db: Database, choice: Choice, after: str | None = None, *, size: int = SIZE) -> Part:
    """Returns up to `size` of what is chosen, behind the place that an earlier part ended with.

    Names that begin with the text come first. Raises WrongPlace.
    """
    return _part(db, choice, after, size, time.monotonic() + _BUDGET)


def walk(db: Database, choice: Choice) -> Iterator[Found]:
    """Yields all that is chosen, in the order of the parts; no transaction stays open."""
    after: str | None = None
    while True:
        some = _part(db, choice, after, _EVERYTHING, None)
        yield from some.found
        after = some.after
        if after is None:
            return


def count(db: Database, choice: Choice, most: int) -> int:
    """Counts what is chosen without a text, up to `most`."""
    rows = ResourceRow.select(SQL("1")).where(
        ResourceRow.app_id.in_([app.id for app in choice.apps]),
        ResourceRow.type == choice.resource_type.name,
        *_in_state(choice.state),
    )
    counted = rows.limit(most).alias("counted")
    return int(db.scalar(counted.select_from(fn.count(SQL("*")))))


def _part(db: Database, choice: Choice, after: str | None, size: int, end: float | None) -> Part:
    if choice.text is not None:
        choice = replace(choice, text=fold(choice.text))
    lanes = _lanes(choice)
    number, place = _place(db, choice, lanes, after)
    found: list[Found] = []
    seen: set[int] = set()
    while number < len(lanes):
        wanted = size - len(found)
        slice_end = _boundary(db, choice, lanes[number], place)
        matches, place = _matches(db, choice, lanes[number], place, slice_end, wanted)
        for person in matches:
            if person.row not in seen:
                seen.add(person.row)
                found.append(person)
        if place is None:
            number += 1
        is_full = len(found) == size
        if number < len(lanes) and (is_full or (end is not None and time.monotonic() > end)):
            return Part(found, _spelled(number, place), not is_full)
    return Part(found, None, False)


def _lanes(choice: Choice) -> list[_Lane]:
    kind = choice.resource_type.name
    if choice.state is State.DELETED:
        return [_Lane(app, _By.DELETION) for app in choice.apps]
    if choice.text is None:
        return [_Lane(app, _By.NAME, NAMED_BY[kind]) for app in choice.apps]
    begins = [_Lane(app, _By.NAME, path) for path in SEARCHED[kind] for app in choice.apps]
    return begins + [_Lane(app, _By.ROW) for app in choice.apps]


# --- places in lanes ----------------------------------------------------------------------------------------------


def _spelled(lane: int, place: _Place | None) -> str:
    """Returns a place as it stands in a URL: no name, but the row that has it."""
    return f"{lane}-{place.row}-{place.item}" if place is not None else f"{lane}-0-0"


def _place(db: Database, choice: Choice, lanes: list[_Lane], after: str | None) -> tuple[int, _Place | None]:
    """Returns the lane and the place in it; a row that is gone meanwhile leads to the beginning of its lane."""
    if after is None:
        return 0, None
    match = _PLACE.fullmatch(after)
    if match is None or int(match[1]) >= len(lanes):
        raise WrongPlace
    number, row, item = (int(part) for part in match.groups())
    lane = lanes[number]
    if lane.by is _By.ROW:
        return number, _Place(0, row, 0) if row else None
    query: Any
    if lane.by is _By.NAME:
        query = ValueRow.select(key_start).where(
            ValueRow.resource_id == row,
            ValueRow.path == lane.path,
            ValueRow.item == item,
            ValueRow.app_id == lane.app.id,
            ValueRow.type == choice.resource_type.name,
        )
    else:
        query = ResourceRow.select(ResourceRow.deleted_at).where(
            ResourceRow.id == row, ResourceRow.app_id == lane.app.id, ResourceRow.deleted_at.is_null(False)
        )
    key = db.scalar(query)
    return number, None if key is None else _Place(key, row, item)


def _boundary(db: Database, choice: Choice, lane: _Lane, place: _Place | None) -> _Place | None:
    """Returns the last place of the next slice; None when the lane ends before."""
    query = _range(choice, lane, place)
    rows = db.rows(query.offset(_SLICE - 1).limit(1))
    return _Place(*rows[0]) if rows else None


def _matches(
    db: Database, choice: Choice, lane: _Lane, place: _Place | None, end: _Place | None, wanted: int
) -> tuple[list[Found], _Place | None]:
    """Returns what is chosen of a slice, and the place behind which to go on; None at the end of the lane."""
    query = _range(choice, lane, place)
    if end is not None:
        query = query.where(_up_to(lane, end))
    query = _chosen(db, choice, lane, query).limit(wanted)
    places = [_Place(*row) for row in db.rows(query)]
    by_row = {each.row: each for each in places}
    people = in_order(db, [lane.app], list(by_row))
    if choice.text is not None and lane.by is not _By.DELETION:
        people = [each for each in people if _is_first(choice, lane, each, by_row[each.row])]
    return people, places[-1] if len(places) == wanted else end


# --- conditions ---------------------------------------------------------------------------------------------------


def _range(choice: Choice, lane: _Lane, place: _Place | None) -> Any:
    """Returns the query of a lane behind a place, in its order, with the columns of a place."""
    if lane.by is _By.NAME:
        return _by_name(choice, lane, place)
    at, id = ResourceRow.deleted_at, ResourceRow.id
    of_app = (ResourceRow.app_id == lane.app.id) & (ResourceRow.type == choice.resource_type.name)
    query: Any
    if lane.by is _By.ROW:
        query = ResourceRow.select(SQL("0"), id, SQL("0")).where(of_app, at.is_null())
        return (query if place is None else query.where(id > place.row)).order_by(id)
    query = ResourceRow.select(at, id, SQL("0")).where(of_app, at.is_null(False))
    if place is not None:
        query = query.where((at <= place.key) & ((at < place.key) | (id < place.row)))
    return query.order_by(at.desc(), id.desc())


def _by_name(choice: Choice, lane: _Lane, place: _Place | None) -> Any:
    query = ValueRow.select(key_start, ValueRow.resource_id, ValueRow.item).where(
        ValueRow.app_id == lane.app.id,
        ValueRow.type == choice.resource_type.name,
        ValueRow.path == lane.path,
        sought(ValueRow),
    )
    if choice.text is not None:
        start = choice.text[:PREFIX]
        query = query.where(key_start >= start, key_start < start + _LAST)
    if place is not None:
        # `>=` repeats a part of the rest, as a condition at which an index can begin.
        beyond = (key_start > place.key) | (ValueRow.resource_id > place.row)
        query = query.where((key_start >= place.key) & beyond)
    return query.order_by(key_start, ValueRow.resource_id)


def _up_to(lane: _Lane, end: _Place) -> Any:
    """Returns the condition for the rows of a lane that come not behind a place."""
    at, id = ResourceRow.deleted_at, ResourceRow.id
    if lane.by is _By.ROW:
        return id <= end.row
    if lane.by is _By.DELETION:
        return (at >= end.key) & ((at > end.key) | (id >= end.row))
    return (key_start <= end.key) & ((key_start < end.key) | (ValueRow.resource_id <= end.row))


def _in_state(state: State | None) -> list[Any]:
    if state is State.DELETED:
        return [ResourceRow.deleted_at.is_null(False)]
    living = [ResourceRow.deleted_at.is_null()]
    return living if state is None else [*living, ResourceRow.active == int(state is State.ACTIVE)]


def _chosen(db: Database, choice: Choice, lane: _Lane, query: Any) -> Any:
    """Adds what the index does not answer to the query of a lane."""
    if lane.by is _By.NAME:
        query = query.join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        if choice.text is not None and len(choice.text) > PREFIX:
            query = query.where(db.contains(ValueRow.key, choice.text))
    elif choice.text is not None:
        value = ValueRow.alias()
        holds = value.select(SQL("1")).where(
            value.resource_id == ResourceRow.id,
            value.path.in_(SEARCHED[choice.resource_type.name]),
            db.contains(value.key, choice.text),
        )
        query = query.where(fn.EXISTS(holds))
    if choice.group is not None:
        membership = MemberRow.alias()
        within = membership.select(SQL("1")).where(
            membership.group_id == choice.group, membership.member_id == ResourceRow.id
        )
        query = query.where(fn.EXISTS(within))
    return query.where(*_in_state(choice.state))


def _is_first(choice: Choice, lane: _Lane, found: Found, place: _Place) -> bool:
    """True when no earlier lane or place has the same person: both a name and an address may begin with the text."""
    text = choice.text or ""
    for path in SEARCHED[choice.resource_type.name]:
        keys = [key for key in map(fold, found.values_of(path)) if key.startswith(text)]
        if keys:
            return (path, min(keys)[:PREFIX]) == (lane.path, place.key)
    return lane.by is _By.ROW
