"""Output of the commands: tables for people, JSON and CSV for programs; data on stdout, messages on stderr."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from scimlite.admin.spreadsheet import inert
from scimlite.visible_text import visible, visible_json

from .fitting import cut, shown, size_of, wrapped
from .layout import Layout
from .options import is_raw, is_wide
from .streams import takes_unicode
from .times import LocalTime

#: Columns of a table that goes into a pipe or a file, which no terminal limits.
_PIPE_WIDTH = 200
#: Columns that a text gets at least, however narrow the terminal is.
_NARROWEST = 20


def print_json(data: Any) -> None:
    """Print one JSON document."""
    click.echo(visible_json(json.dumps(data, ensure_ascii=not takes_unicode(), indent=2)))


def print_json_lines(rows: Iterable[dict[str, Any]]) -> None:
    """Print one JSON object a line."""
    ascii_only = not takes_unicode()
    for row in rows:
        click.echo(visible_json(json.dumps(row, ensure_ascii=ascii_only)))


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print comma-separated values with a header line.

    A text, or a part of one, that a spreadsheet would take for a formula gets an apostrophe in front, unless --raw is
    given.
    """
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows(rows if is_raw() else (list(map(inert, row)) for row in rows))


def print_table(layouts: Sequence[Layout], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Print a table that fits the terminal, and on stderr which columns had no room.

    Prints `empty` to stderr when there are no rows.
    """
    listed = list(rows)
    if not listed:
        click.echo(empty, err=True)
        return
    # Imported here, because rich takes some 20 ms that commands without rows need not.
    from . import tables

    lines, left_out = tables.lines(layouts, listed, room())
    click.echo("\n".join(lines))
    if left_out:
        click.echo(f"Left out: {', '.join(left_out)}. All columns: --wide, or a wider terminal.", err=True)


def print_fields(fields: Iterable[tuple[str, str]], *, short: bool = False) -> None:
    """Print one labelled value a line, without empty ones.

    Long values wrap between words where the terminal is narrow; with `short` they end in … behind the first word. An
    address has no blank, and can be copied.
    """
    listed = [(label, value) for label, value in fields if value]
    times = [number for number, (_, value) in enumerate(listed) if isinstance(value, LocalTime)]
    if times:
        label, first = listed[times[0]]
        listed[times[0]] = (f"{label} ({getattr(first, 'zone', '')})", first)
    longest = max((len(label) for label, _ in listed), default=0)
    for label, value in listed:
        print_text(value, first=f"{visible(label):<{longest}}  ", short=short)


def print_text(text: str, *, first: str = "", err: bool = False, short: bool = False) -> None:
    """Print a text behind `first`; where the terminal is narrow it wraps, and goes on below its beginning.

    With `short` it ends in … there; a first word that has no room stays whole.
    """
    columns = room()
    if columns is None:
        click.echo(f"{first}{visible(text)}", err=err)
        return
    indent = size_of(first)
    size = max(columns - indent, _NARROWEST)
    lines = wrapped(shown(text), size)
    if short and len(lines) > 1:
        lines = [cut(shown(text), size)] if size_of(lines[0]) <= size else lines[:1]
    click.echo(first + f"\n{' ' * indent}".join(lines), err=err)


def print_title(text: str) -> None:
    """Print the name of the thing that a command shows."""
    click.echo(click.style(visible(text), bold=True))


def print_heading(text: str) -> None:
    """Print an empty line and the heading of the lines below."""
    click.echo(f"\n{click.style(text, bold=True)}")


def print_place(noun: str, number: int, size: int, shown: int, total: int) -> None:
    """Print which part of a list was shown and how to see the next page; nothing when all of it was shown."""
    first = (number - 1) * size + 1
    if shown == 0 and total:
        click.echo(f"There are {total:,} {noun}s, and page {-(-total // size)} is the last.", err=True)
    elif shown < total:
        more = f" Next: --page {number + 1}" if first + shown - 1 < total else ""
        click.echo(f"\n{first:,} to {first + shown - 1:,} of {total:,} {noun}s.{more}", err=True)


def room() -> int | None:
    """Return the columns to write in: those of COLUMNS, else the terminal's; None with `--wide` and in a pipe."""
    if is_wide() or not (os.environ.get("COLUMNS", "").isdigit() or (sys.stdout and sys.stdout.isatty())):
        return None
    return shutil.get_terminal_size().columns


def width() -> int:
    """Return the columns to write in; 200 where there is room for all."""
    return room() or _PIPE_WIDTH
