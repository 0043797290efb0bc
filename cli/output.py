"""How commands show data: tables for people, JSON and CSV for programs; data on stdout, talk on stderr."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import click

#: Columns of a table that goes into a pipe or a file: nobody's terminal limits it.
_PIPE_WIDTH = 200


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The `--json` option."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def print_json(data: Any) -> None:
    """One JSON document."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def print_json_lines(rows: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line."""
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False))


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Comma-separated values with a header line."""
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows(rows)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table as wide as the terminal (COLUMNS counts), long cells wrapped; `empty` is said when it has no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    listed = list(rows)
    if not listed:
        click.echo(empty, err=True)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in listed:
        table.add_row(*(Text("\n".join(map(visible, cell.split("\n")))) for cell in row))
    Console(width=width(), highlight=False, soft_wrap=False).print(table)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """One labelled value a line; never wrapped, so that an address can be copied."""
    listed = [(label, value) for label, value in fields if value]
    longest = max((len(label) for label, _ in listed), default=0)
    for label, value in listed:
        click.echo(f"{visible(label):<{longest}}  {visible(value)}")


def print_heading(text: str) -> None:
    """What the lines below are about, after an empty line."""
    click.echo(f"\n{click.style(text, bold=True)}")


def visible(text: str) -> str:
    """Text as a terminal may show it: what would steer it, or reorder letters, becomes an escape such as \\x1b.

    Names come from outside. Joiners stay: some scripts and emoji need them.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\u200c\u200d" else each.encode("unicode_escape").decode()
        for each in text
    )


def width() -> int:
    """Columns to write in: COLUMNS, else the terminal's, else plenty."""
    if os.environ.get("COLUMNS", "").isdigit() or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return _PIPE_WIDTH


def local_time(microseconds: int | None, *, seconds: bool = True) -> str:
    """A stored time as the operator's clock shows it; nothing for none."""
    if microseconds is None:
        return ""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return datetime.fromtimestamp(microseconds / 1e6).astimezone().strftime(form)


def iso_time(microseconds: int | None) -> str | None:
    """A stored time for programs: ISO 8601 in UTC."""
    from scimlite.web.scim.rendering import timestamp

    return None if microseconds is None else timestamp(microseconds)


def entra_block(name: str, url: str, token: str, *, label: str = "default") -> str:
    """What to paste into the identity provider."""
    again = url.rsplit("/", 1)[-1] + ("" if label == "default" else f" {shlex.quote(label)}")
    return f"""
  {name} can connect now. In the Microsoft Entra admin center: Enterprise applications >
  your application > Provisioning, Provisioning Mode "Automatic", then paste

    Tenant URL    {url}
    Secret Token  {token}

  and press Test Connection. Other identity providers call them SCIM base URL and
  bearer token. Both can be shown again: scimlite token show {again}
"""
