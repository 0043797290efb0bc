"""Options that several commands have, each written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_PER_PAGE = 50
_MOST_PER_PAGE = 1000

_Command = Callable[..., Any]


def json_option(command: _Command) -> _Command:
    """The `--json` option."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def yes_option(command: _Command) -> _Command:
    """The `--yes` option of commands that ask before they remove anything."""
    return click.option("--yes", is_flag=True, help="Do not ask for confirmation.")(command)


def page_options(command: _Command) -> _Command:
    """The `--page` and `--per-page` options."""
    size = click.IntRange(1, _MOST_PER_PAGE)
    for option in (
        click.option(
            "--per-page", type=size, default=_PER_PAGE, show_default=True, metavar="N", help="Rows on a page."
        ),
        click.option("--page", type=click.IntRange(min=1), metavar="N", help="Number of the page.  [default: 1]"),
    ):
        command = option(command)
    return command
