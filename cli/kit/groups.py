"""Groups of commands: a wrong name is answered with the right one; with --json, an error is data too."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from scimlite.suggestions import did_you_mean

from . import streams

#: More characters than the first sentence of any help has.
_WHOLE = 1000


class Group(click.Group):
    """A group of commands that answers a wrong name with the one that was meant, and with all there are."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            names = self.list_commands(ctx)
            meant = did_you_mean(args[0], names)
            raise click.UsageError(f"{error.message}{meant} Commands: {', '.join(names)}.", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its whole first sentence, on several lines where it is long."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        listed = [(name, command.get_short_help_str(_WHOLE)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(listed)


class Program(Group):
    """The outermost group. With --json, errors are `{"error": text}` on stderr; exit codes are the same."""

    def main(  # type: ignore[override]  # Click's overloads only tell that a standalone run never returns
        self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        words = sys.argv[1:] if args is None else list(args)
        if not standalone_mode or "--json" not in words:
            return super().main(args, standalone_mode=standalone_mode, **extra)
        try:
            code = super().main(args, standalone_mode=False, **extra)
        except click.ClickException as error:
            _print_error(error.format_message())
            code = error.exit_code
        except click.Abort:
            _print_error("Aborted.")
            code = 1
        # A command that ends early gives its exit code, any other nothing.
        sys.exit(code if isinstance(code, int) else 0)


def _print_error(text: str) -> None:
    # Imported here, because most commands make no error.
    from scimlite.visible_text import visible_json

    document = json.dumps({"error": text}, ensure_ascii=not streams.takes_unicode(sys.stderr))
    click.echo(visible_json(document), err=True)
