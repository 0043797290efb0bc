"""Entries of the report in the output: JSON and CSV for programs, a table of fixed columns for people."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from scimlite import clock
from scimlite.admin.entry_data import OLDER_KEYS, VALUES, csv_cell
from scimlite.admin.wording import description_of, subject_of
from scimlite.journal import Action, Outcome
from scimlite.journal.report import Record

from .kit.columns import Column, Columns
from .kit.fitting import cut, shown, size_of
from .kit.output import print_json_lines, room, width
from .kit.times import iso_time, local_time

if TYPE_CHECKING:
    from rich.text import Text

#: Columns of the terminal from which on the action has a column of its own.
_WIDE = 120
#: The length of an id, which stands for a person without a name and is not cut.
_ID = 36
_STYLES: dict[str, str] = {
    Action.CREATED: "green",
    Action.ENABLED: "green",
    Action.RESTORED: "green",
    Action.DISABLED: "yellow",
    Action.DELETED: "yellow",
}

#: What the table shows under a heading: the key of the value, the heading, and the text of the cell.
_SHOWN: dict[str, tuple[str, Callable[[Record], str]]] = {
    "at": ("Time", lambda entry: local_time(entry.at)),
    "app": ("App", lambda entry: entry.app or ""),
    "user": ("Who", subject_of),
    "action": ("Action", lambda entry: entry.action),
    "changes": ("What", description_of),
}
_OLD = {key: older for older, key in OLDER_KEYS.items()}
ENTRIES = Columns[Record](
    *(
        Column(key, heading, value, shown, _OLD.get(key, ""))
        for key, value in VALUES.items()
        for heading, shown in [_SHOWN.get(key, ("", None))]
    ),
    table=tuple(heading for heading, _ in _SHOWN.values()),
)


def print_data(entries: Iterable[Record], *, as_csv: bool) -> None:
    """Print entries for programs: CSV, or one JSON object a line."""
    if as_csv:
        ENTRIES.print_csv(entries, csv_cell)
    else:
        print_json_lines(map(entry_data, entries))


def entry_data(entry: Record) -> dict[str, Any]:
    """Return an entry as a JSON object; with the confirmations of webhooks, where there are any."""
    data = ENTRIES.data(entry)
    if entry.confirmations:
        data["confirmations"] = [
            {"webhook": each.webhook, "at": iso_time(each.at), "attempts": each.attempts}
            for each in entry.confirmations
        ]
    return data


def flushed(entries: Iterable[Record]) -> Iterator[Record]:
    """Pass entries on; each has left this process before the next one is waited for."""
    for entry in entries:
        yield entry
        sys.stdout.flush()


class EntryTable:
    """A table of entries with columns of fixed width, so that entries can be printed as they come.

    On a terminal narrower than 120 columns the action has no column but begins the description.
    """

    def __init__(self, app: int, subject: int, action: int) -> None:
        """Take the width of the longest app, person and action; the description gets the rest of the line."""
        self._wide = width() >= _WIDE
        if room() is not None:
            app = min(app, 24 if self._wide else 12)
            subject = subject if subject == _ID else min(subject, 44 if self._wide else 24)
        first = [19, app, subject]
        first += [action] if self._wide else []
        self._widths = (*first, max(width() - sum(first) - 2 * len(first), 20))

    @classmethod
    def for_coming_entries(cls) -> EntryTable:
        """Return a table for entries that are not known yet."""
        return cls(16, 32, max(len(action) for action in Action))

    @classmethod
    def for_entries(cls, entries: list[Record]) -> EntryTable:
        """Return a table for these entries."""

        def longest(heading: str) -> int:
            cell = ENTRIES.cell_of(heading)
            return max(len(heading), *(size_of(shown(cell(entry))) for entry in entries))

        return cls(longest("App"), longest("Who"), longest("Action"))

    def print_head(self) -> None:
        """Print the headings and a line under them."""
        from rich.text import Text

        headings = [heading for heading in ENTRIES.headings if self._wide or heading != "Action"]
        # The zone of now: entries of the other half of a year with summer time are written in theirs.
        headings[0] += f" ({getattr(local_time(clock.now()), 'zone', '')})"
        self._print(
            [[Text(heading, "bold") for heading in headings], [Text("─" * columns, "dim") for columns in self._widths]]
        )

    def print(self, entries: Iterable[Record]) -> None:
        """Print entries, each on as many lines as it needs."""
        self._print(map(self._cells, entries))

    def _cells(self, entry: Record) -> list[Text]:
        from rich.text import Text

        at, app, subject, action, description = (ENTRIES.cell_of(heading)(entry) for heading in ENTRIES.headings)
        app, subject = cut(shown(app), self._widths[1]), cut(shown(subject), self._widths[2])
        description = "\n".join(map(shown, description.split("\n")))
        styled = Text(action, _STYLES.get(entry.action, ""))
        text = Text(description, "" if entry.outcome == Outcome.OK else "red")
        last = [styled, text] if self._wide else [Text(" ").join([styled, text]) if text else styled]
        return [Text(at, "dim"), Text(app), Text(subject), *last]

    def _print(self, rows: Iterable[list[Text]]) -> None:
        # Imported here and above, because rich takes 50 ms that a report without entries need not.
        from rich.console import Console
        from rich.table import Table

        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        for columns in self._widths[:-1]:
            table.add_column(width=columns, overflow="ellipsis", no_wrap=True)
        table.add_column(width=self._widths[-1], overflow="fold")
        for cells in rows:
            table.add_row(*cells)
        # rich colours a terminal only, and none when NO_COLOR is set.
        console = Console(width=max(width(), sum(self._widths) + 2 * len(self._widths)), highlight=False)
        with console.capture() as capture:
            console.print(table)
        for line in capture.get().splitlines():
            click.echo(line.rstrip(), color=True)
