"""One description of a noun's facts, from which its JSON, its CSV and its table are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .layout import Layout
from .output import print_csv, print_json_lines, print_table

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One fact of a noun: its key for programs, its heading for people, or both.

    `value` gives the fact as JSON data, `shown` as the text of a table's cell; without `shown` the value is the text.
    `old` is the key that it had before; JSON and CSV have both for one release, the older one at the end. `rank`,
    `wraps`, `whole` and `lines` say how the column is laid out in a table: see Layout.
    """

    key: str = ""
    heading: str = ""
    value: Callable[[T], Any] = lambda item: None
    shown: Callable[[T], str] | None = None
    old: str = ""
    rank: int = 0
    wraps: bool = False
    whole: bool = False
    lines: bool = False

    def cell(self, item: T) -> str:
        """The text of the table's cell."""
        return self.shown(item) if self.shown is not None else str(self.value(item))


class Columns(Generic[T]):
    """The columns of a noun in the order of their keys; `table` names the headings in the table's order."""

    def __init__(self, *columns: Column[T], table: Sequence[str] = ()) -> None:
        self._columns = columns
        self._old_keys = {column.old: column.key for column in columns if column.old}
        self._table = tuple(table) or tuple(column.heading for column in columns if column.heading)

    @property
    def keys(self) -> list[str]:
        """The keys of JSON objects, and the header of CSV."""
        return [*(column.key for column in self._columns if column.key), *self._old_keys]

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings of the table, in its order."""
        return self._table

    def cell_of(self, heading: str) -> Callable[[T], str]:
        """Return the function that gives an item's text under a heading."""
        return next(column.cell for column in self._columns if column.heading == heading)

    def data(self, item: T) -> dict[str, Any]:
        """An item as a JSON object."""
        data = {column.key: column.value(item) for column in self._columns if column.key}
        for old, key in self._old_keys.items():
            data[old] = data[key]
        return data

    def print_data(self, items: Iterable[T], *, as_csv: bool) -> None:
        """Print items for programs: as CSV, or one JSON object a line."""
        if as_csv:
            self.print_csv(items)
        else:
            print_json_lines(map(self.data, items))

    def print_csv(self, items: Iterable[T], cell: Callable[[Any], Any] = lambda value: value) -> None:
        """Print items as CSV with a header line; `cell` converts each value."""
        print_csv(self.keys, ([cell(value) for value in self.data(item).values()] for item in items))

    def print_table(
        self, items: Sequence[T], *, empty: str, hidden: Iterable[str] = (), hidden_when_empty: Iterable[str] = ()
    ) -> None:
        """Print items as a table without the hidden headings; prints `empty` to stderr when there is no item.

        The headings in `hidden_when_empty` are left out too when none of the items has a text for them.
        """
        cells = {heading: [self.cell_of(heading)(item) for item in items] for heading in self._table}
        left_out = {*hidden, *(heading for heading in hidden_when_empty if not any(cells[heading]))}
        by_heading = {column.heading: column for column in self._columns if column.heading or column.shown}
        shown = [by_heading[heading] for heading in self._table if heading not in left_out]
        layouts = [Layout(column.heading, column.rank, column.wraps, column.whole, column.lines) for column in shown]
        rows = list(zip(*(cells[column.heading] for column in shown), strict=True)) if items else []
        print_table(layouts, rows, empty=empty)
