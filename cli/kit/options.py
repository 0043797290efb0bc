"""Options that several commands have, each written once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from scimlite.suggestions import did_you_mean

_PER_PAGE = 50
_MOST_PER_PAGE = 1000

_WIDE = "scimlite.wide"
_RAW = "scimlite.raw"

_Command = Callable[..., Any]


class Choice(click.Choice[str]):
    """One of several words; a wrong one is answered with the one that was meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(f"{error.message}{did_you_mean(str(value), map(str, self.choices))}", param, ctx)


def json_option(command: _Command) -> _Command:
    """The `--json` option."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs; lists one object a line.")(
        command
    )


def csv_option(command: _Command, *, text: str = "Print comma-separated values.") -> _Command:
    """The `--csv` option, and `--raw` for programs."""
    raw = "With --csv: print texts as they are, without an apostrophe before those that a spreadsheet would calculate."
    command = click.option("--raw", is_flag=True, expose_value=False, callback=_keep_raw, help=raw)(command)
    # Eager, so that it is known when --raw is read.
    return click.option("--csv", "as_csv", is_flag=True, is_eager=True, help=text)(command)


def _keep_raw(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.params.get("as_csv"):
        raise click.UsageError("--raw is for --csv: give both.", ctx)
    ctx.meta[_RAW] = value


def is_raw() -> bool:
    """True when the command was given `--raw`."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(_RAW))


class _Renamed(click.Option):
    """A flag whose names after the first are older ones: they work, and the help does not show them."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        return record and (self.opts[0], record[1])


def wide_option(command: _Command) -> _Command:
    """The `--wide` option of commands that print tables."""
    text = "Print all columns in full, however wide."
    return click.option("--wide", is_flag=True, expose_value=False, callback=_keep_wide, help=text)(command)


def _keep_wide(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[_WIDE] = value


def is_wide() -> bool:
    """True when the command was given `--wide`."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(_WIDE))


def yes_option(command: _Command, *, old: Sequence[str] = (), text: str = "Do not ask for confirmation.") -> _Command:
    """The `--yes` option of commands that ask before they lose anything; `old` are names that it had before."""
    return click.option("--yes", *old, "yes", cls=_Renamed, is_flag=True, help=text)(command)


def dry_run_option(command: _Command) -> _Command:
    """The `--dry-run` option of commands that remove something."""
    return click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")(command)


def page_options(command: _Command) -> _Command:
    """The `--page` and `--per-page` options."""
    size = click.IntRange(1, _MOST_PER_PAGE)
    for option in (
        click.option(
            "--per-page",
            type=size,
            default=_PER_PAGE,
            show_default=True,
            metavar="N",
            help="Rows on a page.",
        ),
        click.option(
            "--page",
            type=click.IntRange(min=1),
            metavar="N",
            help="Number of the page; CSV and JSON have all without.  [default: 1]",
        ),
    ):
        command = option(command)
    return command
