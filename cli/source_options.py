"""The options of a source's kind: each kind of source has its own, which `--kind` chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scimlite.sync import kinds
from scimlite.sync.reading import Option, SourceError

#: Beginning of the parameters that are options of a kind.
_PREFIX = "kind_option_"
#: Rules of runs, which commands get together.
_RULES = (
    *("every", "leavers", "missing_after", "match", "match_disabled"),
    *("hold_below", "hold_refused", "hold_changes"),
)
_SECOND = 1_000_000


class KindCommand(click.Command):
    """A command that takes the options of a kind of source, as `kind_options`, and the rules of runs, as `rules`.

    With `--kind` they are those of the kind, and the help shows them; without it those of all kinds of this package.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_PREFIX] = _chosen(args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        taken = {name for param in own for name in param.opts}
        kind = ctx.meta.get(_PREFIX)
        listed = [option for option in _options(kind) if f"--{option.name}" not in taken]
        made = [_as_click(option, hidden=kind is None) for option in listed]
        # Before the help, and behind what the command has itself.
        return [*own[:-1], *made, own[-1]]

    def invoke(self, ctx: click.Context) -> Any:
        options: dict[str, Any] = {}
        for name in [name for name in ctx.params if name.startswith(_PREFIX)]:
            value = ctx.params.pop(name)
            if value is not None and value != ():
                options[name.removeprefix(_PREFIX).replace("_", "-")] = list(value) if type(value) is tuple else value
        ctx.params["kind_options"] = options
        rules = {name: ctx.params.pop(name) for name in _RULES}
        if rules["every"] is not None:
            rules["every"] //= _SECOND
        ctx.params["rules"] = rules
        return super().invoke(ctx)


def _chosen(args: list[str]) -> str | None:
    """The kind that a command line names, before it is parsed."""
    for number, word in enumerate(args):
        if word == "--kind" and number + 1 < len(args):
            return args[number + 1]
        if word.startswith("--kind="):
            return word.removeprefix("--kind=")
    return None


def _options(kind: str | None) -> list[Option]:
    if kind is not None:
        try:
            return list(kinds.get(kind).options)
        except SourceError as error:
            raise click.UsageError(str(error)) from None
    made: dict[str, Option] = {}
    for name in kinds.own_names():
        for option in kinds.get(name).options:
            known = made.get(option.name)
            if known is None or (option.many and not known.many):
                made[option.name] = option
    return list(made.values())


def _as_click(option: Option, *, hidden: bool) -> click.Option:
    text = option.help
    if option.required:
        text += "  [required]"
    elif option.default is not None:
        text += f"  [default: {option.default}]"
    return click.Option(
        [f"--{option.name}", f"{_PREFIX}{option.name.replace('-', '_')}"],
        metavar="|".join(option.choices) if option.choices else option.metavar,
        multiple=option.many,
        # The worker has another working directory.
        callback=_absolute if option.metavar == "FILE" else None,
        help=text,
        hidden=hidden,
    )


def _absolute(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    return str(Path(value).absolute()) if isinstance(value, str) and value else value
