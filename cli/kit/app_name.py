"""How commands are told their app: as `--app`, as the first argument where there is one, or by SCIMLITE_APP."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from scimlite import apps

from . import completing
from .context import Context

_VARIABLE = "SCIMLITE_APP"

_Command = Callable[..., Any]
_argument = click.argument("app_argument", metavar="[SLUG]", required=False, shell_complete=completing.apps)


def _option(name: str, text: str, **more: Any) -> Callable[[_Command], _Command]:
    return click.option(
        "--app",
        name,
        metavar="SLUG",
        envvar=_VARIABLE,
        show_envvar=True,
        shell_complete=completing.apps,
        help=text,
        **more,
    )


def app_option(command: _Command) -> _Command:
    """The `--app` option of commands that look into all apps without it."""
    text = "Only in this app, by slug or name.  [default: all]"
    return _option("slug", text)(command)


def required_app_option(command: _Command) -> _Command:
    """The `--app` option of commands that work on one app."""

    def needed(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value is None and not ctx.resilient_parsing:
            raise click.UsageError(f"Name the app: --app SLUG, or {_VARIABLE} in the environment.", ctx)
        return value

    return _option("slug", "The app, by slug or name.", callback=needed)(command)


def app_of_file_option(command: _Command) -> _Command:
    """The `--app` option of a command whose file names an app."""
    return _option("slug", "The app, in place of the file's slug.")(command)


def apps_option(text: str) -> Callable[[_Command], _Command]:
    """The `--app` option of commands that take several apps; SCIMLITE_APP is not asked, which names one to work on."""
    return click.option("--app", "slugs", metavar="SLUG", multiple=True, shell_complete=completing.apps, help=text)


def from_environment(parameter: str) -> bool:
    """True when the environment gave a parameter of the running command."""
    return click.get_current_context().get_parameter_source(parameter) is ParameterSource.ENVIRONMENT


def app_argument(command: _Command) -> _Command:
    """The app as the argument SLUG, as `--app`, or from SCIMLITE_APP; the command gets `slug`."""

    @functools.wraps(command)
    def run(*args: Any, app_argument: str | None, app_option: str | None, **values: Any) -> Any:
        return command(*args, slug=_one_of(app_argument, app_option), **values)

    return _argument(_named(run))


def app_and_label(command: _Command) -> _Command:
    """The app as in `app_argument`, and a token's label after it; the command gets `slug` and `label`.

    A single argument is the label when `--app` names the app, and when it is no app and SCIMLITE_APP names one.
    The command gets the opened installation first.
    """

    @functools.wraps(command)
    def run(
        context: Context, *args: Any, app_argument: str | None, app_option: str | None, label: str | None, **values: Any
    ) -> Any:
        if app_argument is not None and label is None and _is_label(context, app_argument, app_option):
            app_argument, label = None, app_argument
        return command(context, *args, slug=_one_of(app_argument, app_option), label=label, **values)

    arguments = click.argument("label", required=False, metavar="[LABEL]", shell_complete=completing.labels)(
        _named(run)
    )
    return click.argument("app_argument", metavar="[SLUG]", required=False, shell_complete=completing.apps)(arguments)


def _named(command: _Command) -> _Command:
    return _option("app_option", "The app, by slug or name, in place of SLUG.")(command)


def _typed() -> bool:
    """True when `--app` was typed, False when it comes from the environment or is not there."""
    return click.get_current_context().get_parameter_source("app_option") is ParameterSource.COMMANDLINE


def _is_label(context: Context, text: str, option: str | None) -> bool:
    if option is None:
        return False
    if _typed():
        return text.lower() != option.lower()
    return apps.named(context.db, text) is None


def _one_of(argument: str | None, option: str | None) -> str:
    """The app that the command line names, else the environment. Raises UsageError when it names two, or none."""
    if argument is not None and option is not None and _typed() and argument.lower() != option.lower():
        raise click.UsageError(f"SLUG names the app {argument!r} and --app {option!r}: name one.")
    chosen = argument if argument is not None else option
    if chosen is None:
        raise click.UsageError(f"Name the app: SLUG, --app SLUG, or {_VARIABLE} in the environment.")
    return chosen
